"""How long to leave a failing source of prices alone."""

from __future__ import annotations

from mm_bot.errors import EdgeError
from mm_bot.io.backoff import Backoff, Random
from mm_bot.prices.source import AnchorError, RejectReason

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
