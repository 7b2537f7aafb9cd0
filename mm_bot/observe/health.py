"""Ready or not, and the status: both are read off the last cycle, with every reason at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mm_bot.clock import Clock
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import Stage
from mm_bot.core.liability import outstanding
from mm_bot.observe import health_status as parts
from mm_bot.observe.health_journal import Journal
from mm_bot.observe.health_limits import limits
from mm_bot.observe.telemetry import Cycle, Telemetry, live_orders, wanted_sides
from mm_bot.observe.totals import Totals


def _nothing() -> Mapping[str, object]:
    return {}


class Health:
    """`/readyz` and `/status`."""

    def __init__(
        self,
        telemetry: Telemetry,
        totals: Totals,
        clock: Clock,
        *,
        cycle_overdue_ms: int,
        missing_quote_timeout_ms: int | None,
        journal: Journal | None = None,
        about: Mapping[str, object] | None = None,
        control: Callable[[], Mapping[str, object]] = _nothing,
    ) -> None:
        """`about` is what never changes: who trades where, and the versions. `control` tells where
        the operator mode comes from."""
        self.waiting: str | None = "starting"
        """What start-up waits for; None once the loop runs."""
        self._telemetry = telemetry
        self._totals = totals
        self._clock = clock
        self._cycle_overdue_ms = cycle_overdue_ms
        self._missing_timeout_ms = missing_quote_timeout_ms
        self._journal = journal or Journal(telemetry)
        self._about = dict(about or {})
        self._control = control
        self._missing_since: dict[Side, float] = {}

    @property
    def running(self) -> bool:
        """Whether a first cycle has ended."""
        return self._telemetry.last is not None

    @property
    def alive(self) -> bool:
        """Whether cycles end in time; start-up counts as alive."""
        cycle = self._telemetry.last
        return (
            cycle is None or self._clock.monotonic_ms() - cycle.ended_ms <= self._cycle_overdue_ms
        )

    def reasons(self) -> list[str]:
        """Every reason not to be ready; empty is ready."""
        cycle = self._telemetry.last
        if cycle is None:
            return [self.waiting or "no cycle has ended yet"]
        found = [halt.reason.value for halt in cycle.decision.halts]
        now_ms = self._clock.monotonic_ms()
        if now_ms - cycle.ended_ms > self._cycle_overdue_ms:
            found.append(f"no cycle has ended for {now_ms - cycle.ended_ms:.0f} ms")
        if cycle.memory.startup and not cycle.decision.halts:
            found.append("start-up reconciliation is not finished")
        found.extend(self._missing_sides(cycle, now_ms))
        return found

    def status(self) -> dict[str, object]:
        """All an operator asks, as JSON values; exact numbers are text."""
        cycle = self._telemetry.last
        reasons = self.reasons()
        found: dict[str, object] = {
            "ready": not reasons,
            "not_ready_because": reasons,
            "at_ms": self._clock.now_ms(),
            **self._about,
            "control": dict(self._control()),
        }
        return found if cycle is None else {**found, **self._of(cycle)}

    def _of(self, cycle: Cycle) -> dict[str, object]:
        decision, memory = cycle.decision, cycle.memory
        now_ms = self._clock.now_ms()
        live = live_orders(memory)
        unknown = [c for c in memory.commitments if c.stage is Stage.UNKNOWN]
        return {
            "mode": decision.policy.mode.value,
            "dry_run": decision.policy.dry_run,
            "cycle": {
                "number": self._totals.cycles,
                "age_ms": round(self._clock.monotonic_ms() - cycle.ended_ms),
                "took_ms": round(self._journal.took_ms, 1),
                "startup": memory.startup,
            },
            "lock": {"held": decision.snapshot.venue.lock_held},
            "halts": [parts.halt(halt) for halt in decision.halts],
            "kill_switch": decision.snapshot.kill_switch,
            "reference": parts.reference(cycle),
            "skew_bps": str(decision.ladder.skew_bps),
            "wanted": parts.wanted(cycle),
            "live": [parts.order(c, decision.now_ms) for c in live],
            "unknown": [parts.order(c, decision.now_ms) for c in unknown],
            "missing": [parts.missing(gap) for gap in decision.missing],
            "balances": parts.balances(cycle),
            "bounds": parts.bounds(cycle),
            "limits": limits(decision, memory),
            "sources": parts.sources(cycle),
            "contradictions": {
                what: now_ms - since_ms for what, since_ms in decision.contradictions.items()
            },
            "last_reconciliation": parts.reconciliation(self._journal.last, now_ms),
            "recent_fills": parts.fills(self._journal.fills, now_ms),
            "result": self._telemetry.result(),
            "signed_liability": {
                side.value: str(outstanding(memory.signatures, side)) for side in Side
            },
            "totals": {
                name: str(value) if not isinstance(value, int | dict | None) else value
                for name, value in self._totals.summary(self._clock.monotonic_ms()).items()
            },
        }

    def _missing_sides(self, cycle: Cycle, now_ms: float) -> list[str]:
        limit_ms = self._missing_timeout_ms
        live = {c.side for c in live_orders(cycle.memory)}
        found = []
        for side in Side:
            if side in live or side not in wanted_sides(cycle.decision.policy):
                self._missing_since.pop(side, None)
                continue
            since_ms = self._missing_since.setdefault(side, now_ms)
            if limit_ms is not None and now_ms - since_ms > limit_ms:
                name = "bid" if side is Side.BUY else "ask"
                found.append(f"{name} missing for {now_ms - since_ms:.0f} ms, limit {limit_ms} ms")
        return found
