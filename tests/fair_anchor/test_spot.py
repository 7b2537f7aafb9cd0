"""Which source is used, how often each is read, and who waits for whom."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from fair_anchor.fair_value import Confidence
from fair_anchor.settings import FallbackPolicy
from fair_anchor.spot import FAILING_MS, NoSpotError, Slot, SpotFinder
from mm_bot.core.exact import Price
from mm_bot.prices.source import AnchorError, Reading, RejectReason
from tests.prices.support import NOW_MS, ManualClock, run

CACHE_MS = 1_000
TIMEOUT_MS = 1_500
LIMIT_MS = 60_000


class Source:
    """Answers with `price`, or fails where that is None, once `gate` is open."""

    min_interval_ms = 0

    def __init__(self, clock: ManualClock, name: str, price: str | None = "1600") -> None:
        self.name = name
        self.price = price
        self.as_of_ms: int | None = None
        self.refusal = RejectReason.STATUS
        self.gate = asyncio.Event()
        self.gate.set()
        self.reads = 0
        self.asked = asyncio.Event()
        self._clock = clock

    async def read(self) -> Reading:
        self.reads += 1
        self.asked.set()
        await self.gate.wait()
        if self.price is None:
            raise AnchorError(self.name, self.refusal, "on purpose")
        as_of_ms = self._clock.now_ms() if self.as_of_ms is None else self.as_of_ms
        return Reading(price=Price.of(self.price), as_of_ms=as_of_ms)

    async def aclose(self) -> None:
        pass


class Desk:
    """A finder over scripted sources, on a clock that only tests move."""

    def __init__(self, *prices: str | None, fallback: FallbackPolicy | None = None) -> None:
        self.clock = ManualClock(NOW_MS)
        self.sources = [Source(self.clock, f"s{n}", price) for n, price in enumerate(prices)]
        slots = [
            Slot(
                source,
                confidence=Confidence.HIGH,
                cache_ms=CACHE_MS,
                max_age_ms=LIMIT_MS,
                clock=self.clock,
                random=lambda: 0.0,
            )
            for source in self.sources
        ]
        self.finder = SpotFinder(slots, fallback, timeout_ms=TIMEOUT_MS, clock=self.clock)

    async def find(self) -> tuple[str, Price, bool]:
        spot = await self.finder.find(self.finder.slots)
        return spot.source, spot.price, spot.degraded

    async def refused(self) -> dict[str, str]:
        with pytest.raises(NoSpotError) as caught:
            await self.find()
        return dict(caught.value.tried)


def fallback(price: str) -> FallbackPolicy:
    return FallbackPolicy(price=Price.of(price), max_deviation_bps=Decimal(500))


def test_an_answer_is_used_for_the_cache_time_and_no_longer() -> None:
    """Within the cache time nothing is read again; one millisecond later everything is."""

    async def scenario() -> None:
        desk = Desk("1600")
        for _ in range(1_000):
            assert await desk.find() == ("s0", Price.of(1600), False)
        desk.clock.at_ms += CACHE_MS - 1
        await desk.find()
        assert desk.sources[0].reads == 1
        desk.clock.at_ms += 1
        desk.sources[0].price = "1601"
        assert (await desk.find())[1] == Price.of(1601)
        assert desk.sources[0].reads == 2

    run(scenario())


def test_a_source_that_stops_answering_has_no_price_at_once() -> None:
    """After the cache time a failing source leaves no old value behind."""

    async def scenario() -> None:
        desk = Desk("1600")
        await desk.find()
        desk.sources[0].price = None
        desk.clock.at_ms += CACHE_MS
        assert await desk.refused() == {"s0": "status not 200: on purpose"}

    run(scenario())


def test_a_thousand_who_ask_at_once_are_one_read() -> None:
    """However many wait for a source, it is read once, and one who hangs up stops nobody."""

    async def scenario() -> None:
        desk = Desk("1600")
        desk.sources[0].gate.clear()
        asking = [asyncio.create_task(desk.find()) for _ in range(1_000)]
        await asyncio.sleep(0.01)
        asking[0].cancel()
        await asyncio.sleep(0)
        desk.sources[0].gate.set()
        found = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert set(found[1:]) == {("s0", Price.of(1600), False)}
        assert desk.sources[0].reads == 1

    run(scenario())


def test_a_failing_source_is_not_hammered() -> None:
    """A thousand requests in the back-off's time are one read, each refused with the reason."""

    async def scenario() -> None:
        desk = Desk(None)
        for _ in range(1_000):
            assert await desk.refused() == {"s0": "status not 200: on purpose"}
        assert desk.sources[0].reads == 1
        desk.clock.at_ms += 100
        await desk.refused()
        assert desk.sources[0].reads == 2

    run(scenario())


