"""One decision: what was seen and remembered in, what to do and why out. Pure.

Entry point: `decide`. What became of the plan goes, with the decision, into the memory of the next
cycle (`remember.py`). Kill switch, pause and one-sided modes are inputs like any other, so they
hold in the first cycle too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core import (
    budget,
    degrade,
    freshness,
    liability,
    reconcile,
    reduction,
    reference,
    risk,
)
from mm_bot.core.balances import Holdings
from mm_bot.core.changed import changed, made_directly
from mm_bot.core.exact import NO_AMOUNT, Amount
from mm_bot.core.exposure import oldest_live_ms, open_notional
from mm_bot.core.fills import FillTotals
from mm_bot.core.freshness import Freshness
from mm_bot.core.instrument import BOTH, Instrument, Side
from mm_bot.core.ledger import Tracked
from mm_bot.core.liability import worth
from mm_bot.core.memory import Memory
from mm_bot.core.plan import CancelCategory, Plan, ReconcileInput, SignedRoom
from mm_bot.core.policy import OperatorMode, Policy
from mm_bot.core.price_limits import within
from mm_bot.core.quoting import (
    Ladder,
    Missing,
    MissingReason,
    Quotes,
    SourcePrice,
    Strategy,
    View,
)
from mm_bot.core.reference import Reference
from mm_bot.core.risk import Halt, HaltReason
from mm_bot.core.settlement import Settlements, disagreeing, lacking
from mm_bot.core.situation import Situation, situation
from mm_bot.core.snapshot import ClockReading, Fill, Snapshot
from mm_bot.core.touch import unmanaged_resting


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do in this cycle, and everything it follows from."""

    now_ms: int
    snapshot: Snapshot
    """What it was made from: without the order table where that does not count."""
    memory: Memory
    policy: Policy
    startup: bool
    plan: Plan
    halts: tuple[Halt, ...]
    reference: Reference
    quotes: Quotes
    """What the strategy said."""
    missing: tuple[Missing, ...]
    """Every wanted level that does not rest after this plan, with its reason."""
    holdings: Holdings | None
    tracked: Tracked
    fill_totals: FillTotals
    new_fills: tuple[Fill, ...]
    settlements: Settlements
    freshness: Freshness
    contradictions: Mapping[str, int]
    behind_fills: bool
    """Whether balances may lack fills without anybody knowing how much: nothing is placed then."""
    degraded: tuple[str, ...]
    """See `Memory`."""
    open_notional: Amount
    signatures: liability.Signatures
    """Of this market, before what this plan signs."""
    signed_elsewhere: liability.Signatures

    @property
    def ladder(self) -> Ladder:
        return self.quotes.ladder

    @property
    def halted(self) -> bool:
        return bool(self.halts)

    @property
    def spare_cancels(self) -> int | None:
        """How many counted cancels may be repeated in this cycle, with room left for one of every
        order; None where nothing limits them."""
        wanted = self.plan.counted_cancels + len(self.tracked.open_orders)
        limit = self.policy.risk.max_cancels_per_minute
        return budget.spare(self.memory, self.now_ms, limit, wanted)

    @property
    def urgent(self) -> bool:
        """Whether the next cycle should follow at once: fills were seen, and balances are needed
        that show them, or that tell how much of them they lack."""
        return self.behind_fills and bool(self.new_fills)


