"""Which spot to use: the best source that answers, each asked at most once per cache time.

1. A source's answer is used for at most `cache_ms` since its read began, and its data for at most
   the maximum age. Past that it must answer again, or it has no price.
2. Nothing is read unless somebody asks. However many ask at once, a source is read once.
3. A source that failed is left alone for the back-off's time and then tried again beside the
   answers, which come from the next source meanwhile: nobody waits for what is known to fail
   unless nothing else is left.
4. Where no source has a price there is none, at once, with the reason of each; but for the guarded
   fallback, which is refused where it contradicts the last spot that a source gave.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from fair_anchor.fair_value import Confidence, Spot
from fair_anchor.settings import FallbackPolicy
from mm_bot.clock import Clock
from mm_bot.core.exact import Price, plain
from mm_bot.errors import EdgeError
from mm_bot.io.backoff import EVEN, Random
from mm_bot.io.tasks import ended
from mm_bot.prices.backoff import FailurePauses
from mm_bot.prices.source import AnchorError, AnchorSource, Reading, RejectReason, unexpected
from mm_bot.prices.witness import deviation_bps

FALLBACK = "guarded_fallback"
HEDGE_MS = 250
"""After so long without an answer the other sources are asked too, in case this one fails."""
FAILING_MS = 10_000
"""For so long after a failure nobody waits for a source while another has a price."""


class NoSpotError(Exception):
    """No source has a price; `tried` says why for each, in their order."""

    def __init__(self, tried: Sequence[tuple[str, str]]) -> None:
        self.tried = tuple(tried)
        reasons = "; ".join(f"{name}: {reason}" for name, reason in tried)
        super().__init__(f"no spot: {reasons}" if reasons else "no spot: no source is set for it")


class Slot:
    """One guarded source with its last answer. `source` bounds its own reads in time."""

    def __init__(
        self,
        source: AnchorSource,
        *,
        confidence: Confidence,
        cache_ms: int,
        max_age_ms: int | None,
        clock: Clock,
        accepted: Callable[[str, Price, int], None] = lambda source, price, now_ms: None,
        random: Random = EVEN,
    ) -> None:
        """`accepted` is told of every good price, whose it is and when."""
        self.name = source.name
        self.reads = 0
        """Reads that were begun."""
        self.refusals: Counter[RejectReason] = Counter()
        self.reason = "not read yet"
        """Why the latest read gave no price; empty where it gave one."""
        self._source = source
        self._confidence = confidence
        self._cache_ms = cache_ms
        self._max_age_ms = max_age_ms
        self._clock = clock
        self._accepted = accepted
        self._pauses = FailurePauses(random)
        self._good: Reading | None = None
        self._good_until_ms = 0.0
        self._failed_at_ms: float | None = None
        self._paused_until_ms = 0.0
        self._task: asyncio.Task[Reading | None] | None = None

    @property
    def failing(self) -> bool:
        """Whether its latest read failed, lately."""
        failed_at_ms = self._failed_at_ms
        return failed_at_ms is not None and self._monotonic_ms() - failed_at_ms < FAILING_MS

    def cached(self) -> Reading | None:
        """The last answer while it may be used."""
        good = self._good
        if good is None or self._monotonic_ms() >= self._good_until_ms:
            return None
        assert good.as_of_ms is not None, "a guarded reading has its time"
        limit_ms = self._max_age_ms if good.max_age_ms is None else good.max_age_ms
        if limit_ms is not None and self._clock.now_ms() - good.as_of_ms > limit_ms:
            return None
        return good

    def begin(self) -> asyncio.Task[Reading | None] | None:
        """The read that is going on, or a new one; None while the source is left alone."""
        if self._task is None and self._monotonic_ms() >= self._paused_until_ms:
            self.reads += 1
            self._task = asyncio.create_task(self._read(), name=f"spot-{self.name}")
        return self._task

    def spot_of(self, reading: Reading, *, degraded: bool) -> Spot:
        """A reading of this source as the spot."""
        assert reading.as_of_ms is not None, "a guarded reading has its time"
        return Spot(
            price=reading.price,
            source=self.name,
            observed_at_ms=reading.as_of_ms,
            confidence=self._confidence,
            degraded=degraded,
        )

    async def aclose(self) -> None:
        """Stop reading and close the source."""
        await ended(self._task)
        await self._source.aclose()

    async def _read(self) -> Reading | None:
        began_ms = self._monotonic_ms()
        try:
            reading = await self._source.read()
        except EdgeError as error:
            self._note_failure(error)
        except Exception as error:
            # A source is fed by strangers: what none of us foresaw costs its price, no more.
            self._note_failure(unexpected(self.name, error))
        else:
            self._pauses.reset()
            self._failed_at_ms = None
            self.reason = ""
            self._good, self._good_until_ms = reading, began_ms + self._cache_ms
            self._accepted(self.name, reading.price, self._clock.now_ms())
            return reading
        finally:
            self._task = None
        return None

    def _note_failure(self, error: EdgeError) -> None:
        self.refusals[
            error.refusal if isinstance(error, AnchorError) else RejectReason.UNREACHABLE
        ] += 1
        self.reason = error.reason
        self._good = None
        self._failed_at_ms = self._monotonic_ms()
        self._paused_until_ms = self._failed_at_ms + self._pauses.after(error)

    def _monotonic_ms(self) -> float:
        return self._clock.monotonic_ms()


class SpotFinder:
    """The slots in their order, best first, and what is left when none has a price."""

    def __init__(
        self,
        slots: Sequence[Slot],
        fallback: FallbackPolicy | None,
        *,
        timeout_ms: int,
        clock: Clock,
    ) -> None:
        """`timeout_ms` bounds a read of each slot's source."""
        self.slots = tuple(slots)
        self._fallback = fallback
        self._longest_ms = timeout_ms + HEDGE_MS
        self._clock = clock
        self._last: Reading | None = None

    async def find(self, slots: Sequence[Slot]) -> Spot:
        """The spot by the best of `slots`, which are some of ours.

        Raises:
            NoSpotError: where there is none.
        """
        give_up_at_ms = self._clock.monotonic_ms() + self._longest_ms
        retries: list[tuple[Slot, asyncio.Task[Reading | None]]] = []
        for slot in slots:
            if (reading := slot.cached()) is not None:
                return self._chosen(slots, slot, reading)
            if (task := slot.begin()) is None:
                continue
            if slot.failing:
                retries.append((slot, task))
            elif (reading := await self._patient(slots, task)) is not None:
                return self._chosen(slots, slot, reading)
        for slot, task in retries:
            rest_ms = give_up_at_ms - self._clock.monotonic_ms()
            await asyncio.wait({task}, timeout=max(0.0, rest_ms) / 1000)
            if task.done() and (reading := task.result()) is not None:
                return self._chosen(slots, slot, reading)
        return self._fall_back([(slot.name, slot.reason) for slot in slots])

    async def _patient(
        self, slots: Sequence[Slot], task: asyncio.Task[Reading | None]
    ) -> Reading | None:
        """What the read of a source that answered so far gives."""
        await asyncio.wait({task}, timeout=HEDGE_MS / 1000)
        if not task.done():
            for other in slots:
                if other.cached() is None:
                    other.begin()
        # Shielded: others wait for the same read, and this one may hang up.
        return await asyncio.shield(task)

    def _chosen(self, slots: Sequence[Slot], slot: Slot, reading: Reading) -> Spot:
        self._last = reading
        return slot.spot_of(reading, degraded=slot is not slots[0])

    def _fall_back(self, tried: list[tuple[str, str]]) -> Spot:
        fallback = self._fallback
        if fallback is None:
            raise NoSpotError(tried)
        if self._last is not None:
            off_bps = deviation_bps(fallback.price, self._last.price)
            if off_bps > fallback.max_deviation_bps:
                reason = f"{plain(off_bps)} bps from the last spot {self._last.price}"
                raise NoSpotError([*tried, (FALLBACK, reason)])
        return Spot(
            price=fallback.price,
            source=FALLBACK,
            observed_at_ms=self._clock.now_ms(),
            confidence=Confidence.LOW,
            degraded=True,
        )

    async def aclose(self) -> None:
        """Close every source."""
        for slot in self.slots:
            await slot.aclose()
