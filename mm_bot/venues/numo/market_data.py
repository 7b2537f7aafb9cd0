"""Public reads of the markets API: markets, book, trades. No keys, no tables, no signatures.

One request a read, no retries: whoever reads every cycle reads again. Everything that can go wrong
outside comes out as `EdgeError`.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

import httpx

from mm_bot.core.instrument import Instrument
from mm_bot.core.snapshot import Book, BookOrder, ClockReading, Trade
from mm_bot.errors import EdgeError
from mm_bot.io.errors import answered, edge
from mm_bot.io.http import LeanClient, Prepared
from mm_bot.io.shapes import Known, Latest
from mm_bot.venues.numo import wire

TRADES_LIMIT: Final = 100
"""The most trades the API gives at once."""


class MarketData:
    """The readable side of the API; `client` has its base URL and its timeouts."""

    def __init__(self, client: LeanClient, now_ms: Callable[[], int]) -> None:
        self.clock: ClockReading | None = None
        """The API's clock by its latest answer; None where that has no Date."""
        self._client = client
        self._now_ms = now_ms
        # Built once each, which is half of a request's work; there are two for each market.
        self._requests: dict[tuple[str, ...], Prepared] = {}
        self._orders: dict[tuple[str, str | None], tuple[Known[BookOrder], Latest[Book]]] = {}
        self._trades: dict[str, tuple[Known[Trade], Latest[tuple[Trade, ...]]]] = {}

    async def listings(self) -> tuple[wire.Listing, ...]:
        """Every market we know the units of."""
        return wire.parse_listings(await self._get("/v1/markets", {}))

    async def book(self, market: Instrument, owner: str | None = None) -> Book:
        """Both sides as a human reads them; orders of `owner` (lower case) are marked `ours`."""
        known, latest = self._orders.setdefault((market.symbol, owner), (Known(), Latest()))
        body = await self._get("/v1/book", {"symbol": market.symbol})
        return latest.made(body, lambda: wire.parse_book(body, market, owner, known))

    async def trades(self, market: Instrument, limit: int = TRADES_LIMIT) -> tuple[Trade, ...]:
        """The latest trades, newest first."""
        query = {"symbol": market.symbol, "limit": str(limit)}
        known, latest = self._trades.setdefault(market.symbol, (Known(), Latest()))
        body = await self._get("/v1/trades", query)
        return latest.made(body, lambda: wire.parse_trades(body, market, known))

    async def _get(self, path: str, query: dict[str, str]) -> bytes:
        key = (path, *query.values())
        with edge(wire.API):
            if key not in self._requests:
                self._requests[key] = self._client.prepared("GET", path, params=query)
            began_ms = self._now_ms()
            response = await self._client.ask(self._requests[key])
            self.clock = api_clock(response.field(b"date"), began_ms, self._now_ms())
        if response.status_code != httpx.codes.OK:
            text = wire.parse_error(response.content)
            raise EdgeError(wire.API, f"GET {path} {answered(response, text)}")
        return response.content


def api_clock(date: str | None, began_ms: int, ended_ms: int) -> ClockReading | None:
    """The API's clock by the Date of an answer that was asked for and came between two of our
    times; None without a readable one. A Date has whole seconds, cut."""
    theirs_ms = _date_ms(date or "")
    if theirs_ms is None:
        return None
    ahead_ms = max(theirs_ms - ended_ms, min(theirs_ms + 1000 - began_ms, 0))
    return ClockReading(name=wire.API, ahead_ms=ahead_ms)


@lru_cache(maxsize=1)  # the same text for a second
def _date_ms(text: str) -> int | None:
    try:
        return int(parsedate_to_datetime(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
