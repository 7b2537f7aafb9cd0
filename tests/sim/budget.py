"""Claim 12 a second time: how many replace-driven cancels left a process in any minute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mm_bot.core.plan import CancelCategory
from mm_bot.core.policy import Policy
from mm_bot.core.remember import Report
from tests.sim.model import Model, Row


@dataclass(slots=True)
class Budget:
    _sent_ms: dict[str, int] = field(default_factory=dict)
    """When each order's last cancel left, in true time."""
    _counted_ms: list[int] = field(default_factory=list)

    def started(self) -> None:
        self._counted_ms.clear()

    def sent(self, order_id: str, now_ms: int) -> None:
        self._sent_ms[order_id] = now_ms

    def faults(self, report: Report, policy: Policy, model: Model) -> Iterator[str]:
        limit, life_ms = policy.risk.max_cancels_per_minute, policy.reconcile.order_life_ms
        if limit is None:
            return
        for result in report.cancels:
            row, at_ms = model.rows.get(result.cancel.order_id), self._sent_ms
            sent_ms = at_ms[result.cancel.order_id]
            driven = result.cancel.category is CancelCategory.REPLACE_DRIVEN
            if row is not None and driven and not _due(row, sent_ms, life_ms):
                self._counted_ms.append(sent_ms)
        self._counted_ms.sort()
        for first, last in zip(self._counted_ms, self._counted_ms[limit:], strict=False):
            if last - first < 60_000:
                yield f"{limit + 1} cancels within {last - first} ms"
                return


def _due(row: Row, now_ms: int, life_ms: int) -> bool:
    """Whether the bot may have cancelled it as a renewal: its life began when it was signed, which
    may be long before the exchange had it."""
    return 3 * (row.expiry_ms - now_ms) <= life_ms + 3_000
