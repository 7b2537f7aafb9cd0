"""What anchor tests share: a clock that moves only when told to, a scripted source, a guard."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from typing import TypeVar

from mm_bot.clock import SystemClock
from mm_bot.core.exact import Price
from mm_bot.prices.guarded import Guarded, GuardPolicy
from mm_bot.prices.source import AnchorSource, Reading

T = TypeVar("T")
NOW_MS = 1_777_000_000_000
TIMEOUT_MS = 5_000
OPEN_GUARD = GuardPolicy(max_age_ms=None, max_deviation_bps=None)


def run(work: Coroutine[object, object, T]) -> T:
    """`work` in a fresh event loop, which may take ten seconds and no more."""

    async def bounded() -> T:
        async with asyncio.timeout(10):
            return await work

    return asyncio.run(bounded())


class ManualClock:
    """Sleeping moves it; so does whoever sets `at_ms`. No real time passes."""

    def __init__(self, at_ms: int = NOW_MS) -> None:
        self.at_ms = at_ms
        self.slept_ms: list[float] = []

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> float:
        return self.at_ms

    async def sleep_ms(self, duration_ms: float) -> None:
        self.slept_ms.append(duration_ms)
        self.at_ms += int(duration_ms)
        await asyncio.sleep(0)


class ScriptedSource:
    """Gives or raises what the script says, then waits for ever."""

    def __init__(
        self,
        *script: Reading | Exception,
        min_interval_ms: int = 0,
        name: str = "scripted",
    ) -> None:
        self.name = name
        self.min_interval_ms = min_interval_ms
        self.reads = 0
        self.closed = False
        self.spent = asyncio.Event()
        """Set when a read comes after the end of the script."""
        self._script = list(script)

    async def read(self) -> Reading:
        if not self._script:
            self.spent.set()
            await asyncio.Event().wait()
        self.reads += 1
        step = self._script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    async def aclose(self) -> None:
        self.closed = True


def reading(price: str, as_of_ms: int | None = None) -> Reading:
    return Reading(price=Price(Decimal(price)), as_of_ms=as_of_ms)


async def read_guarded(
    source: AnchorSource, policy: GuardPolicy = OPEN_GUARD, timeout_ms: int = TIMEOUT_MS
) -> Reading:
    """One reading through the guard, after which the source is closed."""
    guarded = Guarded(source, policy, timeout_ms=timeout_ms, clock=SystemClock())
    try:
        return await guarded.read()
    finally:
        await guarded.aclose()
