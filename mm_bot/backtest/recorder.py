"""What happened in a run, as the bot told it: one sample a cycle, and counts. The `Telemetry` of
the loop in a backtest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from mm_bot.backtest.loop import EngineClock
from mm_bot.backtest.venue import EngineVenue
from mm_bot.core.commands import Verdict
from mm_bot.core.decide import Decision
from mm_bot.core.exact import Price, Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Memory
from mm_bot.core.remember import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A resting order of ours, the best of its side."""

    price: Price
    size: Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """After one cycle; `held` is why nothing may rest, empty where quoting goes on."""

    at_ms: int
    reference: Price | None
    bid: Quote | None
    ask: Quote | None
    position: Size
    held: tuple[str, ...]


class Recorder:
    """Counts what was sent too. `totals` is the bot's own books, `counted` the newest trade id that
    they can contain."""

    def __init__(self, venue: EngineVenue, clock: EngineClock) -> None:
        self.samples: list[Sample] = []
        self.outcomes: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.placed_size = Size.of(0)
        self.totals = FillTotals()
        self.counted = 0
        self._venue, self._clock = venue, clock

    def cycle(
        self, decision: Decision, report: Report, memory: Memory, timings_ms: dict[str, float]
    ) -> None:
        for place in report.places:
            self.outcomes[f"place {place.outcome.verdict.value}"] += 1
            if place.outcome.verdict is Verdict.ACCEPTED:
                self.placed_size += place.signed.order.size
        for cancel in report.cancels:
            self.outcomes[f"cancel {cancel.outcome.verdict.value}"] += 1
        for each in decision.missing:
            self.missing[f"{each.side.value} {each.reason.value}"] += 1
        self.totals, self.counted = memory.fill_totals, self._venue.served or 0
        if self._venue.over:
            return
        self.samples.append(
            Sample(
                at_ms=self._clock.now_ms(),
                reference=decision.reference.price,
                bid=self._best(Side.BUY),
                ask=self._best(Side.SELL),
                position=memory.fill_totals.position,
                held=tuple(halt.reason.value for halt in decision.halts),
            )
        )

    def event(self, name: str, /, **fields: object) -> None:
        self.events[name] += 1

    def _best(self, side: Side) -> Quote | None:
        row = self._venue.best_own(side)
        if row is None:
            return None
        return Quote(price=row.order.price, size=row.order.size)