def test_a_source_that_asked_for_less_is_left_alone_for_longer() -> None:
    """After 429 the pauses begin at a second, not at a tenth."""

    async def scenario() -> None:
        desk = Desk(None)
        desk.sources[0].refusal = RejectReason.RATE_LIMITED
        await desk.refused()
        desk.clock.at_ms += 999
        await desk.refused()
        assert desk.sources[0].reads == 1
        desk.clock.at_ms += 1
        await desk.refused()
        assert desk.sources[0].reads == 2

    run(scenario())


def test_the_next_source_is_used_and_says_so() -> None:
    """Where the best source fails the next one's price is given as degraded; later ones are not
    read at all."""

    async def scenario() -> None:
        desk = Desk(None, "1601", "1602")
        assert await desk.find() == ("s1", Price.of(1601), True)
        assert [source.reads for source in desk.sources] == [1, 1, 0]

    run(scenario())


def test_the_best_source_is_used_again_once_it_answers() -> None:
    """A source that recovers is tried beside the answers and then used, without a restart."""

    async def scenario() -> None:
        desk = Desk(None, "1601")
        await desk.find()
        desk.sources[0].price = "1600"
        desk.clock.at_ms += 100
        assert (await desk.find())[0] == "s1"
        await asyncio.sleep(0)
        assert await desk.find() == ("s0", Price.of(1600), False)

    run(scenario())


def test_nobody_waits_for_a_source_that_is_known_to_fail() -> None:
    """A source that failed and now hangs is tried again, but the answer is the next source's, at
    once; after a while without a failure it is given its time again."""

    async def scenario() -> None:
        desk = Desk(None, "1601")
        await desk.find()
        desk.sources[0].gate.clear()
        desk.clock.at_ms += 100
        async with asyncio.timeout(0.1):
            assert (await desk.find())[0] == "s1"
        await asyncio.sleep(0)
        assert desk.sources[0].reads == 2
        desk.sources[0].price = "1600"
        desk.clock.at_ms += FAILING_MS
        asked = asyncio.create_task(desk.find())
        await asyncio.sleep(0.01)
        assert not asked.done()
        desk.sources[0].gate.set()
        assert (await asked)[0] == "s0"
        await desk.finder.aclose()

    run(scenario())


def test_while_the_best_source_is_slow_the_others_are_asked() -> None:
    """A source that hangs costs no more than its own time: the next ones answer meanwhile."""

    async def scenario() -> None:
        desk = Desk(None, "1601")
        desk.sources[0].gate.clear()
        asked = asyncio.create_task(desk.find())
        await desk.sources[1].asked.wait()
        desk.sources[0].gate.set()
        assert (await asked)[0] == "s1"

    run(scenario())


def test_data_that_grew_too_old_in_the_cache_is_no_spot() -> None:
    """The maximum age counts by the data's own time, in the cache too."""

    async def scenario() -> None:
        desk = Desk("1600")
        desk.sources[0].as_of_ms = NOW_MS - LIMIT_MS
        await desk.find()
        desk.sources[0].price = None
        desk.clock.at_ms += 1
        await desk.refused()

    run(scenario())


def test_an_error_nobody_foresaw_is_a_reason_like_any_other() -> None:
    """A bug in a source costs its price, by name, and not the answer of the next."""

    async def scenario() -> None:
        desk = Desk("no price at all", "1601")
        assert await desk.find() == ("s1", Price.of(1601), True)
        assert desk.finder.slots[0].reason.startswith("unexpected error: ValueError at ")

    run(scenario())


def test_the_fallback_is_used_where_nothing_answers_and_contradicts_nothing() -> None:
    """With no source the guarded fallback is given with low confidence, as degraded."""

    async def scenario() -> None:
        desk = Desk(None, fallback=fallback("1600"))
        spot = await desk.finder.find(desk.finder.slots)
        assert (spot.source, spot.degraded) == ("guarded_fallback", True)
        assert spot.confidence is Confidence.LOW

    run(scenario())


@pytest.mark.parametrize(("last", "used"), [("1679", True), ("1700", False)])
def test_the_fallback_is_refused_where_it_contradicts_the_last_spot(last: str, used: bool) -> None:
    """A fallback further from the last spot than its limit is no price: it is out of date."""

    async def scenario() -> None:
        desk = Desk(last, fallback=fallback("1600"))
        await desk.find()
        desk.sources[0].price = None
        desk.clock.at_ms += CACHE_MS
        if used:
            assert (await desk.find())[0] == "guarded_fallback"
        else:
            reason = (await desk.refused())["guarded_fallback"]
            assert reason == "588.24 bps from the last spot 1700"

    run(scenario())
