"""Our orders as the simulated exchange's table has them, and as the bot reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Final

from mm_bot.backtest.engine import Engine
from mm_bot.backtest.ledger import Booked
from mm_bot.backtest.tape import NS_A_MS
from mm_bot.core.commands import NewOrder
from mm_bot.core.exact import Price, Size, multiply
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.orders import OrderStatus, Ownership, RestingOrder
from mm_bot.core.snapshot import Book, BookOrder, Fill

TRADE_ID: Final = attrgetter("trade_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How much of the book the bot is shown."""

    levels: int = 5
    reach_ticks: int = 100


@dataclass(slots=True, kw_only=True)
class Row:
    """One order of ours as the exchange's table has it."""

    order: NewOrder
    number: int
    """Of the engine."""
    lots: int
    accepted_ns: int
    filled: int = 0
    status: OrderStatus = OrderStatus.ACTIVE
    ends_as: OrderStatus = OrderStatus.CANCELLED
    """What a cancel under way makes of it: ours, or that of its expiry."""
    answer: asyncio.Future[None] | None = None
    last_trade_id: int = 0
    refused: bool = False
    unheard: bool = False
    """The tape ended before the last answer."""

    @property
    def expiry_ms(self) -> int:
        return self.order.expiry_s * 1_000

    def left(self, market: Instrument) -> Size:
        return Size(multiply(Decimal(self.lots - self.filled), market.size_step.value))


def resting(row: Row, market: Instrument) -> RestingOrder:
    """As the order table's reader gives it."""
    order, left = row.order, row.left(market)
    return RestingOrder(
        order_id=order.order_id,
        side=order.side,
        price=order.price,
        size=left,
        notional=market.notional(order.price, left),
        original_size=order.size,
        lot=market.size_step,
        status=row.status,
        nonce=order.nonce,
        created_ms=row.accepted_ns // NS_A_MS,
        expiry_ms=row.expiry_ms,
        ownership=Ownership.MANAGED,
        filled_steps=row.filled,
    )


def listed(row: Row, market: Instrument) -> BookOrder:
    """As the public book has it."""
    order = row.order
    return BookOrder(
        order_id=order.order_id,
        side=order.side,
        price=order.price,
        size=row.left(market),
        ours=True,
    )


def whole(value: Decimal, step: Decimal) -> int:
    """How many steps; it must be on their grid."""
    number, rest = divmod(value, step)
    assert not rest, f"{value} is not on the grid of {step}"
    return int(number)


def told(fill: Booked, step: Size) -> Fill:
    """A fill as the order table tells it."""
    return Fill(
        trade_id=fill.trade_id,
        order_id=fill.order_id,
        side=fill.side,
        price=fill.price,
        size=fill.size,
        notional=fill.notional,
        fee=fill.fee,
        at_ms=fill.at_ns // NS_A_MS,
        is_maker=True,
        completes_order=not fill.left_lots,
        steps=whole(fill.size.value, step.value),
    )


def book(engine: Engine, live: Iterable[Row], market: Instrument, shown: Shown) -> Book:
    """Others' levels, each as one order, and ours among them."""
    sides: dict[Side, list[BookOrder]] = {side: [] for side in Side}
    tick, lot = market.price_tick.value, market.size_step.value
    for side, orders in sides.items():
        for at, lots in engine.levels(side, shown.levels, shown.reach_ticks):
            orders.append(
                BookOrder(
                    order_id=f"tape:{side.value}:{at}",
                    side=side,
                    price=Price(multiply(Decimal(at), tick)),
                    size=Size(multiply(Decimal(lots), lot)),
                    ours=False,
                )
            )
    for row in live:
        sides[row.order.side].append(listed(row, market))
    for side, orders in sides.items():
        orders.sort(key=lambda order: side.best_first(order.price))
    return Book(bids=tuple(sides[Side.BUY]), asks=tuple(sides[Side.SELL]))
