"""Time, as everything that needs it is given it.

Wall time is for what the exchange compares (expiry, age of data); it may jump. Monotonic time is
for how long something took, how old something of ours is, and when something is due.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

STEP_MS: Final = 100
"""A smaller difference between the clocks is their resolution, or a slew, and just followed."""


class Clock(Protocol):
    """What everything but the loop asks of time."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""

    def monotonic_ms(self) -> float:
        """Milliseconds since some fixed moment; never runs backwards. Fractions are real. Time in
        which the process or its machine stood still counts."""

    async def sleep_ms(self, duration_ms: float) -> None:
        """Returns after `duration_ms`; at once, but not before other tasks ran, for 0 or less."""


@contextmanager
def set_after(event: asyncio.Event, clock: Clock, pause_ms: float) -> Iterator[asyncio.Task[None]]:
    """Within it `event` is set when the pause is over, if nobody sets it before; the timer given
    is done where the pause is. A second task, and a wait for either, would be dearer."""
    timer = asyncio.ensure_future(clock.sleep_ms(pause_ms))

    def over(_: asyncio.Task[None]) -> None:
        event.set()

    timer.add_done_callback(over)
    try:
        yield timer
    finally:
        timer.remove_done_callback(over)
        timer.cancel()


class LoopClock(Clock, Protocol):
    """The loop's: its `now_ms` never jumps but where the loop asks for it."""

    def settle(self) -> int:
        """Follow the machine's clock from here on. By how many milliseconds that was stepped since
        the last call: 0 where it was not, negative where it was set back."""


_UNSTOPPED: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux's monotonic clock stands still while the machine sleeps; this one does not."""


def unstopped_ns() -> int:
    """Nanoseconds of the monotonic clock that counts a sleep of the machine."""
    return time.clock_gettime_ns(_UNSTOPPED)


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> float:
        return unstopped_ns() / 1_000_000

    async def sleep_ms(self, duration_ms: float) -> None:
        await asyncio.sleep(max(0.0, duration_ms) / 1_000)


class SteadyClock(SystemClock):
    """The machine's clock as it was at the last `settle`, carried on by the monotonic one: within
    a cycle no two times contradict each other, whatever is done to the machine's clock."""

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        steady_ns: Callable[[], int] = unstopped_ns,
    ) -> None:
        self._wall_ns = wall_ns
        self._steady_ns = steady_ns
        self._offset_ns = wall_ns() - steady_ns()

    def now_ms(self) -> int:
        return (self._offset_ns + self._steady_ns()) // 1_000_000

    def monotonic_ms(self) -> float:
        return self._steady_ns() / 1_000_000

    def settle(self) -> int:
        before_ns, self._offset_ns = self._offset_ns, self._wall_ns() - self._steady_ns()
        step_ms = round((self._offset_ns - before_ns) / 1_000_000)
        return step_ms if abs(step_ms) > STEP_MS else 0
