"""What a cycle tells: metrics and log lines, and the record that health and status are read from.

Nothing here raises into the loop or waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mm_bot.clock import Clock, SystemClock
from mm_bot.core.commands import Verdict
from mm_bot.core.decide import Decision
from mm_bot.core.exact import BPS, Amount, Price, Size, multiply, plain, round_half_even
from mm_bot.core.fill_signs import disagreements, signs
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.ledger import Commitment, Stage
from mm_bot.core.liability import outstanding
from mm_bot.core.memory import Memory
from mm_bot.core.policy import OperatorMode, Policy
from mm_bot.core.remember import Report
from mm_bot.core.snapshot import Snapshot
from mm_bot.observe.log import Log
from mm_bot.observe.metrics import Metrics, SideView
from mm_bot.observe.narrator import Narrator, captured_bps
from mm_bot.observe.source_gauges import Refreshes, SourceGauges, seconds
from mm_bot.observe.totals import Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """The last cycle, whole: what health, status and `why` are made from."""

    decision: Decision
    report: Report
    memory: Memory
    ended_ms: float
    """Monotonic."""


class Telemetry:
    """The loop's `Telemetry`."""

    def __init__(
        self, *, metrics: Metrics, log: Log, totals: Totals, clock: Clock | None = None
    ) -> None:
        self.last: Cycle | None = None
        self._clock = clock or SystemClock()
        self._metrics = metrics
        self._log = log
        self._totals = totals
        self._market: Instrument | None = None
        self._sources = SourceGauges(metrics, anchor=None, external=None)
        self._narrator = Narrator(log)
        self._newest_trade = -1
        self._sides: dict[Side, bool] = dict.fromkeys(Side, False)

    def begin(
        self, market: Instrument, external: Refreshes | None, anchor: Refreshes | None = None
    ) -> None:
        """Called once the market is known, before the first cycle."""
        self._market = market
        self._sources = SourceGauges(self._metrics, anchor=anchor, external=external)

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
        ended_ms = self._clock.monotonic_ms()
        self.last = Cycle(decision=decision, report=report, memory=memory, ended_ms=ended_ms)
        elapsed_s = (ended_ms - previous.ended_ms) / 1000 if previous else 0.0
        self._totals.cycle(decision, report)
        if previous is not None:
            self._compare_fills(previous.memory, decision)
        self._count(decision, report, elapsed_s)
        self._gauges(snapshot, decision, memory)
        event_ms = timings_ms.pop("event_to_order", None)
        if event_ms is not None:
            self._metrics.observe_event_to_order(event_ms / 1000)
        parts = {name: took / 1000 for name, took in timings_ms.items() if name != "total"}
        self._metrics.observe_cycle(timings_ms["total"] / 1000, parts, at_ms=now_ms)
        self._narrator.cycle(decision, report, timings_ms)

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
        for place in report.places:
            metrics.count_outcome("place", place.outcome.verdict.value)
        for fill in decision.new_fills:
            metrics.count_fill(
                fill.side,
                partial=not fill.completes_order,
                size=fill.size.value,
                notional=fill.notional.value,
            )
            captured = captured_bps(fill, decision)
            if captured is not None:
                metrics.observe_spread_captured(fill.side, captured)
        for side in Side:
            wanted = decision.policy.mode.wants(side)
            metrics.count_side_time(side, elapsed_s, wanted=wanted, quoted=self._sides[side])

    def _compare_fills(self, before: Memory, decision: Decision) -> None:
        """The lower steps of the hierarchy beside the fills themselves; diagnostics only."""
        if self._market is None:
            return
        found = signs(before, decision, self._market, self._newest_trade)
        for (step, side), times in found.items():
            for _ in range(times):
                self._metrics.count_fill_diagnostic(step, side)
        trades = decision.snapshot.venue.trades.value or ()
        newest = max((trade.trade_id for trade in trades), default=0)
        self._newest_trade = max(newest, self._newest_trade)
        for text in disagreements(before, decision, self._market):
            self._log.warning("fills.disagree", what=text)

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
            quote_age_s=seconds(now_ms - updated if live and updated is not None else None),
            exchange_quote_age_s=seconds(None if oldest is None else max(0, oldest)),
            spread_bps=_spread_bps(live),
        )
        metrics.set_unknown_orders(sum(c.stage is Stage.UNKNOWN for c in memory.commitments))
        self._results(decision, memory)
        self._sources.show(decision)

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

    # Log lines

    def soak(self) -> None:
        """The periodic status line."""
        cycle = self.last
        if cycle is None:
            return
        decision, live = cycle.decision, live_orders(cycle.memory)
        fresh = decision.freshness
        self._log.info(
            "soak",
            uptime_s=self._totals.uptime_s(self._clock.monotonic_ms()),
            quoting=bool(live) and not decision.halts,
            halts=[halt.reason.value for halt in decision.halts],
            reference=decision.reference.price,
            inventory=cycle.memory.inventory,
            live_bids=sum(c.side is Side.BUY for c in live),
            live_asks=sum(c.side is Side.SELL for c in live),
            fills=self._totals.fills,
            cancels=sum(self._totals.cancels.values()),
            market_data_age_s=seconds(fresh.market_data_ms),
            balance_age_s=seconds(fresh.balances_ms),
            anchor_age_s=seconds(fresh.anchor_ms),
        )


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


def shown(value: Price | Size | None) -> str | None:
    """A quantity for people; None stays None."""
    return None if value is None else plain(value.value)
