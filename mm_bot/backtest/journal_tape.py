"""The market of a journal without us: a tape of what others did, and the orders we really sent.

Others' orders of each journalled book, in whole levels, become depth; every public trade a print
at its own time, those that hit us too. Orders that cross a quote of ours at that moment are takers
on their way to it: they are left out of the book, since their print comes. A quiet cycle keeps no
book, so the depth is as fresh as the bot's last decision, which is when it matters for an order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from mm_bot.backtest.arrays import BUY, DEPTH, SEEN, SELL, TRADE, events
from mm_bot.backtest.path import MidPath
from mm_bot.backtest.progress import Told, nobody
from mm_bot.backtest.tape import NS_A_MS, Market, Tape
from mm_bot.core.commands import NewOrder, Verdict
from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.policy import Policy
from mm_bot.core.snapshot import AnchorQuote, Book, Fill, Trade
from mm_bot.errors import SettingsError
from mm_bot.journal.reader import Cycle, cycles

ON_THE_QUOTE = "0.000001"
"""The lot of a tape whose exchange counts orders in the quote: sizes are rounded down to it."""
TELL_EVERY = 100


Row = tuple[int, int, int, float, float]
"""(kind and flags, exchange ns, our ns, price, quantity)."""


@dataclass(slots=True, kw_only=True)
class Sent:
    """One order that was accepted, or whose fate is unknown; times are unix milliseconds."""

    order: NewOrder
    sent_ms: int
    created_ms: int | None = None
    """By its row."""
    cancel_ms: int | None = None
    """When the cancel that took it off was sent."""
    filled: Size = field(default_factory=lambda: Size.of(0))
    first_fill_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What a journal is for a backtest."""

    tape: Tape
    orders: Mapping[str, Sent]
    fills: tuple[Fill, ...]
    latencies: tuple[tuple[int, int, int], ...]
    """(sent, matched, answered) in nanoseconds, of the cancels and of the orders whose row was
    seen."""
    anchors: tuple[tuple[int, AnchorQuote], ...]
    policy: Policy
    path: MidPath
    """The reference that the bot had, as the mark."""
    instrument: Instrument
    start: Size
    """The inventory at the first read."""
    poll_ms: int
    longest_gap_ms: int
    """Between two cycles that kept what they saw."""


class Anchors:
    """The journalled anchor as the bot's edge, in the market's time."""

    def __init__(self, known: tuple[tuple[int, AnchorQuote], ...]) -> None:
        self._known = known
        self._times = [at for at, _ in known]

    def at(self, now_ms: int) -> AnchorQuote:
        return self._known[max(0, bisect_right(self._times, now_ms) - 1)][1]


def read(path: Path, told: Told = nobody) -> Journal:
    """Everything of a journal that a backtest needs; where `told` ends it early, of the cycles
    until then. It is told how many were read.

    Raises:
        SettingsError: where it is none, or holds no price.
    """
    building = _Building()
    for number, cycle in enumerate(cycles(path)):
        if number % TELL_EVERY == 0 and not told(number):
            building.interrupted = True
            break
        building.see(cycle)
    return building.done(path)


