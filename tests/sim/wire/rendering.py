"""The model's rows as the exchange writes them: engine side, stored units, numbers as text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from mm_bot.core.exact import plain
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.orders import OrderStatus
from mm_bot.venues.numo.units import EngineSide, engine_side, ref
from tests.sim.model import US, Match, Model, Row
from tests.sim.wire.places import ADDRESSES, OTHER_FUTURE, OTHER_SPOT, OWNER, SUBACCOUNT

Json = dict[str, Any]
_FAR_MS = 3_000_000_000


def engine_price(market: Instrument, row: Row) -> str:
    """On spot what one cNGN costs in USDC, which is the row's unit."""
    return plain(row.unit.value if market.is_spot else row.price.value)


def whose(market: Instrument, row: Row) -> Json:
    where = ref(market)
    return {
        "order_id": row.order_id,
        "owner_address": ADDRESSES[row.owner],
        "subaccount_id": str(SUBACCOUNT if row.owner == US else 99),
        "nonce": str(row.nonce),
        "side": engine_side(market, row.side).value,
        "asset_address": where.asset,
        "sub_id": str(where.sub_id),
    }


def table_row(market: Instrument, row: Row) -> Json:
    """A row of `active_orders`."""
    return whose(market, row) | {
        "desired_amount": str(row.steps),
        "filled_amount": str(row.filled),
        "limit_price": engine_price(market, row),
        "status": row.status.value,
        "expiry": str(row.expiry_ms // 1000),
        "created_ms": row.created_ms,
    }


def api_order(market: Instrument, row: Row) -> Json:
    """An order of the API: a row of its own clothes."""
    return table_row(market, row) | {
        "market": market.symbol,
        "expiry": row.expiry_ms // 1000,
        "created_at": rfc3339(row.created_ms),
        "worst_fee": "0",
    }


def api_trade(model: Model, match: Match) -> Json:
    maker, taker = model.rows[match.maker], model.rows[match.taker]
    return {
        "trade_id": match.trade_id,
        "price": engine_price(model.market, maker),
        "size": str(match.steps),
        "aggressor_side": engine_side(model.market, taker.side).value,
        "taker_order_id": match.taker,
        "maker_order_id": match.maker,
        "created_at": rfc3339(match.at_ms),
    }


def fills(model: Model, after: int) -> Iterator[Json]:
    """Our side of each trade with a higher id, by id."""
    market, later = model.market, dict[str, int]()
    mine = sorted((m for m in model.matches if m.own and m.trade_id > after), key=_by_id)
    found = []
    for match in reversed(mine):
        for order_id, side in match.own:
            row = model.rows[order_id]
            done = row.filled - later.get(order_id, 0) >= row.steps
            later[order_id] = later.get(order_id, 0) + match.steps
            found.append(
                {
                    "trade_id": match.trade_id,
                    "order_id": order_id,
                    "side": engine_side(market, side).value,
                    "price": engine_price(market, model.rows[match.maker]),
                    "size": str(match.steps),
                    "at_ms": match.at_ms,
                    "is_maker": order_id == match.maker,
                    "completes_order": done,
                }
            )
    return reversed(found)


def rows_elsewhere(model: Model) -> list[Json]:
    """Orders of ours in other markets that hold what the model says is reserved there: cash as a
    future's margin, cNGN as a spot bid."""
    held = model.reserved_elsewhere
    cash, cngn = held.base.value, held.quote.value
    if not model.market.is_spot:
        cash, cngn = held.quote.value, Decimal(0)
    found = []
    if cash:
        lots = cash / (OTHER_FUTURE.margin_rate * OTHER_FUTURE.multiplier * Decimal("0.001"))
        found.append(_elsewhere(model, OTHER_FUTURE, EngineSide.BUY, lots, "1600"))
    if cngn:
        found.append(_elsewhere(model, OTHER_SPOT, EngineSide.SELL, cngn, "0.000625"))
    return found


def _elsewhere(
    model: Model, market: Instrument, side: EngineSide, steps: Decimal, price: str
) -> Json:
    assert steps == int(steps), f"{steps} is no whole number of steps"
    where, nonce = ref(market), 500 if market.is_spot else 501
    return {
        "order_id": f"manual:{nonce}",
        "owner_address": OWNER,
        "subaccount_id": str(SUBACCOUNT),
        "nonce": str(nonce),
        "side": side.value,
        "asset_address": where.asset,
        "sub_id": str(where.sub_id),
        "desired_amount": str(int(steps)),
        "filled_amount": "0",
        "limit_price": price,
        "status": OrderStatus.ACTIVE.value,
        "expiry": str(_FAR_MS),
        "created_ms": 0,
    }


def side_of(market: Instrument, text: str) -> Side:
    """The human side of an engine's word."""
    side = Side(text)
    return side.opposite if market.is_spot else side


def rfc3339(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _by_id(match: Match) -> int:
    return match.trade_id
