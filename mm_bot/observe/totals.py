"""Running totals since the start of this process, for soak lines and the final summary."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from mm_bot.core.commands import Verdict
from mm_bot.core.decide import Decision
from mm_bot.core.exact import NO_SIZE
from mm_bot.core.remember import Report
from mm_bot.core.risk import HaltReason


class Totals:
    """Counts and observed maxima. Times are monotonic."""

    def __init__(self, started_ms: float) -> None:
        self._started_ms = started_ms
        self.cycles = 0
        self.fills = 0
        self.partial_fills = 0
        self.placed = 0
        self.cancels: Counter[str] = Counter()
        self.halts = 0
        self.last_halt_reason: str | None = None
        self.max_quote_age_ms = 0
        self.max_anchor_deviation_bps = Decimal(0)
        self.max_net_inventory = NO_SIZE
        self._holding: frozenset[HaltReason] = frozenset()

    def cycle(self, decision: Decision, report: Report) -> None:
        """Take one cycle in."""
        self.cycles += 1
        self.fills += len(decision.new_fills)
        self.partial_fills += sum(not fill.completes_order for fill in decision.new_fills)
        self.placed += sum(p.outcome.verdict is Verdict.ACCEPTED for p in report.places)
        for result in report.cancels:
            if result.outcome.verdict is Verdict.ACCEPTED:
                self.cancels[result.cancel.category.value] += 1
        now = frozenset(halt.reason for halt in decision.halts)
        self.halts += len(now - self._holding)
        self._holding = now
        if decision.halts:
            self.last_halt_reason = decision.halts[0].reason.value
        self._maxima(decision)

    def uptime_s(self, now_ms: float) -> float:
        return round((now_ms - self._started_ms) / 1000, 1)

    def summary(self, now_ms: float) -> dict[str, object]:
        """The final summary's fields."""
        return {
            "uptime_s": self.uptime_s(now_ms),
            "cycles": self.cycles,
            "fills": self.fills,
            "partial_fills": self.partial_fills,
            "placed": self.placed,
            "cancels": sum(self.cancels.values()),
            "cancels_by_category": dict(sorted(self.cancels.items())),
            "halts": self.halts,
            "last_halt_reason": self.last_halt_reason,
            "max_quote_age_s": round(self.max_quote_age_ms / 1000, 1),
            "max_anchor_deviation_bps": self.max_anchor_deviation_bps,
            "max_net_inventory": self.max_net_inventory,
        }

    def _maxima(self, decision: Decision) -> None:
        live = [c for c in decision.tracked.open_orders if not c.cancel_acked]
        oldest = max((decision.now_ms - c.created_ms for c in live), default=0)
        self.max_quote_age_ms = max(self.max_quote_age_ms, oldest)
        deviation = decision.reference.deviation_bps
        if deviation is not None:
            self.max_anchor_deviation_bps = max(self.max_anchor_deviation_bps, deviation)
        if decision.holdings is not None:
            self.max_net_inventory = max(self.max_net_inventory, abs(decision.holdings.base_total))
