"""The order book as Ethereal tells it: levels kept from a snapshot and the changes after it. Pure.

A change follows what is known only where its `pt` is the time of the last one; else it is a gap,
and nothing is known until the next snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from mm_bot.core.instrument import Side
from mm_bot.venues.ethereal.wire import read
from mm_bot.venues.levels import LevelBook, bounded

_NAMES: Final = {Side.BUY: ("b", "bids"), Side.SELL: ("a", "asks")}


class GapError(Exception):
    """A change that does not follow what is known."""


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
    return bounded(LevelBook(bids=sides[Side.BUY], asks=sides[Side.SELL], at_ms=at_ms), read)


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
