"""How long to leave alone what fails: doubling, bounded, and never in step with others."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

Random = Callable[[], float]
"""Uniform in [0, 1)."""
EVEN: Final[Random] = random.random
DOUBLINGS_MAX: Final = 20


class Backoff:
    """Delays after consecutive failures: between half and all of `first_ms x 2^n`, which is never
    above `longest_ms`."""

    def __init__(self, *, first_ms: int, longest_ms: int, random: Random = EVEN) -> None:
        assert 0 < first_ms <= longest_ms, (first_ms, longest_ms)
        self._first_ms = first_ms
        self._longest_ms = longest_ms
        self._random = random
        self._failures = 0

    def next_ms(self) -> int:
        """The delay after one more failure."""
        full_ms = min(self._longest_ms, self._first_ms << min(self._failures, DOUBLINGS_MAX))
        self._failures += 1
        return full_ms - int(full_ms / 2 * self._random())

    async def wait(self) -> None:
        """Lets it pass."""
        await asyncio.sleep(self.next_ms() / 1000)

    def reset(self) -> None:
        """After a success the next delay is the first again."""
        self._failures = 0
