"""The book of everybody else and public trades: from the socket while it is lively, else polled.

`market-liquidity` has the whole book; how public trades are listed is documented by their address
alone, so entries that cannot be read like fills are left out.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from mm_bot.clock import Clock
from mm_bot.core.snapshot import Book, Part, Trade
from mm_bot.errors import EdgeError
from mm_bot.venues.ethereal import wire
from mm_bot.venues.ethereal.api import EtherealApi
from mm_bot.venues.ethereal.levels import polled
from mm_bot.venues.ethereal.stream import Stream
from mm_bot.venues.ethereal.wire import Lens, listing, read
from mm_bot.venues.levels import LevelBook, OwnLevels

QUIET_MS: Final = 3_000
"""A book that is older, by its own time, is asked for: a frozen socket is silent too."""
TRADES: Final = "50"


class MarketView:
    """Last good values stay, with their age and why there is none newer."""

    def __init__(self, api: EtherealApi, clock: Clock, own: OwnLevels) -> None:
        self._api = api
        self._clock = clock
        self._own = own
        self._levels: LevelBook | None = None
        self._levels_ms: int | None = None
        self._trades: tuple[Trade, ...] = ()
        self._trades_ms: int | None = None

    async def look(self, stream: Stream | None, lens: Lens) -> str | None:
        """Bring both up to date; why that failed, None where it did not."""
        heard, now_ms = stream.book if stream is not None else None, self._clock.now_ms()
        if stream is not None and heard is not None:
            heard_ms = min(now_ms, lens.our_ms(heard.at_ms))
            if now_ms - heard_ms <= QUIET_MS:
                newest = sorted(stream.trades, key=lambda trade: -trade.trade_id)
                self._trades = tuple(replace(t, at_ms=lens.our_ms(t.at_ms)) for t in newest)
                self._levels, self._levels_ms, self._trades_ms = heard, heard_ms, now_ms
                return None
        began_ms, product = self._clock.now_ms(), listing(lens.market).product_id
        try:
            book, trades = await asyncio.gather(
                self._api.read("product/market-liquidity", productId=product),
                self._api.read("order/trade", productId=product, limit=TRADES, order="desc"),
            )
            self._levels = polled(book)
        except EdgeError as error:
            return error.reason
        self._levels_ms = self._trades_ms = began_ms
        self._trades = _listed(trades, lens)
        return None

    def book(self, problem: str | None) -> Part[Book]:
        """What is left of the levels without us."""
        if self._levels is None:
            return Part(value=None, as_of_ms=None, error=problem or "no book yet")
        seen = self._own.without(self._levels, int(self._clock.monotonic_ms()))
        return Part(value=seen, as_of_ms=self._levels_ms, error=problem)

    def trades(self, problem: str | None) -> Part[tuple[Trade, ...]]:
        """Newest first."""
        return Part(value=self._trades, as_of_ms=self._trades_ms, error=problem)


def _listed(answer: object, lens: Lens) -> tuple[Trade, ...]:
    found = []
    for entry in read.array(read.members(answer, "trades").get("data"), "trades"):
        try:
            at_ms = read.integer(read.members(entry, "trade"), "createdAt", "trade")
            trade = wire.trade(entry, price="price", size="filled", at_ms=at_ms)
        except EdgeError:
            continue
        found.append(replace(trade, at_ms=lens.our_ms(at_ms)))
    return tuple(sorted(found, key=lambda trade: -trade.trade_id))