class _Building:
    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.orders: dict[str, Sent] = {}
        self.fills: dict[tuple[int, str], Fill] = {}
        self.trades: dict[int, Trade] = {}
        self.latencies: list[tuple[int, int, int]] = []
        self.anchors: list[tuple[int, AnchorQuote]] = []
        self.marks: list[tuple[int, Price]] = []
        self.times: list[int] = []
        self.levels: dict[tuple[Side, int], int] = {}
        self.last: Cycle | None = None
        self.market: Market | None = None
        self.start: Size | None = None
        self.interrupted = False

    def see(self, cycle: Cycle) -> None:
        venue = cycle.snapshot.venue
        self.last = cycle
        self.market = self.market or market_of(cycle.context.instrument)
        self.times.append(cycle.at_ms)
        if cycle.snapshot.anchor is not None:
            self.anchors.append((cycle.at_ms, cycle.snapshot.anchor))
        if cycle.reference is not None:
            self.marks.append((cycle.at_ms, Price.of(cycle.reference)))
        for trade in venue.trades.value or ():
            self.trades.setdefault(trade.trade_id, trade)
        if self.start is None and venue.balances.value is not None:
            self.start = venue.balances.value.base
        if venue.orders.value is not None:
            for fill in venue.orders.value.fills:
                self.fills.setdefault((fill.trade_id, fill.order_id), fill)
            for row in venue.orders.value.rows:
                sent = self.orders.get(row.order_id)
                if sent is not None and sent.created_ms is None:
                    sent.created_ms = row.created_ms
        if venue.book.value is not None and venue.book.as_of_ms is not None:
            self._book(venue.book.value, venue.book.as_of_ms)
        for place in cycle.report.places:
            if place.outcome.verdict is not Verdict.REFUSED:
                order = place.signed.order
                self.orders.setdefault(order.order_id, Sent(order=order, sent_ms=place.sent_ms))
        for result in cycle.report.cancels:
            sent = self.orders.get(result.cancel.order_id)
            if sent is not None and result.outcome.verdict is Verdict.ACCEPTED:
                sent.cancel_ms = result.sent_ms
            if result.outcome.verdict is Verdict.ACCEPTED:
                half = (result.done_ms - result.sent_ms) // 2
                self._latency(result.sent_ms, result.sent_ms + half, result.done_ms)

    def _latency(self, sent_ms: int, matched_ms: int, answered_ms: int) -> None:
        if sent_ms <= matched_ms <= answered_ms:
            row = (sent_ms, matched_ms, answered_ms)
            self.latencies.append((row[0] * NS_A_MS, row[1] * NS_A_MS, row[2] * NS_A_MS))

    def _book(self, book: Book, at_ms: int) -> None:
        """The change of others' levels since the last book that was kept."""
        assert self.market is not None
        tick, lot = float(self.market.tick), float(self.market.lot)
        ours = {side: next((o.price for o in book.side(side) if o.ours), None) for side in Side}
        now: dict[tuple[Side, int], int] = {}
        for side in Side:
            against = ours[side.opposite]
            for order in book.side(side):
                if order.ours or (against is not None and side.reaches(order.price, against)):
                    continue
                key = (side, round(float(order.price.value) / tick))
                now[key] = now.get(key, 0) + max(1, round(float(order.size.value) / lot))
        at_ns = at_ms * NS_A_MS
        for key in sorted(
            self.levels.keys() | now.keys(), key=lambda each: (each[0].value, each[1])
        ):
            lots = now.get(key, 0)
            if lots != self.levels.get(key, 0):
                kind = SEEN | DEPTH | (BUY if key[0] is Side.BUY else SELL)
                self.rows.append((kind, at_ns, at_ns, key[1] * tick, lots * lot))
        self.levels = now

    def done(self, path: Path) -> Journal:
        if self.last is None or self.market is None or not self.marks:
            raise SettingsError([f"{path}: no cycle with a reference price, so nothing to replay"])
        for fill in self.fills.values():
            sent = self.orders.get(fill.order_id)
            if sent is not None:
                sent.filled += fill.size
                first = sent.first_fill_ms
                sent.first_fill_ms = fill.at_ms if first is None else min(first, fill.at_ms)
        for sent in self.orders.values():
            if sent.created_ms is not None and sent.created_ms > sent.sent_ms:
                there = sent.created_ms - sent.sent_ms
                self._latency(sent.sent_ms, sent.created_ms, sent.created_ms + there)
        self.rows += self._prints()
        self.rows += self._ends()
        self.rows.sort(key=lambda row: (row[1], row[0] & 0xFF))
        gaps = [after - before for before, after in zip(self.times, self.times[1:], strict=False)]
        about = f"journal of {self.market.symbol}, {len(self.times)} cycles, without our orders"
        if self.interrupted:
            about += ", interrupted"
        tape = Tape(market=self.market, events=events(self.rows), about=about)
        return Journal(
            tape=tape,
            orders=self.orders,
            fills=tuple(sorted(self.fills.values(), key=lambda fill: fill.trade_id)),
            latencies=tuple(sorted(set(self.latencies))),
            anchors=tuple(self.anchors),
            policy=self.last.context.policy,
            path=MidPath(
                times_ns=tuple(at * NS_A_MS for at, _ in self.marks),
                prices=tuple(price for _, price in self.marks),
            ),
            instrument=self.last.context.instrument,
            start=self.start or Size.of(0),
            poll_ms=max(10, round(median(gaps))) if gaps else 1_000,
            longest_gap_ms=max(gaps, default=0),
        )

    def _prints(self) -> list[Row]:
        """Every trade since the first cycle. Who met an order of ours is a taker at our own price,
        also where ours came second: all orders rest here. Of strangers' trades where the price lies
        to the reference tells whose side took."""
        found = []
        ours = {fill.trade_id for fill in self.fills.values()}
        for fill in self.fills.values():
            sent = self.orders.get(fill.order_id)
            price = fill.price if sent is None or fill.is_maker else sent.order.price
            found.append(self._print(fill.at_ms, price, fill.size, fill.side.opposite))
        for trade in self.trades.values():
            if trade.trade_id not in ours:
                taker = Side.BUY if trade.price >= self._mark(trade.at_ms) else Side.SELL
                found.append(self._print(trade.at_ms, trade.price, trade.size, taker))
        return [row for row in found if row[1] >= self.times[0] * NS_A_MS]

    def _print(self, at_ms: int, price: Price, size: Size, taker: Side) -> Row:
        assert self.market is not None
        tick, lot = float(self.market.tick), float(self.market.lot)
        ticks, lots = round(float(price.value) / tick), round(float(size.value) / lot)
        kind = SEEN | TRADE | (BUY if taker is Side.BUY else SELL)
        return kind, at_ms * NS_A_MS, at_ms * NS_A_MS, ticks * tick, max(1, lots) * lot

    def _mark(self, at_ms: int) -> Price:
        index = bisect_right([at for at, _ in self.marks], at_ms) - 1
        return self.marks[max(0, index)][1]

    def _ends(self) -> list[Row]:
        """Far below everything, one level at the beginning and its end a minute after the last
        cycle, so that the tape is as long as the journal."""
        assert self.market is not None
        tick, lot = float(self.market.tick), float(self.market.lot)
        begins, ends = self.times[0] - 1_000, self.times[-1] + 60_000
        kind = SEEN | DEPTH | BUY
        return [
            (kind, begins * NS_A_MS, begins * NS_A_MS, tick, lot),
            (kind, ends * NS_A_MS, ends * NS_A_MS, tick, 2 * lot),
        ]


def market_of(instrument: Instrument) -> Market:
    """As a tape has it: a grid on the quote becomes a fine one on the base."""
    on_quote = instrument.notional_step is not None
    return Market(
        symbol=instrument.symbol,
        base=instrument.base,
        quote=instrument.quote,
        kind=instrument.kind.value,
        tick=str(instrument.price_tick),
        lot=ON_THE_QUOTE if on_quote else str(instrument.size_step),
        multiplier=str(instrument.multiplier),
    )
