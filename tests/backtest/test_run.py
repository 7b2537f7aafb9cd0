"""A run can be believed: it repeats, sees no future, keeps exact books, and ends with its tape."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from mm_bot.backtest import metrics
from mm_bot.backtest.engine import SPARE, Engine, Exchange, Step
from mm_bot.backtest.errors import BooksDifferError, EngineFaultError
from mm_bot.backtest.experiment import Account
from mm_bot.backtest.generate import BEGINS_NS
from mm_bot.backtest.ledger import Ledger
from mm_bot.backtest.recorder import Recorder
from mm_bot.backtest.run import agree, run
from mm_bot.backtest.tape import NS_A_MS, NS_A_SECOND
from mm_bot.core.decide import Decision
from mm_bot.core.exact import NO_AMOUNT, Amount, Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Memory
from mm_bot.core.remember import Report
from mm_bot.ports import Telemetry
from tests.backtest.tapes import ASK, BID, BOUGHT, BY_HAND, CALM, MARKET, SHORT, SOLD, book, tape


def test_a_run_repeats_byte_for_byte() -> None:
    """Two runs of one experiment write the same result, and it has fills."""
    first, second = (metrics.text(metrics.result(run(SHORT, SHORT.tape()))) for _ in range(2))
    assert first == second
    assert '"count": 0' not in first


def test_what_comes_later_changes_nothing_before_it() -> None:
    """On a tape that is cut, everything before the cut is as on the whole one."""
    whole_tape = SHORT.tape()
    cut_ns = whole_tape.begins_ns + 30 * NS_A_SECOND
    whole, cut = run(SHORT, whole_tape), run(SHORT, whole_tape.until(cut_ns))
    before = [fill for fill in whole.ledger.fills if fill.at_ns < cut_ns - 100 * NS_A_MS]
    assert len(before) >= 10
    assert cut.ledger.fills[: len(before)] == before
    ends_ms = cut.ends_ms - 100
    samples = [sample for sample in whole.recorder.samples if sample.at_ms < ends_ms]
    assert [sample for sample in cut.recorder.samples if sample.at_ms < ends_ms] == samples


def test_the_bot_sees_nothing_before_it_arrives() -> None:
    """With a feed 400 ms late the reference is what had arrived, not what was true."""
    rows = [row for second in range(20) for row in _moved(second)]
    late = tape(*rows, feed_ms=400)
    done = run(replace(BY_HAND, strategy={**BY_HAND.strategy, "MM_POLL_INTERVAL_MS": "130"}), late)
    compared = 0
    for sample in done.recorder.samples:
        if sample.reference is not None:
            at_ms = sample.at_ms - BEGINS_NS // NS_A_MS
            acted_ms = 50  # a sample is taken after the cycle's cancels and places were answered
            seen = {1_000 + (ms - 400) // 1_000 for ms in range(at_ms - acted_ms, at_ms + 1)}
            assert sample.reference.value in seen, sample
            compared += 1
    assert compared > 60


def _moved(second: int) -> tuple[tuple[float, int, float, float], ...]:
    bid, ask = 900 + second, 1_100 + second
    old = ((second, BID, bid - 1, 0), (second, ASK, ask - 1, 0)) if second else ()
    return ((second, BID, bid, 1_000), (second, ASK, ask, 1_000), *old)


def test_every_part_of_a_fill_is_counted_once() -> None:
    """A taker of 2 lots at our price fills a part of our order of 5, one of 3 a part of the order
    that took its place, and who trades through a price fills all of it."""
    done = run(
        BY_HAND,
        tape(*CALM[:2], (5, SOLD, 990, 2), (7.5, SOLD, 990, 3), (12, BOUGHT, 1_011, 9), CALM[2]),
    )
    told = [
        (f.side, f.price, f.size, f.left_lots, (f.at_ns - BEGINS_NS) // NS_A_MS)
        for f in done.ledger.fills
    ]
    assert told == [
        (Side.BUY, Price.of(990), Size.of(2), 3, 5_000),
        (Side.BUY, Price.of(990), Size.of(3), 2, 7_500),
        (Side.SELL, Price.of(1010), Size.of(5), 0, 12_000),
    ]
    made = metrics.result(done)["pnl"]
    assert (made["total"], made["spread_capture"], made["inventory"]) == ("100", "100", "0")


def test_an_order_waits_for_its_place_in_the_queue() -> None:
    """Behind 50 lots at its price an order is not filled by the first 40."""
    queued = (*CALM[:2], (0, BID, 990, 50), (0, ASK, 1_010, 50))
    wide = {**BY_HAND.strategy, "MM_HALF_SPREAD_BPS": "100"}
    done = run(
        replace(BY_HAND, strategy=wide),
        tape(*queued, (5, SOLD, 990, 40), (9, SOLD, 990, 12), CALM[2]),
    )
    assert [(f.size, (f.at_ns - BEGINS_NS) // NS_A_SECOND) for f in done.ledger.fills] == [
        (Size.of(2), 9)
    ]


def test_an_order_is_not_there_before_it_arrives() -> None:
    """A taker between the sending of an order and its arrival does not fill it."""
    slow = replace(BY_HAND, exchange=Exchange(queue="risk-averse", entry_ms=300, response_ms=300))
    early, late = (
        len(run(slow, tape(*CALM[:2], (at, SOLD, 980, 9), CALM[2])).ledger.fills)
        for at in (0.25, 0.35)
    )
    assert (early, late) == (0, 1)


def test_a_quiet_tape_earns_what_its_price_does() -> None:
    """Without trades there is no fill, and the result is the position times the move."""
    start = replace(BY_HAND, account=Account(position="7", quote="1000000"))
    moved = tape(*book(0, 900, 1_100), (20, ASK, 1_104, 9), (20, ASK, 1_100, 0), (40, BID, 899, 1))
    made = metrics.result(run(start, moved))
    assert made["fills"]["count"] == 0
    assert made["pnl"]["total"] == made["pnl"]["inventory"] == "14"


def test_the_engine_fails_on_an_exact_fill_without_the_spare_part() -> None:
    """What the spare part of an order is for: without it this tape ends with code 14, told as an
    error; with it the tape goes to its end."""
    rows = (*book(0, 900, 1_100), (3, SOLD, 990, 2), (4, SOLD, 990, 3), (8, SOLD, 990, 1), CALM[2])

    def end(spare: float) -> Step:
        engine = Engine(tape(*rows), Exchange(queue="risk-averse"))
        engine.step(NS_A_SECOND, watch=False)
        engine.submit(1, Side.BUY, 990, 5 + spare)
        step = Step.TIME
        while step is not Step.END:
            step = engine.step(NS_A_SECOND, watch=False)
        return step

    assert end(SPARE) is Step.END
    with pytest.raises(EngineFaultError, match=r"code 14 .* before the end of the tape"):
        end(0.0)


def test_books_that_differ_are_an_error() -> None:
    """A fill that was booked twice, or lost, ends the run without a result."""
    done = run(BY_HAND, tape(*CALM[:2], (5, SOLD, 980, 9), CALM[2]))
    ledger, recorder, rows = done.ledger, done.recorder, done.rows
    agree(ledger, recorder, rows)
    fills = ledger.fills
    assert len(fills) == 1
    for wrong in ([], [*fills, *fills]):
        ledger.fills = wrong
        with pytest.raises(BooksDifferError):
            agree(ledger, recorder, rows)


def test_the_parts_are_the_whole_with_fees_and_a_start() -> None:
    """capture + inventory - fees is exactly cash + position x mark, whatever the digits."""
    ledger = Ledger(MARKET.instrument(), Size.of("0.3"), Decimal("1.7"))
    sides = (Side.BUY, Side.SELL, Side.SELL)
    for i, side in enumerate(sides):
        ledger.book(
            order_id=str(i),
            side=side,
            price=Price.of("1000.07") + Price(Decimal(i) / 8),
            size=Size.of("0.123456789"),
            at_ns=i,
            trade_id=i,
            left_lots=0,
            waited_ms=0,
        )
    marks = [Price.of("1000.123"), Price.of("999.7"), Price.of("1001.31")]
    parts = ledger.parts(lambda at: marks[min(at, 2)], Price.of("998"), Price.of("1003"), 1)
    assert parts.total == ledger.worth(Price.of("1003")) - Amount.of("998").times(Decimal("0.3"))
    assert parts.fees > NO_AMOUNT
    ledger.cash += Amount.of("0.000000000000000001")
    with pytest.raises(BooksDifferError, match="the parts are"):
        ledger.parts(lambda at: marks[min(at, 2)], Price.of("998"), Price.of("1003"), 1)


class _Everything:
    """Keeps every number that the bot was shown."""

    def __init__(self, recorder: Recorder) -> None:
        self.numbers: list[Decimal] = []
        self._recorder = recorder

    def cycle(
        self, decision: Decision, report: Report, memory: Memory, timings_ms: dict[str, float]
    ) -> None:
        venue = decision.snapshot.venue
        book = venue.book.value
        for order in book.bids + book.asks if book is not None else ():
            self.numbers += [order.price.value, order.size.value]
        for trade in venue.trades.value or ():
            self.numbers += [trade.price.value, trade.size.value]
        self._recorder.cycle(decision, report, memory, timings_ms)

    def event(self, name: str, /, **fields: object) -> None:
        self._recorder.event(name, **fields)


def test_nothing_floating_enters_the_core() -> None:
    """Every price and size of book, trades and fills is on its grid, every reference a whole number
    of half ticks."""
    kept: list[_Everything] = []

    def telemetry(recorder: Recorder) -> Telemetry:
        kept.append(_Everything(recorder))
        return kept[-1]

    done = run(SHORT, SHORT.tape(), telemetry=telemetry)
    prices = [s.reference.value * 2 for s in done.recorder.samples if s.reference is not None]
    prices += [fill.price.value for fill in done.ledger.fills]
    prices += kept[0].numbers
    assert len(prices) > 400
    assert not [price for price in prices if price % Decimal("0.001")]
