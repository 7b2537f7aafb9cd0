"""What a single last cycle cannot tell: the last reconciliation and the recent fills.

Stands between the loop and its telemetry and passes everything on. Bounded; it keeps the values as
they are, so that the loop pays nothing for what is rendered only when somebody asks.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.decide import Decision
from mm_bot.core.memory import Memory
from mm_bot.core.remember import Report
from mm_bot.core.snapshot import Fill
from mm_bot.observe.narrator import captured_bps
from mm_bot.ports import Telemetry

FILLS_KEPT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """A cycle that sent something, would have in a dry run, or was the first."""

    decision: Decision
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedFill:
    fill: Fill
    captured_bps: Decimal | None


class Journal:
    """The loop's `Telemetry`, with a memory of a few things."""

    def __init__(self, inner: Telemetry) -> None:
        self._inner = inner
        self.last: Reconciled | None = None
        self.fills: deque[NotedFill] = deque(maxlen=FILLS_KEPT)
        """Oldest first."""
        self.took_ms = 0.0
        """How long the last cycle was."""

    def cycle(
        self,
        decision: Decision,
        report: Report,
        memory: Memory,
        timings_ms: dict[str, float],
    ) -> None:
        self._inner.cycle(decision, report, memory, timings_ms)
        self.took_ms = timings_ms["total"]
        if not decision.plan.quiet or report.cancels or report.places or decision.startup:
            self.last = Reconciled(decision=decision, report=report)
        for fill in decision.new_fills:
            self.fills.append(NotedFill(fill=fill, captured_bps=captured_bps(fill, decision)))

    def event(self, name: str, /, **fields: object) -> None:
        self._inner.event(name, **fields)
