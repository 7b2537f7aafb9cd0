"""Nonces that are the time in nanoseconds, for exchanges that refuse any other.

1. No number is handed out twice: each is above the one before it, and above every one of an earlier
   process, whose limit is in the state file before a number below it is used.
2. None is far from now: nothing is kept for later. Where the clock was set back below the limit of
   an earlier process, numbers run ahead of it by as much.
"""

from __future__ import annotations

from mm_bot.clock import Clock
from mm_bot.core.instrument import Side
from mm_bot.host.nonces import NonceStore

NS_PER_MS = 1_000_000
RESERVE_NS = 10_000 * NS_PER_MS
"""How far above the clock the saved limit is: one write to disk in so much time."""


class ClockNonces:
    """The same face as `NonceBlocks`."""

    def __init__(self, store: NonceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._last = 0
        self._limit = 0

    async def open(self, now_ms: int, highest_known: int = 0) -> None:
        """Begin above everything that was used; raises EdgeError where the disk refuses."""
        self._last = max(highest_known, self._store.nonce_floor())
        await self._reserve(max(self._last + 1, now_ms * NS_PER_MS))

    async def take(self, side: Side) -> int:
        """The time now, or the number after the last; raises EdgeError where the disk refuses."""
        number = max(self._last + 1, self._clock.now_ms() * NS_PER_MS)
        while number >= self._limit:
            await self._reserve(number)
            number = max(self._last + 1, number)
        self._last = number
        self._store.note_nonce(side, number)
        return number

    async def close(self) -> None:
        """Nothing is under way between two calls."""

    async def _reserve(self, number: int) -> None:
        limit = number + RESERVE_NS
        await self._store.reserve_nonces(limit)
        self._limit = max(self._limit, limit)
