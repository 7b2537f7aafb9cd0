"""Public reads of the markets API: markets, book, trades. No keys, no tables, no signatures.

One request a read, no retries: whoever reads every cycle reads again. Everything that can go wrong
outside comes out as `EdgeError`.
"""

from __future__ import annotations

from typing import Final

import httpx

from mm_bot.core.instrument import Instrument
from mm_bot.core.snapshot import Book, Trade
from mm_bot.errors import EdgeError
from mm_bot.io.errors import answered, edge
from mm_bot.venues.numo import wire

TRADES_LIMIT: Final = 100
"""The most trades the API gives at once."""


class MarketData:
    """The readable side of the API; `client` has its base URL and its timeouts."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        # Built once each, which is half of a request's work; there are two for each market.
        self._requests: dict[tuple[str, ...], httpx.Request] = {}

    async def listings(self) -> tuple[wire.Listing, ...]:
        """Every market we know the units of."""
        return wire.parse_listings(await self._get("/v1/markets", {}))

    async def book(self, market: Instrument, owner: str | None = None) -> Book:
        """Both sides as a human reads them; orders of `owner` (lower case) are marked `ours`."""
        return wire.parse_book(
            await self._get("/v1/book", {"symbol": market.symbol}), market, owner
        )

    async def trades(self, market: Instrument, limit: int = TRADES_LIMIT) -> tuple[Trade, ...]:
        """The latest trades, newest first."""
        query = {"symbol": market.symbol, "limit": str(limit)}
        return wire.parse_trades(await self._get("/v1/trades", query), market)

    async def _get(self, path: str, query: dict[str, str]) -> bytes:
        key = (path, *query.values())
        with edge(wire.API):
            if key not in self._requests:
                self._requests[key] = self._client.build_request("GET", path, params=query)
            response = await self._client.send(self._requests[key])
        if response.status_code != httpx.codes.OK:
            text = wire.parse_error(response.content)
            raise EdgeError(wire.API, f"GET {path} {answered(response, text)}")
        return response.content
