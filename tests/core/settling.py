"""One order with fills, between the table and the chain."""

from __future__ import annotations

from dataclasses import replace

from mm_bot.core.exact import Size
from mm_bot.core.instrument import Side
from mm_bot.core.orders import OrderStatus, RestingOrder
from mm_bot.core.settlement import Past, Settlement, settle
from tests.core.builders import NOW_MS, balances, fill, row

LOT = Size.of("0.000625")
"""One cNGN at 1600."""
FILLED = replace(
    row(Side.BUY, "1600", nonce=1, status=OrderStatus.FILLED),
    size=Size.of(0),
    lot=LOT,
    filled_steps=160_000,
)
"""A bid for 100 that is filled by its row."""
FILL = fill(1, Side.BUY, "1600", "100", order_id=FILLED.order_id)
ID = FILLED.order_id
HALF = replace(FILLED, status=OrderStatus.CANCELLED, size=Size.of(50), filled_steps=80)
EXPIRY_MS = FILLED.expiry_ms
PAST = Past(cursor=0, newest_trade_id=0, continued=False, live=(), taken_out={}, signatures={})
KNOWN = Settlement(
    nonce=1,
    side=Side.BUY,
    price=FILLED.price,
    lot=LOT,
    filled=80,
    settled=80,
    asked=True,
    since_ms=NOW_MS - 100_000,
    since_block_ms=NOW_MS - 100_000,
    expiry_ms=EXPIRY_MS,
    booked=80,
    trades=frozenset({1}),
)


def one_look(
    known: Settlement | None,
    *rows: RestingOrder,
    count: int | None = None,
    block_ms: int = NOW_MS,
    now_ms: int = NOW_MS,
    past: Past = PAST,
    held: tuple[str, ...] = (),
) -> Settlement | None:
    """What is known of the order after one look."""
    counts = {} if count is None else {ID: count}
    read = replace(balances(block_ms=block_ms), settled=counts)
    before = {} if known is None else {ID: known}
    return settle(before, rows, (), read, now_ms, past=past, held=held).get(ID)