def decide(
    snapshot: Snapshot,
    memory: Memory,
    policy: Policy,
    market: Instrument,
    strategy: Strategy,
) -> Decision:
    """The plan of this cycle."""
    now = situation(snapshot, memory, policy, market)
    snapshot = now.snapshot
    view = _view(now)
    quotes = within(strategy.quote(view, memory.strategy), snapshot.venue.price_limits, market)
    risk_policy = freshness.own_limit(policy.risk, snapshot.anchor)
    causes = degrade.causes(
        memory,
        now.strangers,
        now.reference,
        now.half_known,
        now.freshness,
        now.holdings,
        market,
        policy if risk_policy is policy.risk else changed(policy, risk=risk_policy),
    )
    quotes = degrade.withdrawn(quotes, causes, market)
    given = _reconcile_input(now, quotes, strategy.levels)
    wanted = _wanted(snapshot, given, policy)
    over = budget.over(memory, snapshot.now_ms, policy.risk.max_cancels_per_minute, wanted)
    limits = _risk_input(now, over, strategy.levels)
    last_step = degrade.last_step(risk_policy, causes)
    found = risk.in_order(*risk.halts(limits, last_step), *quotes.halts)
    if policy.mode is OperatorMode.DRY_RUN_HEALTH:
        wanted = Plan()
    elif found:
        cancels = _halted_plan(given, found)
        wanted = reduction.planned(given, cancels, quotes.reduction, found)
    return Decision(
        now_ms=snapshot.now_ms,
        snapshot=snapshot,
        memory=memory,
        policy=policy,
        startup=memory.startup,
        plan=wanted,
        halts=found,
        reference=now.reference,
        quotes=quotes,
        missing=_missing(snapshot, policy, quotes.ladder, wanted, found),
        holdings=now.holdings,
        tracked=now.tracked,
        fill_totals=now.fill_totals,
        new_fills=now.new_fills,
        settlements=now.settlements,
        freshness=now.freshness,
        contradictions=now.contradictions,
        behind_fills=now.behind_fills,
        degraded=tuple(cause.name for cause in causes),
        open_notional=limits.open_notional,
        signatures=now.signatures,
        signed_elsewhere=now.signed_elsewhere,
    )


def _view(now: Situation) -> View:
    snapshot, chosen, policy = now.snapshot, now.reference, now.policy
    return View(
        market=now.market,
        now_ms=snapshot.now_ms,
        mode=policy.mode,
        reference=chosen.price,
        half_known=now.half_known.price if now.half_known is not None else None,
        source=chosen.source,
        reference_ms=reference.as_of_ms(snapshot, chosen.source),
        prices=tuple(_prices(snapshot, chosen)),
        widening_bps=_widening_bps(snapshot, chosen),
        holdings=now.holdings,
        touch=now.touch.firm,
        resting=unmanaged_resting(now.tracked),
        others=now.strangers,
        open_orders=now.tracked.open_orders,
        balances_read_ms=snapshot.venue.balances_read_ms,
        reductions_ms=now.memory.reductions_ms,
        fills=now.new_fills,
        fill_totals=now.fill_totals,
    )


def _prices(snapshot: Snapshot, chosen: Reference) -> Iterator[SourcePrice]:
    for found in chosen.candidates:
        at_ms = reference.as_of_ms(snapshot, found.source)
        if found.price is not None and at_ms is not None:
            yield SourcePrice(source=found.source, price=found.price, at_ms=at_ms)


def _widening_bps(snapshot: Snapshot, chosen: Reference) -> Decimal:
    if chosen.source is reference.ReferenceSource.ANCHOR and snapshot.anchor is not None:
        return snapshot.anchor.widening_bps
    return Decimal(0)


def _reconcile_input(now: Situation, quotes: Quotes, levels: int) -> ReconcileInput:
    memory, tracked = now.memory, now.tracked
    now_ms, limit = now.snapshot.now_ms, now.policy.risk.max_cancels_per_minute
    return ReconcileInput(
        now_ms=now_ms,
        market=now.market,
        startup=memory.startup,
        levels=levels,
        ladder=quotes.ladder,
        open_orders=tracked.open_orders,
        unmanaged=tracked.unmanaged,
        last_replace_ms=memory.last_replace_ms,
        refused_until_ms=memory.refused_until_ms,
        touch=now.touch.every,
        hanging=quotes.hanging,
        hold_places=MissingReason.BALANCES_BEHIND_FILLS if now.behind_fills else None,
        reference=now.reference.price,
        signed_room=_signed_room(now),
        out_of_budget=budget.waiting(memory, now_ms, limit, levels, tracked.open_orders),
    )


