"""Claims about the runner: never in the way, never silent, never ended by a source."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from mm_bot.core.exact import Price
from mm_bot.core.snapshot import AnchorQuote
from mm_bot.errors import EdgeError
from mm_bot.io.backoff import Backoff
from mm_bot.prices.guarded import Guarded, GuardPolicy
from mm_bot.prices.runner import MOVED_FLOOR_MS, AnchorRunner
from mm_bot.prices.source import AnchorError, Reading, RejectReason
from tests.prices.support import NOW_MS, OPEN_GUARD, ManualClock, ScriptedSource, reading, run

INTERVAL_MS = 2_000


class Standing(ManualClock):
    """Whoever sleeps for as long as an interval sleeps for ever."""

    async def sleep_ms(self, duration_ms: float) -> None:
        if duration_ms > MOVED_FLOOR_MS:
            await asyncio.Event().wait()
        await super().sleep_ms(duration_ms)


def new_runner(
    *script: Reading | Exception,
    policy: GuardPolicy = OPEN_GUARD,
    min_interval_ms: int = 0,
    on_update: Callable[[], None] | None = None,
) -> tuple[AnchorRunner, ScriptedSource, ManualClock]:
    clock = ManualClock()
    source = ScriptedSource(*script, min_interval_ms=min_interval_ms)
    guarded = Guarded(source, policy, timeout_ms=60_000, clock=clock)
    runner = AnchorRunner(guarded, interval_ms=INTERVAL_MS, clock=clock, random=lambda: 0.0)
    runner.on_update = on_update
    return runner, source, clock


async def played(runner: AnchorRunner, source: ScriptedSource) -> AnchorQuote:
    """Start, let the script run out, and stop."""
    runner.start()
    await source.spent.wait()
    quote = runner.latest()
    await runner.aclose()
    return quote


def test_latest_answers_before_anything_was_read() -> None:
    """A cycle that comes first sees no price and no error, at once."""
    runner, _, _ = new_runner()
    assert runner.latest() == AnchorQuote(price=None, as_of_ms=None, source="scripted")


def test_it_reads_once_per_interval() -> None:
    """Pace is the interval, and a good read adds nothing to it."""
    runner, source, clock = new_runner(reading("1600"), reading("1601"), reading("1602"))
    quote = run(played(runner, source))
    assert quote.price == Price.of(1602)
    assert quote.error is None
    assert clock.slept_ms[:2] == [INTERVAL_MS, INTERVAL_MS]
    assert (runner.refreshes, runner.failures) == (3, 0)
    assert source.closed


def test_a_slower_source_sets_its_own_pace() -> None:
    """The larger of interval and the source's own limit."""
    runner, source, clock = new_runner(reading("1"), reading("1"), min_interval_ms=30_000)
    run(played(runner, source))
    assert clock.slept_ms[0] == 30_000


def test_a_failed_read_leaves_the_last_good_value_with_its_age() -> None:
    """The error is told beside the value."""
    runner, source, clock = new_runner(reading("1600"), EdgeError("node", "no answer"))
    began_ms = clock.at_ms
    quote = run(played(runner, source))
    assert (quote.price, quote.as_of_ms) == (Price.of(1600), began_ms)
    assert quote.error == "no answer"
    assert (runner.refreshes, runner.failures) == (1, 1)


def test_a_source_that_says_its_data_is_old_ages_the_value_in_use() -> None:
    """Rule 2: a node that went back in time makes the anchor stale now, not in an hour."""
    policy = GuardPolicy(max_age_ms=60_000, max_deviation_bps=None)
    clock_ms = ManualClock().at_ms
    old_ms = clock_ms - 3_600_000
    runner, source, _ = new_runner(
        reading("1600", clock_ms), reading("1600", old_ms), policy=policy
    )
    quote = run(played(runner, source))
    assert (quote.price, quote.as_of_ms) == (Price.of(1600), old_ms)
    assert quote.error is not None
    assert quote.error.startswith("too old")


def test_a_first_reading_that_is_too_old_tells_its_age() -> None:
    """Without a price, but with the age that halts by name."""
    policy = GuardPolicy(max_age_ms=60_000, max_deviation_bps=None)
    runner, source, _ = new_runner(reading("1600", 5), policy=policy)
    quote = run(played(runner, source))
    assert (quote.price, quote.as_of_ms) == (None, 5)


def test_a_jump_leaves_the_value_in_use_and_rearms_by_itself() -> None:
    """Guard and runner together: 1600 stays until the third reading of 2400."""
    policy = GuardPolicy(max_age_ms=60_000, max_deviation_bps=Decimal(500))
    script = [reading("1600"), reading("2400"), reading("2400")]
    runner, source, _ = new_runner(*script, policy=policy)
    quote = run(played(runner, source))
    assert quote.price == Price.of(1600)
    assert runner.refusals == {RejectReason.JUMP: 2}
    runner, source, _ = new_runner(*script, reading("2400"), policy=policy)
    assert run(played(runner, source)).price == Price.of(2400)


@pytest.mark.parametrize("fault", [ValueError("secret"), KeyError("secret"), AssertionError()])
def test_a_fault_nobody_foresaw_costs_the_reading_and_nothing_else(fault: Exception) -> None:
    """Rule 4: it is counted and told without the error's own words, and reading goes on."""
    runner, source, _ = new_runner(fault, reading("1600"))
    updates: list[str | None] = []
    runner.on_update = lambda: updates.append(runner.latest().error)
    assert run(played(runner, source)).price == Price.of(1600)
    assert updates[0] is not None
    assert "secret" not in updates[0]
    assert type(fault).__name__ in updates[0]
    assert runner.refusals == {RejectReason.UNEXPECTED: 1}


