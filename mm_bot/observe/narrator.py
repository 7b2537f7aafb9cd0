"""What a cycle says in the log.

One line for each thing that happened (adopted, cancelled, placed, filled, halted, resumed), one
canonical line for a cycle that did something, none for a quiet one. What lasts (a halt, a source
that fails, an order held back) is said when it begins and when it ends.
"""

from __future__ import annotations

from collections.abc import Mapping

from mm_bot.core.decide import Decision
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import Ending
from mm_bot.core.remember import Report
from mm_bot.core.risk import HaltReason
from mm_bot.observe.health_status import halted
from mm_bot.observe.log import Log
from mm_bot.observe.view import NotedFill, View


class Narrator:
    """Compares each cycle with the one before, so that only changes are told."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._halted: frozenset[HaltReason] = frozenset()
        self._empty = False
        """Whether this halt's cancels are proven, and told."""
        self._held: frozenset[tuple[str, str]] = frozenset()
        self._rehearsed: tuple[list[str], list[str]] = ([], [])
        self._failing: dict[str, str] = {}
        self._clocks_off: frozenset[str] = frozenset()
        self._lasting: dict[tuple[str, Side | None, str], tuple[int, str]] = {}
        """What lasts of the strategy's explanations, since when, and as it was then."""

    def cycle(self, view: View) -> None:
        """Tell one cycle."""
        decision, report = view.decision, view.report
        self._say_halts(view)
        self._say_sources(view.errors)
        self._say_clocks(decision)
        self._say_lasting(decision)
        self._say_orders(decision, report)
        for noted in view.new_fills:
            self._say_fill(noted)
        if report.cancels or report.places or decision.new_fills or decision.startup:
            self._say_cycle(view)

    def _say_halts(self, view: View) -> None:
        decision = view.decision
        now = frozenset(halt.reason for halt in decision.halts)
        for halt in decision.halts:
            if halt.reason not in self._halted:
                self._log.warning("halt", reason=halt.reason.value, **dict(halt.numbers))
        told = halted(view)
        empty = told is not None and told["proven_empty"] is True
        if told is not None and empty and not self._empty:
            self._log.info("halt.proven_empty", **told)
        self._empty = empty
        for reason in sorted(self._halted - now, key=lambda reason: reason.value):
            self._log.info("resume", reason=reason.value, still_halted=bool(now))
        self._halted = now

    def _say_sources(self, errors: Mapping[str, str | None]) -> None:
        """A source that begins to fail, fails otherwise, or is back; not each time it fails."""
        for source, error in errors.items():
            if error is not None and self._failing.get(source) != error:
                self._log.warning("source.failed", source=source, error=error)
                self._failing[source] = error
            elif error is None and self._failing.pop(source, None) is not None:
                self._log.info("source.back", source=source)

    def _say_clocks(self, decision: Decision) -> None:
        """When a clock of the exchange begins to differ from ours, and when it agrees again."""
        clocks = decision.snapshot.venue.clocks
        for clock in clocks:
            if clock.off and clock.name not in self._clocks_off:
                self._log.warning(
                    "clock.off",
                    clock=clock.name,
                    ahead_ms=clock.ahead_ms,
                    remedy="set both by NTP: expiries and ages compare them",
                )
            elif not clock.off and clock.name in self._clocks_off:
                self._log.info("clock.agrees", clock=clock.name)
        self._clocks_off = frozenset(clock.name for clock in clocks if clock.off)

    def _say_lasting(self, decision: Decision) -> None:
        """What a step of the strategy does for a while: with its numbers when it begins, and how
        long it was when it ends. Without a reference no step is asked, and nothing is known."""
        if decision.ladder.bounds is None:
            return
        now_ms, now = decision.now_ms, {}
        for each in decision.quotes.lasting:
            key = (each.step, each.side, each.says)
            now[key] = self._lasting.get(key) or (now_ms, each.sentence)
            if key not in self._lasting:
                self._log.info("strategy.begins", **_told(each.step, each.side), says=each.sentence)
        for key, (since_ms, began) in self._lasting.items():
            if key not in now:
                lasted = {"said": began, "lasted_ms": max(0, now_ms - since_ms)}
                self._log.info("strategy.ends", **_told(*key[:2]), **lasted)
        self._lasting = now

    def _say_orders(self, decision: Decision, report: Report) -> None:
        log = self._log
        for ended in decision.tracked.ended:
            if ended.ending is not Ending.CANCELLED_BY_US:
                order_id = ended.order.order_id
                log.info("order.ended", order_id=order_id, how=ended.ending.value)
        if decision.startup:
            for (side, level), order_id in decision.plan.kept:
                log.info("order.adopt", order_id=order_id, side=side.value, slot=level)
        held = frozenset((item.order_id, item.guard) for item in decision.plan.held)
        for item in decision.plan.held:
            if (item.order_id, item.guard) not in self._held:
                log.info("order.hold", order_id=item.order_id, guard=item.guard, fault=item.fault)
        self._held = held
        for result in report.cancels:
            log.info(
                "order.cancel",
                order_id=result.cancel.order_id,
                reason=result.cancel.reason,
                category=result.cancel.category.value,
                outcome=result.outcome.verdict.value,
                detail=result.outcome.detail,
                took_ms=result.done_ms - result.sent_ms,
            )
        for place in report.places:
            order = place.signed.order
            log.info(
                "order.place" if place.level else "order.resend",
                order_id=order.order_id,
                side=order.side.value,
                price=order.price,
                size=order.size,
                slot=place.level.index if place.level else None,
                reduces=order.may_take,
                outcome=place.outcome.verdict.value,
                detail=place.outcome.detail,
            )
        if decision.policy.dry_run and not decision.plan.quiet:
            self._say_dry_run(decision)

    def _say_dry_run(self, decision: Decision) -> None:
        plan = decision.plan
        cancels = [cancel.order_id for cancel in plan.cancels]
        places = [f"{p.level.side.value} {p.level.size} at {p.level.price}" for p in plan.places]
        if (cancels, places) != self._rehearsed:
            self._log.info("dry_run", would_cancel=cancels, would_place=places)
        self._rehearsed = (cancels, places)

    def _say_fill(self, noted: NotedFill) -> None:
        fill = noted.fill
        self._log.info(
            "fill",
            trade_id=fill.trade_id,
            order_id=fill.order_id,
            side=fill.side.value,
            price=fill.price,
            size=fill.size,
            notional_cngn=fill.notional,
            partial=not fill.completes_order,
            maker=fill.is_maker,
            captured_bps=noted.captured_bps,
        )

    def _say_cycle(self, view: View) -> None:
        decision, report, plan = view.decision, view.report, view.decision.plan
        fields: dict[str, object] = {
            "reference": decision.reference.price,
            "source": decision.reference.source.value,
            "skew_bps": decision.ladder.skew_bps,
            "cancelled": len(report.cancels),
            "placed": len(report.places),
            "kept": len(plan.kept),
            "held": len(plan.held),
            "fills": len(decision.new_fills),
            "halts": list(view.halt_reasons),
            "missing": [f"{gap.side.value}:{gap.reason.value}" for gap in decision.missing],
            "took_ms": round(view.took_ms, 1),
            "why": [f"{e.step}: {e.sentence}" for e in decision.quotes.explanations if not e.side],
        }
        if decision.startup:
            self._log.info("startup", **startup_record(decision), **fields)
        else:
            self._log.info("cycle", **fields)


def _told(step: str, side: Side | None) -> dict[str, str]:
    return {"step": step} if side is None else {"step": step, "side": side.value}


def startup_record(decision: Decision) -> dict[str, object]:
    """The start-up reconciliation, deterministic and sorted: adopted, cancelled, and why."""
    adopted: dict[Side, list[str]] = {side: [] for side in Side}
    for (side, _), order_id in decision.plan.kept:
        adopted[side].append(order_id)
    return {
        "adopted_bid": sorted(adopted[Side.BUY]),
        "adopted_ask": sorted(adopted[Side.SELL]),
        "canceled": {cancel.order_id: cancel.reason for cancel in decision.plan.cancels},
    }
