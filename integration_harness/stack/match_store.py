"""The matcher's side of the tables: claiming, releasing and booking orders.

Nobody but the matcher changes an order that is `matching`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

from integration_harness.stack.settlement import SignedOrder

Database = psycopg.Connection[Any]

_COLUMNS: Final = """order_id, side, asset_address, sub_id::text AS sub_id, desired_amount,
    filled_amount, limit_price, limit_price_ticks, action_json, signature, created_at"""
_BEST: Final = """
    SELECT order_id FROM active_orders
    WHERE asset_address = %(asset)s AND sub_id = %(sub_id)s AND side = '{side}'
      AND status = 'active' AND expiry > %(now)s
    ORDER BY limit_price_ticks::numeric {direction}, created_at, order_id
    LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_CLAIM: Final = f"""
    WITH bid AS ({_BEST.format(side="buy", direction="DESC")}),
         ask AS ({_BEST.format(side="sell", direction="ASC")}),
         pair AS (SELECT order_id FROM bid UNION ALL SELECT order_id FROM ask)
    UPDATE active_orders SET status = 'matching'
    WHERE order_id IN (SELECT order_id FROM pair) AND (SELECT count(*) FROM pair) = 2
    RETURNING {_COLUMNS}
"""
_RELEASE: Final = """
    UPDATE active_orders SET status = 'active'
    WHERE order_id = ANY(%(order_ids)s) AND status = 'matching'
"""
_BOOK: Final = """
    WITH raised AS (
        UPDATE active_orders SET
            filled_amount = (filled_amount::numeric + %(size)s)::text,
            status = CASE WHEN filled_amount::numeric + %(size)s >= desired_amount::numeric
                     THEN 'filled' ELSE 'active' END
        WHERE order_id IN (%(taker)s, %(maker)s) AND status = 'matching'
        RETURNING order_id),
    known AS (SELECT count(*) AS orders FROM raised),
    fill AS (
        INSERT INTO trade_fills
            (asset_address, sub_id, price, size, aggressor_side, taker_order_id, maker_order_id)
        SELECT %(asset)s, %(sub_id)s, %(price)s, %(size)s::text, %(side)s, %(taker)s, %(maker)s
        FROM known WHERE orders = 2)
    SELECT orders FROM known
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A claimed row of `active_orders`."""

    order_id: str
    side: str
    asset_address: str
    sub_id: str
    desired_amount: str
    filled_amount: str
    limit_price: str
    limit_price_ticks: str
    action_json: dict[str, Any]
    signature: str
    created_at: datetime

    @property
    def ticks(self) -> int:
        return int(self.limit_price_ticks)

    @property
    def remaining(self) -> int:
        return int(self.desired_amount) - int(self.filled_amount)

    @property
    def signed(self) -> SignedOrder:
        return SignedOrder(action=self.action_json, signature=self.signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A bid and an ask of one market, told apart by who came later."""

    taker: Order
    maker: Order
    size: int


def claim_best(database: Database, market: dict[str, Any], now_seconds: int) -> list[Order]:
    """Set the best bid and the best ask `matching`: both, or none where a side is empty."""
    return _orders(database, _CLAIM, {**market, "now": now_seconds})


def release(database: Database, orders: tuple[Order, ...] | list[Order]) -> None:
    """Back to `active`, for those still `matching`."""
    database.execute(_RELEASE, {"order_ids": [order.order_id for order in orders]})


def book(database: Database, pair: Pair) -> None:
    """Both orders raised and the fill inserted, in one statement; once, however often it is called:
    an outage may have hidden that it was committed."""
    terms = {
        "taker": pair.taker.order_id,
        "maker": pair.maker.order_id,
        "size": pair.size,
        "asset": pair.maker.asset_address,
        "sub_id": int(pair.maker.sub_id),
        "price": pair.maker.limit_price,
        "side": pair.taker.side,
    }
    row = database.execute(_BOOK, terms).fetchone()
    assert row in ((0,), (2,)), "nobody else touches an order that is matching"


def crossing_pair(first: Order, second: Order) -> Pair | None:
    """The match of a bid and an ask; None where they do not cross."""
    bid, ask = (first, second) if first.side == "buy" else (second, first)
    assert (bid.side, ask.side) == ("buy", "sell")
    if bid.ticks < ask.ticks:
        return None
    maker, taker = sorted((bid, ask), key=lambda order: (order.created_at, order.order_id))
    return Pair(taker=taker, maker=maker, size=min(bid.remaining, ask.remaining))


def _orders(database: Database, statement: str, parameters: dict[str, Any]) -> list[Order]:
    with database.cursor(row_factory=class_row(Order)) as cursor:
        return cursor.execute(statement, parameters).fetchall()
