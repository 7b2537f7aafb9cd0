"""The book of everybody else and the public trades: from the socket while it is up, else polled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mm_bot.clock import Clock
from mm_bot.core.snapshot import Book, Part, Trade
from mm_bot.errors import EdgeError
from mm_bot.venues.coinbase import wire
from mm_bot.venues.coinbase.api import CoinbaseApi
from mm_bot.venues.coinbase.stream import Event, Socket, book_after, polled_book
from mm_bot.venues.coinbase.wire import Lens, listing, read
from mm_bot.venues.levels import LevelBook, OwnLevels

TRADES_KEPT: Final = 100
POLLED: Final = "200"
"""Levels a side."""


class MarketView:
    """Last good values stay, with their age and why there is none newer."""

    def __init__(
        self, api: CoinbaseApi, clock: Clock, own: OwnLevels, lens: Callable[[], Lens]
    ) -> None:
        self._api = api
        self._clock = clock
        self._own = own
        self._lens = lens
        self._pushed: LevelBook | None = None
        self._heard_ms = 0
        self._levels: LevelBook | None = None
        self._seen_ms: int | None = None
        self.trades_by_name: dict[str, Trade] = {}
        """Public trades by the exchange's name, oldest first."""
        self.changed: Callable[[], None] = lambda: None

    def heard(self, channel: str, event: Event) -> None:
        """An event of the market's socket; raises EdgeError where it cannot be read."""
        self._heard_ms = self._clock.now_ms()
        named = event.get("product_id")
        ours = isinstance(named, str) and named in listing(self._lens().market).names
        if channel == "l2_data" and ours:
            before = self._pushed
            self._pushed = book_after(before, event, self._heard_ms)
            if before is None or before.best() != self._pushed.best():
                self.changed()
        elif channel == "market_trades":
            for entry in read.array(event.get("trades"), "trades"):
                self._note_trade(entry)

    async def look(self, socket: Socket | None) -> str | None:
        """Bring both up to date; why that failed, None where it did not. The socket's sequence has
        no gap, so its book is of when the socket last said anything."""
        if socket is not None and socket.up.is_set():
            self._levels, self._seen_ms = self._pushed, self._heard_ms
            return None
        self._pushed, began_ms = None, self._clock.now_ms()
        market = self._lens().market
        try:
            book = await self._api.read("product_book", product_id=market.symbol, limit=POLLED)
            trades = await self._api.read(f"products/{market.symbol}/ticker", limit="50")
            self._levels = polled_book(book, began_ms)
            listed = read.array(read.members(trades, "ticker").get("trades"), "trades")
        except EdgeError as error:
            return error.reason
        for entry in reversed(listed):
            self._note_trade(entry)
        self._seen_ms = began_ms
        return None

    def book(self, problem: str | None) -> Part[Book]:
        """What is left of the levels without us."""
        if self._levels is None:
            return Part(value=None, as_of_ms=None, error=problem or "no book yet")
        seen = self._own.without(self._levels, int(self._clock.monotonic_ms()))
        return Part(value=seen, as_of_ms=self._seen_ms, error=problem)

    def trades(self, problem: str | None) -> Part[tuple[Trade, ...]]:
        """Newest first."""
        newest = sorted(self.trades_by_name.values(), key=lambda trade: -trade.trade_id)
        return Part(value=tuple(newest), as_of_ms=self._seen_ms, error=problem)

    def _note_trade(self, entry: object) -> None:
        try:
            trade = wire.trade(entry, self._lens())
            name = read.text(read.members(entry, "trade"), "trade_id", "trade")
        except EdgeError:
            return  # a stranger's trade that cannot be read is no reference
        self.trades_by_name.setdefault(name, trade)
        while len(self.trades_by_name) > TRADES_KEPT:
            del self.trades_by_name[next(iter(self.trades_by_name))]