def test_a_source_that_asks_to_be_left_alone_is() -> None:
    """Rule 3: the answer's own delay counts where it is longer than ours."""
    limited = AnchorError("scripted", RejectReason.RATE_LIMITED, retry_after_ms=45_000)
    unnamed = AnchorError("scripted", RejectReason.RATE_LIMITED)
    runner, source, clock = new_runner(limited, unnamed, unnamed, unnamed, reading("1"))
    run(played(runner, source))
    assert clock.slept_ms[:4] == [45_000, INTERVAL_MS, 4_000, 8_000]


def test_updates_are_told_when_something_changed() -> None:
    """The loop is woken by a new price or a new error, not by a confirmation of the old."""
    seen: list[Price | None] = []
    runner, source, _ = new_runner(reading("1600"), reading("1600"), reading("1601"))
    runner.on_update = lambda: seen.append(runner.latest().price)
    run(played(runner, source))
    assert seen == [Price.of(1600), Price.of(1601)]


def test_news_is_read_at_once_and_a_storm_of_it_once_in_a_while() -> None:
    """Rule 5: the clock moves by the floor alone, not by the interval; a thousand pieces of news
    between two reads are one."""

    moved = asyncio.Event()

    class Fed(ScriptedSource):
        async def read(self) -> Reading:
            for _ in range(1_000):
                asyncio.get_running_loop().call_soon(moved.set)
            return await super().read()

    async def scenario() -> tuple[AnchorRunner, Standing]:
        source, clock = Fed(reading("1600"), reading("1601"), reading("1602")), Standing()
        runner = AnchorRunner(source, interval_ms=INTERVAL_MS, clock=clock, moved=moved)
        await played(runner, source)
        return runner, clock

    runner, clock = run(scenario())
    assert runner.latest().price == Price.of(1602)
    assert clock.at_ms - NOW_MS == 3 * MOVED_FLOOR_MS, "before each read but the first"


def test_news_confirms_no_jump() -> None:
    """Rule 5: the readings that make a jump the new base stay an interval apart, however often a
    stream repeats it."""

    async def scenario() -> ManualClock:
        clock, moved = ManualClock(), asyncio.Event()
        jumped = [reading("1700"), reading("1700"), reading("1700")]
        source = ScriptedSource(reading("1600"), *jumped)
        policy = GuardPolicy(max_age_ms=None, max_deviation_bps=Decimal(500), confirmations=3)
        guarded = Guarded(source, policy, timeout_ms=60_000, clock=clock)
        runner = AnchorRunner(guarded, interval_ms=INTERVAL_MS, clock=clock, moved=moved)
        runner.start()
        while runner.latest().price != Price.of(1700):
            moved.set()
            await asyncio.sleep(0)
        await runner.aclose()
        return clock

    assert run(scenario()).at_ms - NOW_MS >= 2 * INTERVAL_MS


def test_the_first_reading_is_waited_for_only_so_long() -> None:
    """Good or bad, one read is enough; none at all is the time limit."""

    async def scenario() -> tuple[AnchorQuote, AnchorQuote, AnchorQuote]:
        good, _, _ = new_runner(reading("1600"))
        bad, _, _ = new_runner(EdgeError("scripted", "down"))
        mute, _, _ = new_runner()
        quotes = []
        for runner, limit_ms in ((good, 5_000), (bad, 5_000), (mute, 20)):
            runner.start()
            quotes.append(await runner.first_reading(limit_ms))
            await runner.aclose()
            await runner.aclose()
        return quotes[0], quotes[1], quotes[2]

    good, bad, mute = run(scenario())
    assert good.price == Price.of(1600)
    assert bad.error == "down"
    assert (mute.price, mute.error) == (None, None)


def test_backoff_doubles_within_its_bounds_and_is_never_in_step() -> None:
    """Between half and all of the doubled delay, never above the longest."""
    steady = Backoff(first_ms=100, longest_ms=1_000, random=lambda: 0.0)
    assert [steady.next_ms() for _ in range(6)] == [100, 200, 400, 800, 1_000, 1_000]
    hasty = Backoff(first_ms=100, longest_ms=1_000, random=lambda: 0.999999)
    assert [hasty.next_ms() for _ in range(5)] == [51, 101, 201, 401, 501]
    hasty.reset()
    assert hasty.next_ms() == 51


def test_who_was_left_out_is_counted_with_and_without_a_price() -> None:
    """Each reading counts each source that gave nothing, and why, and the median too where there
    is no quorum; the quote names the latest."""
    left_out = AnchorError("mad", RejectReason.OUTLIER)
    good = Reading(price=Price.of(1600), as_of_ms=NOW_MS, used=("a", "b"), refused=(left_out,))
    no_quorum = AnchorError(
        "median", RejectReason.NO_QUORUM, parts=(AnchorError("a", RejectReason.STALE), left_out)
    )

    async def scenario() -> None:
        clock = ManualClock()
        source = ScriptedSource(good, no_quorum, name="median")
        runner = AnchorRunner(source, interval_ms=1_000, clock=clock, random=lambda: 0.0)
        runner.start()
        await source.spent.wait()
        quote = runner.latest()
        await runner.aclose()
        assert (quote.price, quote.used) == (Price.of(1600), ("a", "b"))
        assert quote.refused == ("a: too old", "mad: outlier")
        assert runner.refused == {
            ("mad", "outlier"): 2,
            ("a", "too old"): 1,
            ("median", "no quorum"): 1,
        }

    run(scenario())
