"""Rows of the database as the JSON the API answers with.

A listed order is rendered with every read of its book, and a trade with every read of the tape: a
row that was seen before is what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from integration_harness.stack.instruments import Instrument, order_presentation
from integration_harness.stack.markets_api.database import Row
from integration_harness.stack.quantities import KEPT, spot_contract

ORDER_COLUMNS: Final = (
    "order_id, owner_address, signer_address, subaccount_id::text, recipient_id::text, "
    "nonce::text, side, asset_address, sub_id::text, desired_amount, filled_amount, limit_price, "
    "worst_fee, expiry::bigint, action_json::text, signature, status, created_at"
)
_ORDER_FIELDS: Final = (
    "order_id",
    "owner_address",
    "signer_address",
    "subaccount_id",
    "recipient_id",
    "nonce",
    "side",
    "asset_address",
    "sub_id",
    "desired_amount",
    "filled_amount",
    "limit_price",
    "worst_fee",
    "expiry",
    "action_json",
    "signature",
    "status",
    "created_at",
)
_SIDE: Final = _ORDER_FIELDS.index("side")
TRADE_COLUMNS: Final = (
    "trade_id, asset_address, sub_id::text, price, size, aggressor_side, taker_order_id, "
    "maker_order_id, created_at"
)
_TRADE_FIELDS: Final = (
    "trade_id",
    "asset_address",
    "sub_id",
    "price",
    "size",
    "aggressor_side",
    "taker_order_id",
    "maker_order_id",
    "created_at",
)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC without trailing zeros of the fraction."""
    text = moment.isoformat().removesuffix("+00:00")
    return (text.rstrip("0") if "." in text else text) + "Z"


@lru_cache(maxsize=KEPT)
def render_order(row: Row, instrument: Instrument) -> orjson.Fragment:
    """A row of ORDER_COLUMNS with the presentation of its market."""
    order: dict[str, Any] = dict(zip(_ORDER_FIELDS, row, strict=True))
    order["action_json"] = orjson.Fragment(order["action_json"])
    order["created_at"] = timestamp(order["created_at"])
    order.update(_presentation(instrument))
    if instrument.is_spot:
        terms = order["side"], order["limit_price"], order["desired_amount"]
        order["spot_contract"] = spot_contract(*terms)
    return orjson.Fragment(orjson.dumps(order))


def render_sides(
    rows: Sequence[Row | tuple[Any, ...]], instrument: Instrument
) -> dict[str, list[orjson.Fragment]]:
    """The orders of rows of ORDER_COLUMNS by their side, in the order they come in."""
    sides: dict[str, list[orjson.Fragment]] = {"buy": [], "sell": []}
    for row in rows:
        sides[row[_SIDE]].append(render_order(row, instrument))
    return {"bids": sides["buy"], "asks": sides["sell"]}


@lru_cache(maxsize=KEPT)
def render_trade(row: Row, instrument: Instrument) -> orjson.Fragment:
    """A row of TRADE_COLUMNS, named by its market."""
    trade: dict[str, Any] = dict(zip(_TRADE_FIELDS, row, strict=True))
    trade["created_at"] = timestamp(trade["created_at"])
    shown = _presentation(instrument)
    trade |= {key: shown[key] for key in ("contract_type", "settlement_type", "market")}
    if instrument.is_spot:
        terms = trade["aggressor_side"], trade["price"], trade["size"]
        trade["spot_contract"] = spot_contract(*terms)
    return orjson.Fragment(orjson.dumps(trade))


@lru_cache(maxsize=100)
def _presentation(instrument: Instrument) -> dict[str, str | int | None]:
    return order_presentation(instrument)
