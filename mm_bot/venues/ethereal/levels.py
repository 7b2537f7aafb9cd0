"""The order book: levels kept from a snapshot and the changes after it, and ours taken out. Pure.

1. A change follows what is known only where its `pt` is the time of the last one; else it is a gap,
   and nothing is known until the next snapshot.
2. What of ours may still be in the levels is taken out: more than that for `LINGER_MS` where it
   just became less, since levels are published every 200 ms. Taking out too much hides a stranger
   for a second, taking out too little makes us follow ourselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from mm_bot.core.exact import Price, Size, add, plain, subtract
from mm_bot.core.instrument import Side
from mm_bot.core.orders import RestingOrder
from mm_bot.core.snapshot import Book, BookOrder
from mm_bot.venues.ethereal.wire import read

LINGER_MS: Final = 1_000
Levels = Mapping[Decimal, Decimal]
_NAMES: Final = {Side.BUY: ("b", "bids"), Side.SELL: ("a", "asks")}


class GapError(Exception):
    """A change that does not follow what is known."""


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


def followed(known: LevelBook | None, data: object) -> LevelBook | None:
    """The book after one `L2Book` event; None where a change came before any snapshot.

    Raises:
        GapError: see invariant 1.
        EdgeError: where it cannot be read.
    """
    entry = read.members(data, "book")
    at_ms = read.integer(entry, "t", "book")
    if entry.get("pt") is None:
        known = LevelBook(bids={}, asks={}, at_ms=at_ms)
    elif known is None:
        return None
    elif read.integer(entry, "pt", "book") != known.at_ms:
        raise GapError(f"a change of {entry['pt']} where {known.at_ms} is known")
    sides = {}
    for side, (name, _) in _NAMES.items():
        levels = dict(known.side(side))
        for price, size in _pairs(entry.get(name), name):
            if size:
                levels[price] = size
            else:
                levels.pop(price, None)
        sides[side] = levels
    return LevelBook(bids=sides[Side.BUY], asks=sides[Side.SELL], at_ms=at_ms)


def polled(data: object) -> LevelBook:
    """The book as `market-liquidity` tells it."""
    entry = read.members(data, "liquidity")
    sides = {
        side: {price: size for price, size in _pairs(entry.get(name), name) if size}
        for side, (_, name) in _NAMES.items()
    }
    return LevelBook(
        bids=sides[Side.BUY],
        asks=sides[Side.SELL],
        at_ms=read.integer(entry, "timestamp", "liquidity"),
    )


def _pairs(levels: object, where: str) -> Iterable[tuple[Decimal, Decimal]]:
    for level in read.array(levels, where):
        pair = read.array(level, f"{where} level")
        if len(pair) != 2:
            raise read.fault(f"{where} level", pair, "a price and a size")
        members = {"price": pair[0], "size": pair[1]}
        yield read.number(members, "price", where), read.number(members, "size", where)


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


class OwnLevels:
    """What of ours the levels may contain."""

    def __init__(self) -> None:
        self._orders: dict[str, _Own] = {}

    def posting(self, order_id: str, side: Side, price: Price, size: Size) -> None:
        """An order is about to be sent: from now on it may rest."""
        self._orders[order_id] = _Own(side, price.value, size.value, size.value)

    def refused(self, order_id: str) -> None:
        self._orders.pop(order_id, None)

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
        sides = {side: _others(book.side(side), side, own) for side in Side}
        return Book(bids=sides[Side.BUY], asks=sides[Side.SELL])


def _others(
    levels: Levels, side: Side, own: dict[tuple[Side, Decimal], Decimal]
) -> tuple[BookOrder, ...]:
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
