"""Ready or not, and the status: both are read off the last cycle, with every reason at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mm_bot.clock import Clock
from mm_bot.core.exact import plain
from mm_bot.core.instrument import Side
from mm_bot.observe import health_status as parts
from mm_bot.observe.explain import explain, name
from mm_bot.observe.health_limits import limits
from mm_bot.observe.health_reconciled import reconciliation
from mm_bot.observe.telemetry import Telemetry
from mm_bot.observe.totals import Totals
from mm_bot.observe.view import View, wanted_sides

PARTS = ("total", "spread_capture", "inventory", "adverse_selection", "fees")
"""Of the result, where MM_PNL_ATTRIBUTION tells them apart."""


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
        self._about = dict(about or {})
        self._control = control
        self._missing_since: dict[Side, float] = {}
        self._refused_since: dict[str, float] = {}
        """Orders that are to go and whose cancels nobody has acknowledged."""

    @property
    def running(self) -> bool:
        """Whether a first cycle has ended."""
        return self._telemetry.view is not None

    @property
    def alive(self) -> bool:
        """Whether cycles end in time; start-up counts as alive."""
        view = self._telemetry.view
        if view is None:
            return True
        return self._clock.monotonic_ms() - view.ended_ms <= self._cycle_overdue_ms

    def reasons(self) -> list[str]:
        """Every reason not to be ready; empty is ready."""
        view = self._telemetry.view
        if view is None:
            return [self.waiting or "no cycle has ended yet"]
        found = [halt.reason.value for halt in view.decision.halts]
        now_ms = self._clock.monotonic_ms()
        if now_ms - view.ended_ms > self._cycle_overdue_ms:
            found.append(f"no cycle has ended for {now_ms - view.ended_ms:.0f} ms")
        if view.memory.startup and not view.decision.halts:
            found.append("start-up reconciliation is not finished")
        if view.expired and wanted_sides(view.decision.policy):
            found.append("the market has expired")
        found.extend(self._missing_sides(view, now_ms))
        found.extend(self._uncancelled(view, now_ms))
        return found

    def status(self) -> dict[str, object]:
        """All an operator asks, as JSON values; exact numbers are text."""
        view = self._telemetry.view
        reasons = self.reasons()
        found: dict[str, object] = {
            "ready": not reasons,
            "not_ready_because": reasons,
            "at_ms": self._clock.now_ms(),
            **self._about,
            "control": dict(self._control()),
            **{
                what: {"source": source, "why": why}
                for what, (source, why) in self._telemetry.heard.items()
            },
            "price_streams": self._telemetry.streams,
        }
        return found if view is None else {**found, **self._of(view)}

    def why(self) -> dict[str, object]:
        """The last decision step by step, for each side; nothing before the first."""
        view = self._telemetry.view
        if view is None:
            return {}
        return {
            name(side): [
                {"step": line.step, "says": line.says, "numbers": line.numbers}
                for line in explain(view.decision, side)
            ]
            for side in Side
        }

    def _of(self, view: View) -> dict[str, object]:
        decision, memory = view.decision, view.memory
        now_ms = self._clock.now_ms()
        return {
            "mode": decision.policy.mode.value,
            "dry_run": decision.policy.dry_run,
            "quote": view.quote,
            "cycle": {
                "number": self._totals.cycles,
                "age_ms": round(self._clock.monotonic_ms() - view.ended_ms),
                "took_ms": round(view.took_ms, 1),
                "startup": memory.startup,
            },
            "lock": {"held": decision.snapshot.venue.lock_held},
            "halts": [parts.halt(halt) for halt in decision.halts],
            "halted": parts.halted(view),
            "kill_switch": decision.snapshot.kill_switch,
            "reference": parts.reference(view),
            "skew_bps": str(decision.ladder.skew_bps),
            "why": parts.why(view),
            "wanted": parts.wanted(view),
            "live": [parts.order(c, decision) for c in view.live],
            "unknown": [parts.order(c, decision) for c in view.unknown],
            "missing": [parts.missing(gap) for gap in decision.missing],
            "balances": parts.balances(view),
            "bounds": parts.bounds(view),
            "limits": limits(decision, memory, view.quote),
            "sources": parts.sources(view),
            "clocks": parts.clocks(view),
            "alarms": list(view.decision.snapshot.venue.alarms),
            "contradictions": {
                what: now_ms - since_ms for what, since_ms in decision.contradictions.items()
            },
            "last_reconciliation": reconciliation(view.reconciled, now_ms),
            "recent_fills": parts.fills(view.fills, now_ms),
            "result": _result(view),
            "signed_liability": {side.value: str(size) for side, size in view.liability.items()},
            "signed": parts.signed(view),
            "totals": {
                name: str(value) if not isinstance(value, int | dict | None) else value
                for name, value in self._totals.summary(self._clock.monotonic_ms()).items()
            },
        }

    def _missing_sides(self, view: View, now_ms: float) -> list[str]:
        limit_ms = self._missing_timeout_ms
        found = []
        for side in Side:
            if side in view.best or side not in wanted_sides(view.decision.policy):
                self._missing_since.pop(side, None)
                continue
            since_ms = self._missing_since.setdefault(side, now_ms)
            if limit_ms is not None and now_ms - since_ms > limit_ms:
                name = "bid" if side is Side.BUY else "ask"
                why = [gap.reason.value for gap in view.decision.missing if gap.side is side]
                told = f"{name} missing for {now_ms - since_ms:.0f} ms, limit {limit_ms} ms"
                found.append(": ".join([told, *why[:1]]))
        return found

    def _uncancelled(self, view: View, now_ms: float) -> list[str]:
        """A side where only what should be gone rests is as good as missing."""
        limit_ms, kept = self._missing_timeout_ms, {name for _, name in view.decision.plan.kept}
        going = (c for c in view.live if c.cancels and not c.cancel_acked)
        names = sorted(c.order_id for c in going if c.order_id not in kept)
        self._refused_since = {n: self._refused_since.get(n, now_ms) for n in names}
        return [
            f"{name} not cancelled for {now_ms - since_ms:.0f} ms, limit {limit_ms} ms"
            for name, since_ms in self._refused_since.items()
            if limit_ms is not None and now_ms - since_ms > limit_ms
        ]


def _result(view: View) -> dict[str, object]:
    """What the fills came to; money is of the quote, whatever the names say. The parts of
    `attribution` are there where it is on; that all adds up is asserted where it is told."""
    fill_totals = view.decision.fill_totals
    assert fill_totals.adds_up, f"{fill_totals}: the books do not add up"
    return {
        "fills_buy": fill_totals.buys,
        "fills_sell": fill_totals.sells,
        "position": str(fill_totals.position),
        "bought": str(fill_totals.bought),
        "sold": str(fill_totals.sold),
        "cash_cngn": str(fill_totals.cash),
        "realised_cngn": str(fill_totals.realised),
        "unrealised_cngn": None if view.unrealised is None else str(view.unrealised),
        "fees_cngn": str(fill_totals.fees),
        "attribution": _attribution(view),
    }


def _attribution(view: View) -> dict[str, str | None]:
    """None each while it is off."""
    parts = {
        m.labels[0]: m.value
        for m in view.decision.quotes.measures
        if m.name == "mm_bot_pnl_attribution"
    }
    found = {name: parts.get(name) for name in PARTS}
    return {name: None if value is None else plain(value) for name, value in found.items()}
