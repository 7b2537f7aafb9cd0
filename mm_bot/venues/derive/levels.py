"""What is pushed of the market: the book without us, the public trades, the price band. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from mm_bot.core.exact import Price, Size, add
from mm_bot.core.instrument import Side
from mm_bot.core.orders import RestingOrder
from mm_bot.core.snapshot import Book, PriceLimits, Trade
from mm_bot.io.shapes import Members
from mm_bot.venues.derive.their_clock import TheirClock
from mm_bot.venues.derive.wire import read
from mm_bot.venues.fill_numbers import fill_number
from mm_bot.venues.levels import others

_SIDES: Final = {Side.BUY: "bids", Side.SELL: "asks"}


def book(data: object, resting: Iterable[RestingOrder]) -> tuple[int, Book]:
    """A snapshot of the order book without us: `publish_id`, and levels less what we rest there."""
    entry = read.members(data, "book")
    own: dict[tuple[Side, Decimal], Decimal] = {}
    for row in resting:
        key = (row.side, row.price.value)
        own[key] = add(own.get(key, Decimal(0)), row.size.value)
    sides = {side: others(_levels(entry, name), side, own) for side, name in _SIDES.items()}
    number = read.integer(entry, "publish_id", "book")
    return number, Book(bids=sides[Side.BUY], asks=sides[Side.SELL])


def trade(entry: object, clock: TheirClock) -> Trade:
    """A public trade."""
    members = read.members(entry, "trade")
    at_ms = read.integer(members, "timestamp", "trade")
    return Trade(
        trade_id=fill_number(read.text(members, "trade_id", "trade"), at_ms),
        price=Price(read.number(members, "trade_price", "trade")),
        size=Size(read.number(members, "trade_amount", "trade")),
        at_ms=clock.ours(at_ms),
        maker_order_id="",
        taker_order_id="",
    )


def limits(data: object) -> PriceLimits:
    """What prices are taken now, of `ticker_slim`."""
    ticker = read.members(read.member(read.members(data, "ticker"), "instrument_ticker", "t"), "t")
    low, high = (
        Price(read.number(ticker, name, "ticker")) if ticker.get(name) is not None else None
        for name in ("minp", "maxp")
    )
    return PriceLimits(low=low, high=high)


def _levels(entry: Members, name: str) -> dict[Decimal, Decimal]:
    found = {}
    for level in read.array(read.member(entry, name, "book"), name):
        pair = read.array(level, f"{name} level")
        if len(pair) != 2:
            raise read.fault(f"{name} level", pair, "a price and a size")
        numbers = {"price": pair[0], "size": pair[1]}
        price = read.number(numbers, "price", f"book.{name}")
        found[price] = read.number(numbers, "size", f"book.{name}")
    return found
