"""How long to leave a failing source alone: doubling, bounded, and never in step with others."""

from __future__ import annotations

from collections.abc import Callable

from mm_bot.errors import EdgeError
from mm_bot.prices.source import AnchorError, RejectReason

Random = Callable[[], float]
"""Uniform in [0, 1)."""
DOUBLINGS_MAX = 20
FAILED_FIRST_MS, FAILED_LONGEST_MS = 100, 1_000
LIMITED_FIRST_MS, LIMITED_LONGEST_MS = 1_000, 60_000


class FailurePauses:
    """How long to leave a source alone after a failure: a second at the most, a minute where it
    said that it is asked too often, and as long as it asked for where it named a time."""

    def __init__(self, random: Random) -> None:
        self._failed = Backoff(
            first_ms=FAILED_FIRST_MS, longest_ms=FAILED_LONGEST_MS, random=random
        )
        self._limited = Backoff(
            first_ms=LIMITED_FIRST_MS, longest_ms=LIMITED_LONGEST_MS, random=random
        )

    def after(self, error: EdgeError) -> int:
        """The pause in milliseconds after one more failure."""
        if isinstance(error, AnchorError) and error.refusal is RejectReason.RATE_LIMITED:
            return max(error.retry_after_ms or 0, self._limited.next_ms())
        return self._failed.next_ms()

    def reset(self) -> None:
        """After a success."""
        self._failed.reset()
        self._limited.reset()


class Backoff:
    """Delays after consecutive failures: between half and all of `first_ms x 2^n`, which is never
    above `longest_ms`."""

    def __init__(self, *, first_ms: int, longest_ms: int, random: Random) -> None:
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

    def reset(self) -> None:
        """After a success the next delay is the first again."""
        self._failures = 0
