"""Where an order of ours is, asked by its id: in the order table, or else by the API's word.

For commands that must work while parts of the exchange are down: it needs no listing, so rows are
ours by their id and nonce where the instrument is not known.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import httpx

from mm_bot.core.instrument import Instrument
from mm_bot.core.ledger import DEAD_AFTER_MS
from mm_bot.core.orders import OrderId, OrderStatus, Ownership, classify
from mm_bot.errors import EdgeError
from mm_bot.io.errors import FOREIGN, describe
from mm_bot.io.postgres import Session
from mm_bot.io.shapes import Reader
from mm_bot.venues.base import Found, FoundOrder
from mm_bot.venues.numo import order_queries, units, wire
from mm_bot.venues.numo.chain import Head
from mm_bot.venues.numo.config import NumoConfig

_read = Reader(wire.API)
_WITNESS: Final = "Postgres"


async def find(
    session: Session,
    api: httpx.AsyncClient,
    config: NumoConfig,
    instrument: Instrument | None,
    order_ids: Sequence[str],
    head: Head | None,
) -> Found:
    """See `Venue.find`. What is past is so by the earlier of our clock and the latest block's;
    where no block was read (`head` None) nothing is."""
    values = {
        "owner": config.owner,
        "subaccount": str(config.subaccount_id),
        "asked": list(order_ids),
    }
    try:
        rows = await session.query(order_queries.FIND, values)
    except EdgeError as error:
        asked = [await _by_api(api, order_id) for order_id in order_ids]
        known = tuple(each for each in asked if each)
        return Found(orders=known, witness=_WITNESS, fault=error.reason)
    found = []
    now_s = None if head is None else min(time.time(), head.time_s)
    for order_id, nonce, side, asset, sub_id, status, expiry_s in rows:
        where = units.AssetRef(asset=asset, sub_id=int(sub_id))
        if order_id in order_ids or _ours(config, instrument, order_id, int(nonce), side, where):
            state = OrderStatus(status)
            # What the matcher holds may still be settled; its word comes late, if at all.
            grace_s = DEAD_AFTER_MS // 1000 if state is OrderStatus.MATCHING else 0
            over = now_s is not None and int(expiry_s) + grace_s <= now_s
            proof = f"its row says {status}"
            found.append(
                FoundOrder(
                    order_id=order_id,
                    nonce=int(nonce),
                    live=state.live and not over,
                    expiry_s=int(expiry_s),
                    proof=f"{proof}, and it expired" if state.live and over else proof,
                )
            )
    return Found(orders=tuple(found), witness=_WITNESS)


def _ours(
    config: NumoConfig,
    instrument: Instrument | None,
    order_id: str,
    nonce: int,
    side: str,
    where: units.AssetRef,
) -> bool:
    parts = OrderId.parse(order_id)
    if parts is None or parts.market != config.market_symbol:
        return False
    if instrument is None:
        return parts.nonce == nonce
    if where != units.ref(instrument):
        return False
    human = units.human_side(instrument, units.EngineSide(side))
    owned = classify(order_id, human, nonce, instrument.symbol, config.protected_prefixes)
    return owned is Ownership.MANAGED


async def _by_api(api: httpx.AsyncClient, order_id: str) -> FoundOrder | None:
    """With the table out of reach the API's own word is the next best. None for an id that no
    order of ours can have."""
    parts = OrderId.parse(order_id)
    if parts is None:
        return None
    live: bool | None = None
    try:
        answer = await api.get(f"/v1/orders/{order_id}")
        members = _read.members(_read.json(answer.content), "order")
        text = _read.text(members, "status", "order")
        live = _read.converted(lambda: OrderStatus(text), "order.status").live
        proof = f"the API says {text}; the order table was not read"
    except FOREIGN as error:
        proof = f"the API does not tell ({describe(error)})"
    except EdgeError as error:
        proof = f"the API does not tell ({error.reason})"
    return FoundOrder(order_id=order_id, nonce=parts.nonce, live=live, expiry_s=None, proof=proof)
