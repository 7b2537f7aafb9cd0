"""The exchange's own spot prices as anchor sources: the mid of its book and its last trade.

Both speak human, cNGN per USDC: the API's spot `bids` are human asks and its trades are priced the
engine's way round, which `mm_bot.venue` turns. They are guarded like any other source.
"""

from __future__ import annotations

from decimal import Decimal

from fair_anchor.exchange_reads import SpotReads
from fair_anchor.settings_sources import BOOK, TRADE
from mm_bot.clock import Clock
from mm_bot.core.exact import Price
from mm_bot.core.snapshot import Book
from mm_bot.prices.source import AnchorError, Reading, RejectReason

HALF = Decimal("0.5")
BLINK_MS = 60
"""The matcher takes the best orders out of the book for a moment at each of its polls."""


class BookSource:
    """The mid of the best bid and ask of others."""

    name = BOOK
    min_interval_ms = 0

    def __init__(self, reads: SpotReads, clock: Clock) -> None:
        self._reads = reads
        self._clock = clock

    async def read(self) -> Reading:
        book = await self._reads.book()
        if not book.bids or not book.asks:
            await self._clock.sleep_ms(BLINK_MS)
            book = await self._reads.book()
        return Reading(price=mid_of(book), as_of_ms=None)

    async def aclose(self) -> None:
        pass


class TradeSource:
    """The last trade; its own time is the data's, so that the guard refuses an old one."""

    name = TRADE
    min_interval_ms = 0

    def __init__(self, reads: SpotReads) -> None:
        self._reads = reads

    async def read(self) -> Reading:
        trade = await self._reads.last_trade()
        if trade is None:
            raise AnchorError(self.name, RejectReason.NO_PRICE, "no trade yet")
        return Reading(price=trade.price, as_of_ms=trade.at_ms)

    async def aclose(self) -> None:
        pass


def mid_of(book: Book) -> Price:
    """Half-way between the best bid and the best ask.

    Raises:
        AnchorError: where a side is empty, or they cross or touch.
    """
    if not book.bids or not book.asks:
        missing = "bid" if book.asks else "ask" if book.bids else "order"
        raise AnchorError(BOOK, RejectReason.ONE_SIDED, f"no {missing} of others")
    bid, ask = book.bids[0].price, book.asks[0].price
    if bid >= ask:
        raise AnchorError(BOOK, RejectReason.CROSSED, f"bid {bid}, ask {ask}")
    return (bid + ask).times(HALF)
