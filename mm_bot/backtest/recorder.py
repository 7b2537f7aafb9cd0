"""What happened in a run, as the bot told it: one sample a cycle, and counts. The `Telemetry` of
the loop in a backtest."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

from mm_bot.backtest.loop import EngineClock
from mm_bot.backtest.venue import EngineVenue
from mm_bot.core.budget import MINUTE_MS
from mm_bot.core.commands import Verdict
from mm_bot.core.decide import Decision
from mm_bot.core.exact import NO_SIZE, Price, Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Memory
from mm_bot.core.remember import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """After one cycle; `held` is why nothing may rest, empty where quoting goes on."""

    at_ms: int
    reference: Price | None
    source: str
    """Of the reference."""
    bid: Price | None
    """Our best."""
    ask: Price | None
    near_bid: Size
    """What rests of ours on that side within `near_bps` of the reference."""
    near_ask: Size
    position: Size
    held: tuple[str, ...]
    missing: tuple[str, ...]
    """Side and reason of what is wanted and does not rest."""
    degraded: tuple[str, ...]
    """Guards that take a side away."""


class Recorder:
    """Counts what was sent too. `totals` is the bot's own books, `counted` the newest trade id that
    they can contain."""

    def __init__(self, venue: EngineVenue, clock: EngineClock, near_bps: int) -> None:
        self.samples: list[Sample] = []
        self.outcomes: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.placed_size = NO_SIZE
        self.totals = FillTotals()
        self.counted = 0
        self.busiest_minute = 0
        """The most cancels within sixty seconds."""
        self._cancelled_ms: deque[int] = deque()
        self._venue, self._clock, self._near_bps = venue, clock, near_bps

    def cycle(
        self, decision: Decision, report: Report, memory: Memory, timings_ms: dict[str, float]
    ) -> None:
        for place in report.places:
            self.outcomes[f"place {place.outcome.verdict.value}"] += 1
            if place.outcome.verdict is Verdict.ACCEPTED:
                self.placed_size += place.signed.order.size
        for cancel in report.cancels:
            self.outcomes[f"cancel {cancel.outcome.verdict.value}"] += 1
            self._cancelled(cancel.sent_ms)
        self.totals, self.counted = memory.fill_totals, self._venue.served or 0
        if self._venue.over:
            return
        reference = decision.reference.price
        best, near = {}, {}
        for side in Side:
            orders = [
                (row.order.price, row.left(self._venue.instrument))
                for row in self._venue.live(side)
            ]
            best[side] = min((price for price, _ in orders), key=side.best_first, default=None)
            near[side] = sum(
                (left for price, left in orders if self._near(price, reference)), NO_SIZE
            )
        self.samples.append(
            Sample(
                at_ms=self._clock.now_ms(),
                reference=reference,
                source=decision.reference.source.value,
                bid=best[Side.BUY],
                ask=best[Side.SELL],
                near_bid=near[Side.BUY],
                near_ask=near[Side.SELL],
                position=memory.fill_totals.position,
                held=tuple(halt.reason.value for halt in decision.halts),
                missing=tuple(
                    sorted({f"{m.side.value} {m.reason.value}" for m in decision.missing})
                ),
                degraded=decision.degraded,
            )
        )

    def event(self, name: str, /, **fields: object) -> None:
        self.events[name] += 1

    def _cancelled(self, at_ms: int) -> None:
        recent = self._cancelled_ms
        recent.append(at_ms)
        while at_ms - recent[0] >= MINUTE_MS:
            recent.popleft()
        self.busiest_minute = max(self.busiest_minute, len(recent))

    def _near(self, price: Price, reference: Price | None) -> bool:
        if reference is None:
            return False
        return abs(price - reference).value * 10_000 <= reference.value * self._near_bps
