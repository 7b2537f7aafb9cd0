"""The exchange's own spot prices as anchor sources: the mid of its book and its last trade.

Both speak human, cNGN per USDC: the API's spot `bids` are human asks and its trades are priced the
engine's way round, which `mm_bot.venues.numo` turns. They are guarded like any other source.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fair_anchor.exchange_reads import SpotReads
from fair_anchor.settings_sources import BOOK, TRADE
from mm_bot.clock import Clock
from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.reference import has_size, price_with_size
from mm_bot.core.snapshot import Book
from mm_bot.prices.source import AnchorError, Reading, RejectReason

HALF = Decimal("0.5")
ONE_CNGN = Amount.of(1)
BLINK_MS = 60
"""The matcher takes the best orders out of the book for a moment at each of its polls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFilter:
    """What an order or a trade of the exchange must be to tell a price."""

    min_size: Size
    """USDC: of one trade, or of orders added up from the best. Less costs nobody anything."""
    low: Price
    high: Price
    lot: Amount = ONE_CNGN
    """Spot orders are a whole number of cNGN, so one may fall short by less than that."""


class BookSource:
    """The mid of the bid and the ask at which others' size reaches the least."""

    name = BOOK
    min_interval_ms = 0

    def __init__(self, reads: SpotReads, clock: Clock, needs: LocalFilter) -> None:
        self._reads = reads
        self._clock = clock
        self._needs = needs

    async def read(self) -> Reading:
        book = await self._reads.book()
        if not book.bids or not book.asks:
            await self._clock.sleep_ms(BLINK_MS)
            book = await self._reads.book()
        return Reading(price=mid_of(book, self._needs), as_of_ms=None)

    async def aclose(self) -> None:
        pass


class TradeSource:
    """The last trade of at least the least size; its own time is the data's, so that the guard
    refuses an old one."""

    name = TRADE
    min_interval_ms = 0

    def __init__(self, reads: SpotReads, needs: LocalFilter) -> None:
        self._reads = reads
        self._needs = needs

    async def read(self) -> Reading:
        trades = await self._reads.trades()
        if not trades:
            raise AnchorError(self.name, RejectReason.NO_PRICE, "no trade yet")
        trade = next((trade for trade in trades if has_size(trade, self._needs)), None)
        if trade is None:
            detail = f"none of the last {len(trades)} trades has {self._needs.min_size} USDC"
            raise AnchorError(self.name, RejectReason.NO_PRICE, detail)
        return Reading(price=trade.price, as_of_ms=trade.at_ms)

    async def aclose(self) -> None:
        pass


def mid_of(book: Book, needs: LocalFilter) -> Price:
    """Half-way between the bid and the ask at which the size of others reaches the least.

    Raises:
        AnchorError: where a side has less, or they cross or touch.
    """
    if not book.bids or not book.asks:
        missing = "bid" if book.asks else "ask" if book.bids else "order"
        raise AnchorError(BOOK, RejectReason.ONE_SIDED, f"no {missing} of others")
    bid, ask = price_with_size(book.bids, needs), price_with_size(book.asks, needs)
    if bid is None or ask is None:
        thin = "bids" if bid is None else "asks"
        detail = f"the {thin} of others have less than {needs.min_size} USDC"
        raise AnchorError(BOOK, RejectReason.ONE_SIDED, detail)
    if bid >= ask:
        raise AnchorError(BOOK, RejectReason.CROSSED, f"bid {bid}, ask {ask}")
    return (bid + ask).times(HALF)
