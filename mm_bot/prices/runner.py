"""Reads one source at its own pace, so that no cycle ever waits for it: `AnchorRunner`.

`latest` answers at once with the last good value, its age and the state of the source. The value
is never withdrawn here: it carries its time, and whoever uses it has the limit.

1. A read starts once per interval, not sooner than the source allows, never beside another.
2. A read that fails leaves the last good value; where the source itself says that its data is
   older than that value, the value counts as that old.
3. After a failure the source is left alone for the back-off's time: a second at the most, a
   minute where it said that it is asked too often.
4. No fault of a source ends the task.
5. What a stream brings is read at once, at most once in `MOVED_FLOOR_MS`. But after a read that
   gave nothing the source's pace is as ever: a jump is confirmed by readings an interval apart.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import inf

from mm_bot.clock import Clock, set_after
from mm_bot.core.snapshot import AnchorQuote
from mm_bot.errors import EdgeError
from mm_bot.io.backoff import EVEN, Random
from mm_bot.io.tasks import ended
from mm_bot.prices.backoff import FailurePauses
from mm_bot.prices.guarded import fresh_until_ms
from mm_bot.prices.source import AnchorError, AnchorSource, Reading, RejectReason, unexpected

MOVED_FLOOR_MS = 40
"""As often as events may start cycles."""


class AnchorRunner:
    """One source, read for ever between `start` and `aclose`.

    `on_update` is called, without arguments, after every read that changed what `latest` says
    about price or error; it must not raise.
    """

    def __init__(
        self,
        source: AnchorSource,
        *,
        interval_ms: int,
        clock: Clock,
        random: Random = EVEN,
        moved: asyncio.Event | None = None,
    ) -> None:
        """`moved` is set where the source has news before its time."""
        self.name = source.name
        self.refreshes = 0
        """Reads that gave a good value."""
        self.failures = 0
        """Reads that did not."""
        self.refusals: Counter[RejectReason] = Counter()
        """Failures by reason."""
        self.refused: Counter[tuple[str, str]] = Counter()
        """How often which source was refused and why; of several also those left out of a good
        value."""
        self.last_refusal: RejectReason | None = None
        """Why the latest read gave nothing; None where it gave a value."""
        self.on_update: Callable[[], None] | None = None
        self._source = source
        self._interval_ms = max(interval_ms, source.min_interval_ms)
        self._clock = clock
        self._pauses = FailurePauses(random)
        self._moved = moved or asyncio.Event()
        self._quote = AnchorQuote(price=None, as_of_ms=None, source=self.name, error=None)
        self._read_once = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin reading; needs a running event loop."""
        assert self._task is None, f"{self.name} was started twice"
        self._task = asyncio.create_task(self._run(), name=f"anchor-{self.name}")

    def latest(self) -> AnchorQuote:
        """The last good value and why the latest read gave none; at once."""
        return self._quote

    async def first_reading(self, timeout_ms: int) -> AnchorQuote:
        """`latest`, as soon as one read has ended, well or not, or the time is up."""
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._read_once.wait()
        except TimeoutError:
            pass
        return self._quote

    async def aclose(self) -> None:
        """Stop reading and close the source. May be called twice."""
        task, self._task = self._task, None
        await ended(task)
        await self._source.aclose()

    async def _run(self) -> None:
        while True:
            began_ms = self._clock.monotonic_ms()
            self._moved.clear()
            pause_ms = await self._read()
            took_ms = self._clock.monotonic_ms() - began_ms
            rest_ms = max(self._interval_ms - took_ms, pause_ms)
            if self.last_refusal is None:
                await self._rest_or_news(rest_ms, began_ms)
            else:
                await self._clock.sleep_ms(rest_ms)

    async def _rest_or_news(self, rest_ms: float, began_ms: float) -> None:
        with set_after(self._moved, self._clock, rest_ms) as resting:
            await self._moved.wait()
            if not resting.done():
                floor_ms = began_ms + MOVED_FLOOR_MS - self._clock.monotonic_ms()
                await self._clock.sleep_ms(min(floor_ms, rest_ms))

    async def _read(self) -> int:
        """One read; for how long the source is to be left alone after it."""
        before = (self._quote.price, self._quote.error)
        try:
            reading = await self._source.read()
        except EdgeError as error:
            pause_ms = self._note_failure(error)
        except Exception as error:
            # A source is fed by strangers. What none of us foresaw in it may cost its price, which
            # then goes stale and halts by name, but not the bot.
            pause_ms = self._note_failure(unexpected(self.name, error))
        else:
            pause_ms = self._note_good(reading)
        self._read_once.set()
        if self.on_update is not None and before != (self._quote.price, self._quote.error):
            self.on_update()
        return pause_ms

    def _note_good(self, reading: Reading) -> int:
        self.refreshes += 1
        self._pauses.reset()
        self.last_refusal = None
        self._count(reading.refused)
        self._quote = AnchorQuote(
            price=reading.price,
            as_of_ms=reading.as_of_ms,
            max_age_ms=reading.max_age_ms,
            source=self.name,
            widening_bps=reading.widening_bps,
            used=reading.used,
            refused=tuple(str(error) for error in reading.refused),
        )
        return 0

    def _note_failure(self, error: EdgeError) -> int:
        self.failures += 1
        refused = error if isinstance(error, AnchorError) else None
        self.last_refusal = refused.refusal if refused else RejectReason.UNREACHABLE
        self.refusals[self.last_refusal] += 1
        self.refused[self.name, self.last_refusal.value] += 1
        parts = refused.parts if refused is not None else ()
        self._count(parts)
        oldest: AnchorQuote | Reading = self._quote
        if refused is not None and refused.stale is not None:
            oldest = min(refused.stale, oldest, key=_fresh_until_ms)
        self._quote = replace(
            self._quote,
            as_of_ms=oldest.as_of_ms,
            max_age_ms=oldest.max_age_ms,
            error=error.reason,
            refused=tuple(str(part) for part in parts),
        )
        return self._pauses.after(error)

    def _count(self, parts: tuple[AnchorError, ...]) -> None:
        for part in parts:
            self.refused[part.source, part.refusal.value] += 1


def _fresh_until_ms(data: AnchorQuote | Reading) -> float:
    """Nothing that was never read is older than what was."""
    return inf if data.as_of_ms is None else fresh_until_ms(data.as_of_ms, data.max_age_ms)
