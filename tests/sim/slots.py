"""Claim 1: how many orders of a side may rest at once, hanging ones aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mm_bot.core.decide import Decision
from mm_bot.core.remember import Report
from tests.sim.model import Row


@dataclass(slots=True)
class Slots:
    levels: int
    hanging: bool
    """Whether orders may rest beside the slots. Which ones a cycle tells only at its end."""
    _beside: set[str] = field(default_factory=set)
    """Orders that hung, and those that took their places."""
    _crowded: list[list[Row]] = field(default_factory=list)

    def started(self) -> None:
        self._beside.clear()
        self._crowded.clear()

    def accepted(self, same: Sequence[Row]) -> Iterator[str]:
        """All that rests on a side, with the one that just came."""
        rest = [row for row in same if row.order_id not in self._beside]
        if len(rest) <= self.levels:
            return
        if self.hanging:
            self._crowded.append(rest)
        else:
            yield _told(rest)

    def cycle(self, decision: Decision, report: Report) -> Iterator[str]:
        self._beside |= decision.quotes.hanging.stay | decision.quotes.hanging.over
        for place in report.places:
            if place.level is not None and place.level.index >= self.levels:
                self._beside.add(place.signed.order.order_id)
        for rows in self._crowded:
            rest = [row for row in rows if row.order_id not in self._beside]
            if len(rest) > self.levels:
                yield _told(rest)
        self._crowded.clear()


def _told(rows: Sequence[Row]) -> str:
    return f"{len(rows)} on one side: {[f'{r.order_id} {r.status.value}' for r in rows]}"
