"""Books of levels, and ours taken out of them: for exchanges whose book names no orders.

What of ours may still be in the levels is taken out: more than that for `LINGER_MS` where it just
became less, since levels are published a moment later. Taking out too much hides a stranger for a
second, taking out too little makes us follow ourselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from mm_bot.core.commands import NewOrder, Outcome, Verdict
from mm_bot.core.exact import Price, Size, add, plain, subtract
from mm_bot.core.instrument import Side
from mm_bot.core.orders import RestingOrder
from mm_bot.core.snapshot import Book, BookOrder
from mm_bot.io.shapes import Reader

LINGER_MS: Final = 1_000
MOST_LEVELS: Final = 100_000
"""A side; a large market has some ten thousand."""
Levels = Mapping[Decimal, Decimal]
Sums = Mapping[tuple[Side, Decimal], Decimal]
"""Of our sizes, by side and price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelBook:
    """Sizes by price, each side, as of `at_ms` by the exchange's clock."""

    bids: Levels
    asks: Levels
    at_ms: int

    def side(self, side: Side) -> Levels:
        return self.bids if side is Side.BUY else self.asks

    def best(self) -> tuple[Decimal | None, Decimal | None]:
        return max(self.bids, default=None), min(self.asks, default=None)


@dataclass(slots=True)
class _Own:
    side: Side
    price: Decimal
    size: Decimal
    was: Decimal
    """What it was before it became less."""
    less_since_ms: int | None = None

    def shown(self, now_ms: int) -> Decimal:
        lingers = self.less_since_ms is not None and now_ms - self.less_since_ms < LINGER_MS
        return self.was if lingers else self.size


def bounded(book: LevelBook, read: Reader) -> LevelBook:
    """The same book; raises EdgeError where it grew beyond what any market has, as changes that
    only ever add to it would have it do."""
    for side in Side:
        if len(book.side(side)) > MOST_LEVELS:
            raise read.fault(f"book.{side.value}", len(book.side(side)), f"{MOST_LEVELS} levels")
    return book


class OwnLevels:
    """What of ours the levels may contain."""

    def __init__(self) -> None:
        self._orders: dict[str, _Own] = {}

    async def placing(self, order: NewOrder, sending: Awaitable[Outcome]) -> Outcome:
        """How `sending` ends. From before its first byte the order may rest, but not if refused."""
        size = order.size.value
        self._orders[order.order_id] = _Own(order.side, order.price.value, size, size)
        outcome = await sending
        if outcome.verdict is Verdict.REFUSED:
            self._orders.pop(order.order_id, None)
        return outcome

    def seen(self, rows: Sequence[RestingOrder], watched: Iterable[str], now_ms: int) -> None:
        """What a read of our orders showed. One that it did not show may rest all the same while it
        is watched, and is over where nobody asks for it any more."""
        left = {row.order_id: row.size.value if row.live else Decimal(0) for row in rows}
        for row in rows:
            size = row.size.value
            self._orders.setdefault(row.order_id, _Own(row.side, row.price.value, size, size))
        unheard = set(watched) - set(left)
        for order_id, own in list(self._orders.items()):
            size = own.size if order_id in unheard else left.get(order_id, Decimal(0))
            if size < own.size:
                own.was, own.less_since_ms = own.shown(now_ms), now_ms
            own.size = size
            if not own.shown(now_ms):
                del self._orders[order_id]

    def without(self, book: LevelBook, now_ms: int) -> Book:
        """The book of everybody else, best first."""
        own: dict[tuple[Side, Decimal], Decimal] = {}
        for each in self._orders.values():
            key = (each.side, each.price)
            own[key] = add(own.get(key, Decimal(0)), each.shown(now_ms))
        sides = {side: others(book.side(side), side, own) for side in Side}
        return Book(bids=sides[Side.BUY], asks=sides[Side.SELL])


def others(levels: Levels, side: Side, own: Sums) -> tuple[BookOrder, ...]:
    """What is left of each level without `own`, best first; a level is an order of its own here."""
    found = []
    for price, size in levels.items():
        rest = subtract(size, own.get((side, price), Decimal(0)))
        if rest > 0:
            found.append(
                BookOrder(
                    order_id=f"{side.value}@{plain(price)}",
                    side=side,
                    price=Price(price),
                    size=Size(rest),
                    ours=False,
                )
            )
    return tuple(sorted(found, key=lambda order: side.best_first(order.price)))