def _wanted(snapshot: Snapshot, given: ReconcileInput, policy: Policy) -> Plan:
    if snapshot.venue.orders.value is None or snapshot.venue.balances.value is None:
        reason = MissingReason.ORDERS_UNREAD
        if snapshot.venue.orders.value is not None:
            reason = MissingReason.BALANCES_BEHIND_FILLS
        sides = [side for side in BOTH if policy.mode.wants(side)]
        return Plan(missing=tuple(Missing(side=s, index=None, reason=reason) for s in sides))
    return reconcile.plan(given, policy.reconcile)


def _risk_input(now: Situation, due: bool, levels: int) -> risk.RiskInput:
    snapshot, memory, fresh, tracked = now.snapshot, now.memory, now.freshness, now.tracked
    balances, waiting = snapshot.venue.balances.value, lacking(now.settlements, now.market)
    oldest_ms = oldest_live_ms(tracked.open_orders)
    return risk.RiskInput(
        mode=now.policy.mode,
        kill_switch=snapshot.kill_switch,
        unsaved=snapshot.unsaved,
        # Whose orders and trades are ours comes from the order table: one failed read of it takes
        # the reference away, and how long that may last is for the freshness rules to say.
        has_reference=now.reference.price is not None
        or now.half_known is not None
        or snapshot.venue.orders.value is None,
        market_data_age_ms=fresh.market_data_ms,
        market_data_source=fresh.market_data_source,
        balances_age_ms=fresh.base_ms if now.policy.risk.degrade else fresh.balances_ms,
        anchor_age_ms=fresh.anchor_ms,
        deviation_bps=now.reference.deviation_bps,
        oldest_quote_age_ms=0 if oldest_ms is None else snapshot.now_ms - oldest_ms,
        open_notional=open_notional(tracked.open_orders),
        highest=balances.base + waiting.bought if balances else None,
        lowest=balances.base - waiting.sold if balances else None,
        holdings=now.holdings,
        replace_cancels_last_minute=len(budget.last_minute(memory, snapshot.now_ms)),
        rate_due=due,
        rate_held=any(halt.reason is HaltReason.CANCEL_RATE for halt in memory.halts),
        levels=levels,
        disagreeing=disagreeing(now.settlements, snapshot.now_ms),
    )


def _halted_plan(given: ReconcileInput, found: tuple[Halt, ...]) -> Plan:
    reasons = [halt.reason for halt in found]
    if HaltReason.KILL_SWITCH in reasons:
        category, first = CancelCategory.KILL_SWITCH, HaltReason.KILL_SWITCH
    else:
        category, first = CancelCategory.RISK, reasons[0]
        if given.startup:
            category = CancelCategory.STARTUP
    return reconcile.cancel_everything(given, category, f"risk_halt:{first.value}")


def _missing(
    snapshot: Snapshot, policy: Policy, ladder: Ladder, wanted: Plan, found: tuple[Halt, ...]
) -> tuple[Missing, ...]:
    if found:
        sides = [side for side in BOTH if policy.mode.wants(side)]
        halted = (Missing(side=s, index=None, reason=MissingReason.HALTED) for s in sides)
        return (*halted, *wanted.missing)
    off = next((clock for clock in snapshot.venue.clocks if clock.off), None)
    return ladder.missing + tuple(_by_clock(gap, off) for gap in wanted.missing)


def _by_clock(gap: Missing, off: ClockReading | None) -> Missing:
    """A refusal while the clocks differ is most likely theirs: expiries are compared by them."""
    if off is None or gap.reason is not MissingReason.REFUSED_RECENTLY:
        return gap
    numbers = (("clock", off.name), ("ahead_ms", str(off.ahead_ms)))
    return changed(gap, reason=MissingReason.CLOCK_OFF, numbers=numbers)


def _signed_room(now: Situation) -> dict[Side, SignedRoom]:
    limit = now.policy.risk.max_signed_liability
    if limit is None:
        return {}
    each = (now.signatures, now.signed_elsewhere)
    used = {side: sum((worth(found, side) for found in each), NO_AMOUNT) for side in BOTH}
    return {side: SignedRoom(left=limit - used[side], limit=limit) for side in BOTH}
