"""The exchange's public reads as the service needs them: `SpotReads`, `Listings`, `Futures`.

What a market is, is what the exchange lists: a spot symbol that names another kind of market gives
no price. The book is read once for all ignored owners together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from decimal import Decimal

from mm_bot.clock import Clock
from mm_bot.core.instrument import Instrument, Kind
from mm_bot.core.snapshot import Book, Trade
from mm_bot.errors import EdgeError
from mm_bot.io.tasks import ended
from mm_bot.prices.source import AnchorError, RejectReason
from mm_bot.venues.numo.market_data import MarketData
from mm_bot.venues.numo.wire import API, Listing, parse_book, to_market

LISTINGS_MAX_AGE_MS = 30_000
"""New expiries are listed every few months; a newly listed one is priced after so long."""
FAILED_PAUSE_MS = 1_000


class Reads(MarketData):
    """Public reads, with the book of several owners' orders marked as ours."""

    async def book_without(self, market: Instrument, owners: Collection[str]) -> Book:
        """The book without the orders of `owners` (lower case)."""
        body = await self._get("/v1/book", {"symbol": market.symbol})
        book = parse_book(body, market, None)
        for owner in owners:
            marked = parse_book(body, market, owner)
            ours = {o.order_id for side in (marked.bids, marked.asks) for o in side if o.ours}
            book = Book(
                bids=tuple(o for o in book.bids if o.order_id not in ours),
                asks=tuple(o for o in book.asks if o.order_id not in ours),
            )
        return book


class Listings:
    """What the exchange lists, read again at most every `LISTINGS_MAX_AGE_MS` while it is asked.

    Once it was read nobody waits for it. Where the exchange does not answer, what was listed last
    still holds: an expiry does not change.
    """

    def __init__(self, reads: Reads, clock: Clock) -> None:
        self._reads = reads
        self._clock = clock
        self._known: tuple[Listing, ...] = ()
        self._next_read_ms = 0.0
        self._error = EdgeError(API, "the markets were not read yet")
        self._task: asyncio.Task[None] | None = None

    async def all(self) -> tuple[Listing, ...]:
        """Every market.

        Raises:
            EdgeError: where none was ever read.
        """
        if self._task is None and self._clock.monotonic_ms() >= self._next_read_ms:
            self._task = asyncio.create_task(self._read(), name="listings")
        if not self._known and self._task is not None:
            await asyncio.shield(self._task)
        if not self._known:
            raise self._error
        return self._known

    async def aclose(self) -> None:
        """Stop reading."""
        await ended(self._task)

    async def _read(self) -> None:
        pause_ms = FAILED_PAUSE_MS
        try:
            self._known = await self._reads.listings()
            pause_ms = LISTINGS_MAX_AGE_MS
            if not self._known:
                self._error = EdgeError(API, "no market is listed")
        except EdgeError as error:
            self._error = error
        finally:
            self._next_read_ms = self._clock.monotonic_ms() + pause_ms
            self._task = None


class Futures:
    """Which futures are priced, and when they expire."""

    def __init__(self, given: Mapping[str, int | None], listings: Listings | None) -> None:
        """`given` is as in the settings; `listings` may be None where it has every expiry."""
        assert listings or (given and None not in given.values()), "expiries come from somewhere"
        self._given = given
        self._listings = listings

    async def all(self) -> dict[str, int]:
        """Symbol to expiry in unix milliseconds.

        Raises:
            EdgeError: where an expiry must be looked up and cannot, or there is no future.
        """
        known = {symbol: at_ms for symbol, at_ms in self._given.items() if at_ms is not None}
        if self._given and len(known) == len(self._given):
            return known
        assert self._listings is not None
        listed = {
            listing.symbol: listing.expiry_s * 1000
            for listing in await self._listings.all()
            if listing.kind is Kind.FUTURE and listing.expiry_s is not None
        }
        if not self._given:
            if not listed:
                raise EdgeError(API, "no future is listed")
            return listed
        for symbol in self._given.keys() - known.keys():
            if symbol not in listed:
                raise EdgeError(API, f"{symbol} is no listed future: its expiry is not known")
            known[symbol] = listed[symbol]
        return known


class SpotReads:
    """Book and trades of the spot market `symbol`."""

    def __init__(
        self, reads: Reads, listings: Listings, symbol: str, ignored_owners: Collection[str]
    ) -> None:
        self._reads = reads
        self._listings = listings
        self._symbol = symbol
        self._ignored_owners = ignored_owners

    async def book(self) -> Book:
        """Both sides the human way round, without the ignored owners' orders."""
        return await self._reads.book_without(await self._market(), self._ignored_owners)

    async def trades(self) -> tuple[Trade, ...]:
        """The latest trades, newest first, at their human prices."""
        return await self._reads.trades(await self._market())

    async def _market(self) -> Instrument:
        for listing in await self._listings.all():
            if listing.symbol == self._symbol and listing.kind is Kind.SPOT:
                nothing = Decimal(0)
                return to_market(
                    listing, price_tick=None, contract_size=nothing, margin_rate=nothing
                )
        raise AnchorError(API, RejectReason.WRONG_PAIR, f"{self._symbol} is no listed spot market")
