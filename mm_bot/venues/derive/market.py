"""The market as the socket pushes it: the book, public trades, the band of prices that are taken.

None of it can be asked for, so while the socket is down there is none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from mm_bot.clock import Clock
from mm_bot.core.orders import RestingOrder
from mm_bot.core.snapshot import Book, Part, PriceLimits, Trade
from mm_bot.errors import EdgeError
from mm_bot.venues.derive import levels
from mm_bot.venues.derive.their_clock import TheirClock

TRADES_KEPT: Final = 100


@dataclass(slots=True, kw_only=True)
class MarketView:
    """What was pushed last. `wake` is called where the best price of a side changed."""

    clock: Clock
    their_clock: TheirClock
    wake: Callable[[], None]
    price_limits: PriceLimits | None = None
    _book: Part[Book] = field(
        default_factory=lambda: Part(value=None, as_of_ms=None, error="no book was pushed yet")
    )
    _data: Mapping[str, Any] | None = None
    _data_ms: int = 0
    _trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=TRADES_KEPT))
    _trades_as_of_ms: int | None = None

    def begin(self) -> None:
        """A new session: its snapshots are numbered anew."""
        self._data = None

    def heard(self, kind: str, data: object) -> bool:
        """Take what was pushed; whether it was about the market."""
        if kind == "orderbook":
            self._note_book(data)
        elif kind == "ticker_slim":
            with suppress(EdgeError):  # one that cannot be read changes nothing
                self.price_limits = levels.limits(data)
        elif kind == "trades":
            for entry in data if isinstance(data, list) else ():
                with suppress(EdgeError):  # a stranger's trade that cannot be read is no reference
                    self._trades.append(levels.trade(entry, self.their_clock))
        else:
            return False
        return True

    def book(self, resting: Iterable[RestingOrder], problem: str | None) -> Part[Book]:
        """The last snapshot, with what rests of ours taken out of it; `problem` is why the socket
        is down, None while it is up."""
        if self._data is not None:
            try:
                _, seen = levels.book(self._data, resting)
                self._book = Part(value=seen, as_of_ms=self._data_ms)
            except EdgeError as error:
                self._book = self._kept(error.reason)
        if problem is not None:
            return self._kept(problem)
        self._trades_as_of_ms = self.clock.now_ms()
        return self._book

    def trades(self) -> Part[tuple[Trade, ...]]:
        """Newest first, as of when the socket was last up."""
        return Part(value=tuple(self._trades)[::-1], as_of_ms=self._trades_as_of_ms)

    def _kept(self, why: str) -> Part[Book]:
        return Part(value=self._book.value, as_of_ms=self._book.as_of_ms, error=why)

    def _note_book(self, data: object) -> None:
        if not isinstance(data, dict) or not isinstance(data.get("publish_id"), int):
            return
        before = self._data
        if before is not None and data["publish_id"] <= before["publish_id"]:
            return
        stamp, now_ms = data.get("timestamp"), self.clock.now_ms()
        said_ms = self.their_clock.ours(stamp) if isinstance(stamp, int) else now_ms
        self._data_ms = min(said_ms, now_ms)
        self._data = data
        if before is None or _best(before) != _best(data):
            self.wake()


def _best(data: Mapping[str, Any]) -> tuple[object, object]:
    sides = (data.get("bids"), data.get("asks"))
    bid, ask = (side[0] if isinstance(side, list) and side else None for side in sides)
    return bid, ask
