"""What a cycle tells: metrics, log lines, and the record that health and status are read from.

One line for each thing that happened (adopted, cancelled, placed, filled, halted, resumed), one
canonical line for a cycle that did something, none for a quiet one. Nothing here raises into the
loop or waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from mm_bot.core.commands import Verdict
from mm_bot.core.decide import Decision
from mm_bot.core.exact import BPS, Amount, Price, Size, multiply, plain, round_half_even
from mm_bot.core.ledger import Commitment, Ending, Stage
from mm_bot.core.liability import outstanding
from mm_bot.core.market import Market, Side
from mm_bot.core.memory import Memory
from mm_bot.core.policy import OperatorMode, Policy
from mm_bot.core.remember import Report
from mm_bot.core.risk import HaltReason
from mm_bot.core.snapshot import Fill, Snapshot
from mm_bot.ops.log import Log
from mm_bot.ops.metrics import Metrics, SideView
from mm_bot.totals import Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """The last cycle, whole: what health, status and `why` are made from."""

    decision: Decision
    report: Report
    memory: Memory
    ended_ms: int


class Refreshes(Protocol):
    """What an outside source counts."""

    @property
    def refreshes(self) -> int: ...

    @property
    def failures(self) -> int: ...


class Telemetry:
    """The loop's `Telemetry`."""

    def __init__(self, *, metrics: Metrics, log: Log, totals: Totals) -> None:
        self.last: Cycle | None = None
        self._metrics = metrics
        self._log = log
        self._totals = totals
        self._market: Market | None = None
        self._external: Refreshes | None = None
        self._external_counted = (0, 0)
        self._halted: frozenset[HaltReason] = frozenset()
        self._held: frozenset[tuple[str, str]] = frozenset()
        self._rehearsed: tuple[list[str], list[str]] = ([], [])
        self._failing: dict[str, str] = {}
        self._sides: dict[Side, bool] = dict.fromkeys(Side, False)

    def begin(self, market: Market, external: Refreshes | None) -> None:
        """Called once the market is known, before the first cycle."""
        self._market = market
        self._external = external

    def event(self, name: str, /, **fields: object) -> None:
        self._log.warning(name, **fields)

    def cycle(
        self,
        decision: Decision,
        report: Report,
        memory: Memory,
        timings_ms: dict[str, float],
    ) -> None:
        previous, now_ms, snapshot = self.last, decision.now_ms, decision.snapshot
        self.last = Cycle(decision=decision, report=report, memory=memory, ended_ms=now_ms)
        elapsed_s = (now_ms - previous.ended_ms) / 1000 if previous else 0.0
        self._totals.cycle(decision, report)
        self._count(decision, report, elapsed_s)
        self._gauges(snapshot, decision, memory)
        parts = {name: took / 1000 for name, took in timings_ms.items() if name != "total"}
        self._metrics.observe_cycle(timings_ms["total"] / 1000, parts, at_ms=now_ms)
        self._say_halts(decision)
        self._say_sources(snapshot)
        self._say_orders(decision, report)
        for fill in decision.new_fills:
            self._say_fill(fill, decision)
        if report.cancels or report.places or decision.new_fills or decision.startup:
            self._say_cycle(decision, report, timings_ms)

    # Metrics

    def _count(self, decision: Decision, report: Report, elapsed_s: float) -> None:
        metrics = self._metrics
        for cancel in report.cancels:
            metrics.count_outcome("cancel", cancel.outcome.verdict.value)
            if cancel.outcome.verdict is Verdict.ACCEPTED:
                metrics.count_cancel(cancel.cancel.category.value)
        for ended in decision.tracked.ended:
            if ended.cancel_proven and ended.commitment.cancel_category is not None:
                metrics.count_cancel(ended.commitment.cancel_category)
            if ended.ending is Ending.FILLED:
                metrics.count_fill_diagnostic("order_state", ended.commitment.side)
        for place in report.places:
            metrics.count_outcome("place", place.outcome.verdict.value)
        for fill in decision.new_fills:
            metrics.count_fill(
                fill.side,
                partial=not fill.completes_order,
                size=fill.size.value,
                notional=fill.notional.value,
            )
            captured = self._captured_bps(fill, decision)
            if captured is not None:
                metrics.observe_spread_captured(fill.side, captured)
        for side in Side:
            wanted = decision.policy.mode.wants(side)
            metrics.count_side_time(side, elapsed_s, wanted=wanted, quoted=self._sides[side])

    def _gauges(self, snapshot: Snapshot, decision: Decision, memory: Memory) -> None:
        metrics, venue = self._metrics, snapshot.venue
        metrics.set_halts({halt.reason.value for halt in decision.halts})
        metrics.set_operator_mode(decision.policy.mode.value)
        metrics.set_kill_switch(snapshot.kill_switch)
        metrics.set_lock_held(venue.lock_held)
        live = live_orders(memory)
        for side in Side:
            self._side_gauges(side, decision, memory, [c for c in live if c.side is side])
        now_ms = decision.now_ms
        oldest = max((now_ms - c.created_ms for c in live), default=None)
        updated = memory.last_quote_update_ms
        metrics.set_quotes(
            quote_age_s=_seconds(now_ms - updated if live and updated is not None else None),
            exchange_quote_age_s=_seconds(None if oldest is None else max(0, oldest)),
            spread_bps=_spread_bps(live),
        )
        metrics.set_unknown_orders(sum(c.stage is Stage.UNKNOWN for c in memory.commitments))
        self._results(decision, memory)
        self._data(snapshot, decision)

    def _side_gauges(
        self, side: Side, decision: Decision, memory: Memory, live: list[Commitment]
    ) -> None:
        self._sides[side] = bool(live)
        best = min(live, key=lambda c: side.best_first(c.price), default=None)
        reasons = [gap.reason.value for gap in decision.missing if gap.side is side]
        self._metrics.set_side(
            side,
            SideView(
                live_orders=len(live),
                wanted_orders=len(decision.ladder.side(side)),
                best_price=best.price.value if best else None,
                best_size=best.size.value if best else None,
                missing_reason=reasons[0] if reasons and not live else None,
                signed_liability=outstanding(memory.signatures, side).value,
            ),
        )

    def result(self) -> dict[str, object]:
        """What the fills came to, for the status; money is cNGN."""
        if self.last is None:
            return {}
        decision = self.last.decision
        tally, unrealised = decision.tally, self._unrealised(decision)
        return {
            "fills_buy": tally.buys,
            "fills_sell": tally.sells,
            "position": str(tally.position),
            "bought": str(tally.bought),
            "sold": str(tally.sold),
            "cash_cngn": str(tally.cash),
            "realised_cngn": str(tally.realised),
            "unrealised_cngn": None if unrealised is None else str(unrealised),
        }

    def _unrealised(self, decision: Decision) -> Amount | None:
        price = decision.reference.price
        if price is None or self._market is None:
            return None
        return decision.tally.unrealised(self._market, price)

    def _results(self, decision: Decision, memory: Memory) -> None:
        unrealised = self._unrealised(decision)
        self._metrics.set_results(
            realised=decision.tally.realised.value,
            unrealised=unrealised.value if unrealised is not None else None,
            fees=Decimal(0),
            inventory=memory.inventory.value if memory.inventory is not None else None,
        )
        money = decision.funds
        if money is not None:
            self._metrics.set_balance(
                "base",
                total=money.base_total.value,
                reserved=money.base_reserved.value,
                available=money.base_unreserved.value,
            )
            self._metrics.set_balance(
                "quote",
                total=money.quote_total.value,
                reserved=money.quote_reserved.value,
                available=money.quote_unreserved.value,
            )

    def _data(self, snapshot: Snapshot, decision: Decision) -> None:
        metrics, fresh, venue = self._metrics, decision.freshness, snapshot.venue
        metrics.set_freshness(
            market_data_s=_seconds(fresh.market_data_ms),
            balances_s=_seconds(fresh.balances_ms),
            anchor_s=_seconds(fresh.anchor_ms),
        )
        reads = {
            "book": (fresh.book_ms, venue.book.error),
            "trades": (fresh.trades_ms, venue.trades.error),
            "orders": (fresh.orders_ms, venue.orders.error),
            "balances": (fresh.balances_ms, venue.balances.error),
        }
        for source, (age_ms, error) in reads.items():
            metrics.set_source_age(source, _seconds(age_ms))
            metrics.count_read(source, failed=error is not None)
        metrics.set_source_age("anchor", _seconds(fresh.anchor_ms))
        reference = decision.reference
        metrics.set_reference(
            source=reference.source.value,
            price=reference.price.value if reference.price else None,
            anchor_price=_price(snapshot.anchor.price if snapshot.anchor else None),
            deviation_bps=reference.deviation_bps,
        )
        external = snapshot.external
        if external is not None:
            present = external.price is not None
            self._count_refreshes()
            metrics.set_source_age("external", _seconds(fresh.external_ms))
            metrics.set_external_anchor(
                price=_price(external.price),
                age_s=_seconds(fresh.external_ms) if present else None,
            )

    def _count_refreshes(self) -> None:
        if self._external is None:
            return
        good, failed = self._external.refreshes, self._external.failures
        for _ in range(good - self._external_counted[0]):
            self._metrics.count_external_refresh(failed=False)
        for _ in range(failed - self._external_counted[1]):
            self._metrics.count_external_refresh(failed=True)
        self._external_counted = (good, failed)

    # Log lines

    def soak(self, now_ms: int) -> None:
        """The periodic status line."""
        cycle = self.last
        if cycle is None:
            return
        decision, live = cycle.decision, live_orders(cycle.memory)
        fresh = decision.freshness
        self._log.info(
            "soak",
            uptime_s=round((now_ms - self._totals.started_ms) / 1000, 1),
            quoting=bool(live) and not decision.halts,
            halts=[halt.reason.value for halt in decision.halts],
            reference=decision.reference.price,
            inventory=cycle.memory.inventory,
            live_bids=sum(c.side is Side.BUY for c in live),
            live_asks=sum(c.side is Side.SELL for c in live),
            fills=self._totals.fills,
            cancels=sum(self._totals.cancels.values()),
            market_data_age_s=_seconds(fresh.market_data_ms),
            balance_age_s=_seconds(fresh.balances_ms),
            anchor_age_s=_seconds(fresh.anchor_ms),
        )

    def _say_halts(self, decision: Decision) -> None:
        now = frozenset(halt.reason for halt in decision.halts)
        for halt in decision.halts:
            if halt.reason not in self._halted:
                self._log.warning("halt", reason=halt.reason.value, **dict(halt.numbers))
        for reason in sorted(self._halted - now, key=lambda reason: reason.value):
            self._log.info("resume", reason=reason.value, still_halted=bool(now))
        self._halted = now

    def _say_sources(self, snapshot: Snapshot) -> None:
        """A source that begins to fail, fails otherwise, or is back; not each time it fails."""
        venue = snapshot.venue
        errors = {
            "book": venue.book.error,
            "trades": venue.trades.error,
            "orders": venue.orders.error,
            "balances": venue.balances.error,
            "anchor": snapshot.anchor.error if snapshot.anchor else None,
            "external": snapshot.external.error if snapshot.external else None,
        }
        for source, error in errors.items():
            if error is not None and self._failing.get(source) != error:
                self._log.warning("source.failed", source=source, error=error)
                self._failing[source] = error
            elif error is None and self._failing.pop(source, None) is not None:
                self._log.info("source.back", source=source)

    def _say_orders(self, decision: Decision, report: Report) -> None:
        log = self._log
        for ended in decision.tracked.ended:
            if ended.ending is not Ending.CANCELLED_BY_US:
                order_id = ended.commitment.order_id
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

    def _say_fill(self, fill: Fill, decision: Decision) -> None:
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
            captured_bps=self._captured_bps(fill, decision),
        )

    def _say_cycle(self, decision: Decision, report: Report, timings_ms: dict[str, float]) -> None:
        plan = decision.plan
        fields: dict[str, object] = {
            "reference": decision.reference.price,
            "source": decision.reference.source.value,
            "skew_bps": decision.ladder.skew_bps,
            "cancelled": len(report.cancels),
            "placed": len(report.places),
            "kept": len(plan.kept),
            "held": len(plan.held),
            "fills": len(decision.new_fills),
            "halts": [halt.reason.value for halt in decision.halts],
            "missing": [f"{gap.side.value}:{gap.reason.value}" for gap in decision.missing],
            "took_ms": round(timings_ms["total"], 1),
        }
        if decision.startup:
            self._log.info("startup", **startup_record(decision), **fields)
        else:
            self._log.info("cycle", **fields)

    def _captured_bps(self, fill: Fill, decision: Decision) -> Decimal | None:
        reference = decision.reference.price
        if reference is None:
            return None
        gain = (reference - fill.price).value * fill.side.sign
        return round_half_even(multiply(gain, BPS), reference.value, 2)


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


