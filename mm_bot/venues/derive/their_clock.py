"""The exchange's clock beside ours: its times are put on our clock, and ours on its.

An order must live 300 s by its clock and a login be of its now; so a machine whose clock is wrong
by a minute would be refused everything, without a word why.
"""

from __future__ import annotations

from mm_bot.core.snapshot import ClockReading


class TheirClock:
    """`ahead_ms` is how far it is ahead: the least that the last answer allows, 0 before one."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def heard(self, theirs_ms: int, began_ms: int, ended_ms: int) -> None:
        """It said that time to a question asked and answered at those of ours."""
        self.ahead_ms = max(theirs_ms - ended_ms, min(theirs_ms - began_ms, 0))

    def ours(self, theirs_ms: int) -> int:
        return theirs_ms - self.ahead_ms

    def theirs(self, ours_ms: int) -> int:
        return ours_ms + self.ahead_ms

    @property
    def reading(self) -> ClockReading:
        return ClockReading(name="api", ahead_ms=self.ahead_ms)
