"""The exchange's public reads as the service needs them: `SpotReads` and its listed futures.

What a market is, is what the exchange lists: a spot symbol that names another kind of market gives
no price. The book is read once for all ignored owners together.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from mm_bot.anchors.source import AnchorError, Clock, Refusal
from mm_bot.core.market import Market, MarketKind
from mm_bot.core.snapshot import Book, Trade
from mm_bot.errors import EdgeError
from mm_bot.venue.market_data import MarketData
from mm_bot.venue.wire import API, Listing, parse_book, to_market

LISTINGS_MAX_AGE_MS = 30_000
"""New expiries are listed every few months; a newly listed one is priced after so long."""
FAILED_PAUSE_MS = 1_000


class Reads(MarketData):
    """Public reads, with the book of several owners' orders marked as ours."""

    async def book_without(self, market: Market, owners: Collection[str]) -> Book:
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
    """What the exchange lists, as of at most `LISTINGS_MAX_AGE_MS` ago where it answers.

    Where it does not, what was listed last still holds: an expiry does not change.
    """

    def __init__(self, reads: Reads, clock: Clock) -> None:
        self._reads = reads
        self._clock = clock
        self._known: tuple[Listing, ...] = ()
        self._next_read_ms = 0.0
        self._error: EdgeError | None = None

    async def all(self) -> tuple[Listing, ...]:
        """Every market.

        Raises:
            EdgeError: where none was ever read.
        """
        now_ms = self._clock.monotonic_ms()
        if now_ms >= self._next_read_ms:
            self._next_read_ms = now_ms + FAILED_PAUSE_MS
            try:
                self._known = await self._reads.listings()
                self._error = None
                self._next_read_ms = now_ms + LISTINGS_MAX_AGE_MS
            except EdgeError as error:
                self._error = error
        if not self._known:
            raise self._error or EdgeError(API, "the markets were not read yet")
        return self._known


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

    async def last_trade(self) -> Trade | None:
        """The newest trade, at its human price."""
        trades = await self._reads.trades(await self._market(), limit=1)
        return trades[0] if trades else None

    async def _market(self) -> Market:
        for listing in await self._listings.all():
            if listing.symbol == self._symbol and listing.kind is MarketKind.SPOT:
                nothing = Decimal(0)
                return to_market(
                    listing, price_tick=None, contract_size=nothing, margin_rate=nothing
                )
        raise AnchorError(API, Refusal.WRONG_PAIR, f"{self._symbol} is no listed spot market")
