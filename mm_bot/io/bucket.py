"""A token bucket: so many requests at once, and so many a second from then on.

Published limits are kept by it, and the reserve beside a service that asked to be left alone.
What `leave` holds back is for what matters more: a read leaves room for orders, an order for
cancels.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Bucket:
    """Full at first; `burst` tokens at most, `rate_per_s` of them come back each second."""

    def __init__(
        self, rate_per_s: float, burst: float, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.burst = burst
        self._rate_per_s = rate_per_s
        self._now_s = now_s
        self._tokens = burst
        self._at_s = now_s()

    def take(self, *, leave: float = 0) -> bool:
        """One token now, where so many are left after it."""
        if self._left() < 1 + leave:
            return False
        self._tokens -= 1
        return True

    async def wait(self, *, leave: float = 0) -> None:
        """One token, as soon as there is one beside those left; who waits has its place in turn."""
        short = 1 + leave - self._left()
        self._tokens -= 1
        if short > 0:
            await asyncio.sleep(short / self._rate_per_s)

    def keep_to(self, rate_per_s: float, burst: float) -> None:
        """Another rate from now on; what is there stays, up to the new burst."""
        self._left()
        self._rate_per_s, self.burst = rate_per_s, burst
        self._tokens = min(self._tokens, burst)

    def drain(self) -> None:
        """The exchange says that there is none left."""
        self._tokens = 0

    def _left(self) -> float:
        now_s = self._now_s()
        regained = (now_s - self._at_s) * self._rate_per_s
        self._tokens, self._at_s = min(self.burst, self._tokens + regained), now_s
        return self._tokens