def live_orders(memory: Memory) -> list[Commitment]:
    """What rests as far as anybody knows: accepted or read as live, and not cancelled."""
    return [c for c in memory.commitments if c.stage is not Stage.UNKNOWN and not c.cancel_acked]


def wanted_sides(policy: Policy) -> tuple[Side, ...]:
    """Sides that must be quoted for the bot to be ready; none where it sends nothing."""
    if policy.dry_run or policy.mode is OperatorMode.DRY_RUN_HEALTH:
        return ()
    return tuple(side for side in Side if policy.mode.wants(side))


def _spread_bps(live: list[Commitment]) -> Decimal | None:
    bids = [c.price for c in live if c.side is Side.BUY]
    asks = [c.price for c in live if c.side is Side.SELL]
    if not bids or not asks:
        return None
    bid, ask = max(bids, key=_key), min(asks, key=_key)
    twice_mid = (bid + ask).value
    return round_half_even(multiply((ask - bid).value, BPS * 2), twice_mid, 4)


def _key(price: Price) -> Decimal:
    return price.value


def _price(price: Price | None) -> Decimal | None:
    return price.value if price is not None else None


def _seconds(age_ms: int | None) -> float | None:
    return None if age_ms is None else age_ms / 1000


def shown(value: Price | Size | None) -> str | None:
    """A quantity for people; None stays None."""
    return None if value is None else plain(value.value)
