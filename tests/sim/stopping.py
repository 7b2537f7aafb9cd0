"""Claim 6: how soon nothing of ours rests once the kill switch is on or a halt holds.

The bounds are wide where answers are lost and orders sit in the matcher; beside them two narrow
ones hold in any weather, since they need no answer: what was known to rest is asked to go, and what
is accepted later is asked to go at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mm_bot.core.decide import Decision
from tests.sim.model import Model, Row
from tests.sim.virtual_time import EPOCH_MS

CALM_MS = 1_500
"""50 ms of watching, a match that the executor settles meanwhile (600 ms), the retries after it."""
STORM_MS = 15_000
ASKED_MS = 250
"""From the switch, or from an answer while it is on, to the cancel that leaves us."""


@dataclass(slots=True)
class Stopping:
    """Follows the switch, the halts, the posts, their answers and the cancels."""

    model: Model
    calm: bool = False
    killed_ms: int | None = None
    halted_ms: int | None = None
    _told: dict[str, int] = field(default_factory=dict)
    """Orders of this process that may rest, by its own knowledge, and when it was told so."""
    _asked_ms: dict[str, int] = field(default_factory=dict)
    _down_ms: int | None = EPOCH_MS
    """Since when none runs; None where one does."""
    _pauses: list[tuple[int, int]] = field(default_factory=list)
    """From when to when none ran, oldest first."""

    def _now_ms(self) -> int:
        return self.model.clock.now_ms()

    def started(self) -> None:
        self._told.clear()
        self._asked_ms.clear()
        self.halted_ms = None
        self.goes_on()

    def stands_still(self) -> None:
        if self._down_ms is None:
            self._down_ms = self._now_ms()

    def goes_on(self) -> None:
        if self._down_ms is not None:
            self._pauses.append((self._down_ms, self._now_ms()))
        self._down_ms = None

    def _ran_ms(self, since_ms: int) -> int:
        """For how long of the time since then there was a process that ran."""
        now_ms = self._now_ms()
        pauses = (*self._pauses, (now_ms if self._down_ms is None else self._down_ms, now_ms))
        stood_ms = sum(max(0, to_ms - max(from_ms, since_ms)) for from_ms, to_ms in pauses)
        return now_ms - since_ms - stood_ms

    def ended(self) -> None:
        """The process died: nobody is there to ask."""
        self.stands_still()
        self.halted_ms = None

    def switched(self, on: bool) -> None:
        self.killed_ms = self._now_ms() if on else None
        self._asked_ms.clear()

    def answered(self, order_id: str) -> None:
        """A post ended in anything but a refusal or a conflict."""
        self._told[order_id] = self._now_ms()

    def asked(self, order_id: str) -> None:
        self._asked_ms[order_id] = self._now_ms()

    def decided(self, decision: Decision) -> None:
        if not decision.halts:
            self.halted_ms = None
        elif self.halted_ms is None:
            self.halted_ms = self._now_ms()

    def slow(self) -> Iterator[str]:
        """Orders that nobody asked to go in time, though the process knew of them."""
        if self.killed_ms is None or self._down_ms is not None:
            return
        for order_id, told_ms in self._told.items():
            row = self.model.rows.get(order_id)
            if row is None or not row.live or row.expiry_ms <= self._now_ms():
                continue
            if order_id in self.model.stuck:
                continue  # a cancel of it fails, so it is asked less and less often
            since_ms = max(self.killed_ms, told_ms)
            asked = self._asked_ms.get(order_id, 0) >= since_ms  # also before it stood still
            awake_ms = self._pauses[-1][1]
            if not asked and self._now_ms() - max(since_ms, awake_ms) > ASKED_MS:
                yield f"{order_id} not asked to go within {ASKED_MS} ms"

    def late(self, row: Row, arrived_ms: int) -> Iterator[str]:
        """Whether it still rests after the bound."""
        bound_ms = CALM_MS if self.calm else STORM_MS
        reasons = {"killed": self.killed_ms, "halted": self.halted_ms}
        for what, at_ms in reasons.items():
            if at_ms is None or row.expiry_ms <= self._now_ms():
                continue
            limit_ms = STORM_MS if what == "halted" else bound_ms
            if self._ran_ms(max(at_ms, arrived_ms)) > limit_ms:
                yield f"{row.order_id} live {limit_ms} ms after we were {what}"
