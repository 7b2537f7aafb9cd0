"""Time, as the bot is given it.

Everything that needs the time takes a `Clock`, so that a simulator can put its own in place.
Wall time is for what the exchange compares (expiry, age of data); it may jump. Monotonic time is
for how long something took, and for that alone.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the bot asks of time."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""

    def monotonic_ms(self) -> float:
        """Milliseconds since some fixed moment; never runs backwards. Fractions are real."""

    async def sleep_ms(self, duration_ms: float) -> None:
        """Returns after `duration_ms`; at once, but not before other tasks ran, for 0 or less."""


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> float:
        return time.monotonic_ns() / 1_000_000

    async def sleep_ms(self, duration_ms: float) -> None:
        await asyncio.sleep(max(0.0, duration_ms) / 1_000)
