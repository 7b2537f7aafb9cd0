"""One decision: what was seen and remembered in, what to do and why out. Pure.

Entry point: `decide`. What became of the plan goes, with the decision, into the memory of the next
cycle (`remember.py`). Kill switch, pause and one-sided modes are inputs like any other, so they
hold in the first cycle too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from mm_bot.core import degrade, freshness, ledger, liability, reconcile, reduction, reference, risk
from mm_bot.core.balances import Holdings, holdings
from mm_bot.core.exact import NO_AMOUNT, Amount
from mm_bot.core.fills import FillTotals, count, reverted
from mm_bot.core.freshness import Freshness
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.ledger import OpenOrder, Stage, Tracked
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
from mm_bot.core.settlement import (
    Past,
    Settlement,
    Settlements,
    disagreeing,
    lacking,
    pending,
    settle,
    told_beside,
    unasked,
    unsettled,
)
from mm_bot.core.snapshot import ClockReading, Fill, OwnOrders, Part, Snapshot
from mm_bot.core.touch import touch, unmanaged_resting

MINUTE_MS = 60_000
BLOCK_LAG_MS = 10_000
"""A fill's row may be this much younger than the block that settled it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do in this cycle, and everything it follows from."""

    now_ms: int
    snapshot: Snapshot
    """What it was made from: without the order table where that does not count."""
    memory: Memory
    policy: Policy
    startup: bool
    orders_unread: bool
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
    snapshot = _without_dead_rows(_without_unlocked_orders(snapshot))
    now_ms, venue = snapshot.now_ms, snapshot.venue
    tracked = ledger.track(memory.open_orders, venue.orders, now_ms)
    fill_totals, new_fills = _fills(snapshot, memory)
    settlements = _settlements(snapshot, memory, new_fills)
    fill_totals = reverted(fill_totals, settlements, market)
    strangers = reference.others(venue)
    chosen = reference.choose(snapshot, strangers, policy.reference)
    contradictions = freshness.contradictions(snapshot, memory, tracked, market.capabilities)
    fresh = freshness.measure(snapshot, memory, contradictions)
    money = _holdings(snapshot, settlements, market)
    signatures, elsewhere = _signatures(snapshot, memory, settlements, market)
    half = degrade.half_known(chosen, snapshot, strangers, memory, policy)
    view = _view(
        *(snapshot, strangers, memory, tracked, policy, market),
        *(chosen, half, money, fill_totals, new_fills),
    )
    quotes = within(strategy.quote(view, memory.strategy), venue.price_limits, market)
    risk_policy = freshness.own_limit(policy.risk, snapshot.anchor)
    causes = degrade.causes(
        memory, strangers, chosen, half, fresh, money, replace(policy, risk=risk_policy)
    )
    quotes = degrade.withdrawn(quotes, causes)
    behind = (
        not all(told_beside(fill, settlements, venue.balances.value) for fill in new_fills)
        or unasked(settlements)
        or _balances_behind_fills(snapshot, memory)
    )
    room = _signed_room(policy, signatures, elsewhere)
    given = _reconcile_input(
        snapshot,
        strangers,
        memory,
        tracked,
        chosen,
        quotes,
        room,
        behind,
        market,
        policy,
        strategy.levels,
    )
    wanted = _wanted(snapshot, given, policy)
    due = _over_budget(policy, memory, wanted, now_ms)
    limits = _risk_input(
        *(snapshot, memory, policy, tracked, chosen, half, fresh, money),
        *(settlements, market, due, strategy.levels),
    )
    last_step = degrade.last_step(risk_policy, causes)
    found = risk.in_order(*risk.halts(limits, last_step), *quotes.halts)
    if policy.mode is OperatorMode.DRY_RUN_HEALTH:
        wanted = Plan()
    elif found:
        cancels = _halted_plan(given, found)
        wanted = reduction.planned(given, cancels, quotes.reduction, found)
    return Decision(
        now_ms=now_ms,
        snapshot=snapshot,
        memory=memory,
        policy=policy,
        startup=memory.startup,
        orders_unread=snapshot.venue.orders.value is None,
        plan=wanted,
        halts=found,
        reference=chosen,
        quotes=quotes,
        missing=_missing(snapshot, policy, quotes.ladder, wanted, found),
        holdings=money,
        tracked=tracked,
        fill_totals=fill_totals,
        new_fills=new_fills,
        settlements=settlements,
        freshness=fresh,
        contradictions=contradictions,
        behind_fills=behind,
        degraded=tuple(cause.name for cause in causes),
        open_notional=_open_notional(tracked.open_orders),
        signatures=signatures,
        signed_elsewhere=elsewhere,
    )


def _without_unlocked_orders(snapshot: Snapshot) -> Snapshot:
    """Without the one-writer lock another process may act on these orders: they count as unread,
    so nothing is placed, and the market data grows stale until the lock is held again."""
    if snapshot.venue.lock_held:
        return snapshot
    error = snapshot.venue.orders.error or "the one-writer lock is not held"
    unread: Part[OwnOrders] = Part(value=None, as_of_ms=None, error=error)
    return replace(snapshot, venue=replace(snapshot.venue, orders=unread))


def _without_dead_rows(snapshot: Snapshot) -> Snapshot:
    part = snapshot.venue.orders
    if part.value is None:
        return snapshot
    read = ledger.without_dead_rows(part.value, _expiry_clock_ms(snapshot))
    if read is part.value:
        return snapshot
    return replace(snapshot, venue=replace(snapshot.venue, orders=replace(part, value=read)))


def _expiry_clock_ms(snapshot: Snapshot) -> int:
    """What is past by this is past: a signature dies by the chain's clock, whatever ours says."""
    chain_ms = _chain_ms(snapshot)
    return snapshot.now_ms if chain_ms is None else chain_ms


def _chain_ms(snapshot: Snapshot) -> int | None:
    """The earlier of our clock and the latest block's time; None where no block was read yet."""
    balances = snapshot.venue.balances.value
    return None if balances is None else min(snapshot.now_ms, balances.block_time_ms)


def _fills(snapshot: Snapshot, memory: Memory) -> tuple[FillTotals, tuple[Fill, ...]]:
    read = snapshot.venue.orders.value
    if read is None:
        return memory.fill_totals, ()
    return count(
        memory.fill_totals,
        read.fills,
        read.newest_trade_id or 0,
        snapshot.now_ms,
        memory.settlements,
    )


def _settlements(
    snapshot: Snapshot, memory: Memory, new_fills: tuple[Fill, ...]
) -> dict[str, Settlement]:
    read = snapshot.venue.orders.value
    return settle(
        memory.settlements,
        read.rows if read is not None else (),
        new_fills,
        snapshot.venue.balances.value,
        snapshot.now_ms,
        past=Past(
            cursor=memory.fill_totals.cursor,
            newest_trade_id=(read.newest_trade_id if read is not None else None) or 0,
            continued=not memory.signatures_known,
            live={each.order_id for each in memory.open_orders},
            taken_out=memory.fill_totals.reverted,
            signatures=memory.signatures,
        ),
    )


def _holdings(snapshot: Snapshot, settlements: Settlements, market: Instrument) -> Holdings | None:
    balances, read = snapshot.venue.balances.value, snapshot.venue.orders.value
    if balances is None or read is None:
        return None
    waiting = pending(settlements, market)
    return holdings(market, balances, read.reserved_elsewhere, read.rows, waiting)


def _view(
    snapshot: Snapshot,
    strangers: reference.Others,
    memory: Memory,
    tracked: Tracked,
    policy: Policy,
    market: Instrument,
    chosen: Reference,
    half: degrade.HalfKnown | None,
    money: Holdings | None,
    fill_totals: FillTotals,
    new_fills: tuple[Fill, ...],
) -> View:
    return View(
        market=market,
        now_ms=snapshot.now_ms,
        mode=policy.mode,
        reference=chosen.price,
        half_known=half.price if half is not None else None,
        source=chosen.source,
        reference_ms=reference.as_of_ms(snapshot, chosen.source),
        prices=tuple(_prices(snapshot, chosen)),
        widening_bps=_widening_bps(snapshot, chosen),
        holdings=money,
        touch=touch(snapshot, strangers, tracked, firm=True, policy=policy.reference),
        resting=unmanaged_resting(tracked),
        others=strangers,
        open_orders=tracked.open_orders,
        balances_read_ms=snapshot.venue.balances_read_ms,
        reductions_ms=memory.reductions_ms,
        fills=new_fills,
        fill_totals=fill_totals,
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


def _reconcile_input(
    snapshot: Snapshot,
    strangers: reference.Others,
    memory: Memory,
    tracked: Tracked,
    chosen: Reference,
    quotes: Quotes,
    signed_room: dict[Side, SignedRoom],
    behind: bool,
    market: Instrument,
    policy: Policy,
    levels: int,
) -> ReconcileInput:
    hold = MissingReason.BALANCES_BEHIND_FILLS if behind else None
    return ReconcileInput(
        now_ms=snapshot.now_ms,
        market=market,
        startup=memory.startup,
        levels=levels,
        ladder=quotes.ladder,
        open_orders=tracked.open_orders,
        unmanaged=tracked.unmanaged,
        last_replace_ms=memory.last_replace_ms,
        refused_until_ms=memory.refused_until_ms,
        touch=touch(snapshot, strangers, tracked, firm=False, policy=policy.reference),
        hanging=quotes.hanging,
        hold_places=hold,
        reference=chosen.price,
        signed_room=signed_room,
    )


def _balances_behind_fills(snapshot: Snapshot, memory: Memory) -> bool:
    """Whether the balances may not show the last fill yet: read before it was seen (or before any
    could be seen), or of a block far older than it (a node that stands still answers all the same).
    """
    read_ms, balances = snapshot.venue.balances_read_ms, snapshot.venue.balances.value
    if read_ms is None or balances is None:
        return True
    if fills_since_ms(snapshot, memory) is not None:
        return True
    if memory.last_fill_seen_ms is not None and read_ms <= memory.last_fill_seen_ms:
        return True
    made_ms = memory.last_fill_made_ms
    return made_ms is not None and balances.block_time_ms + BLOCK_LAG_MS < made_ms


def fills_since_ms(snapshot: Snapshot, memory: Memory) -> int | None:
    """See `Memory`; it begins with the first read of the order table."""
    since_ms = memory.fills_since_ms
    if memory.fill_totals.cursor is None:
        since_ms = snapshot.venue.orders.as_of_ms
    read_ms = snapshot.venue.balances_read_ms
    passed = since_ms is not None and read_ms is not None and read_ms >= since_ms
    return None if passed else since_ms


def _wanted(snapshot: Snapshot, given: ReconcileInput, policy: Policy) -> Plan:
    if snapshot.venue.orders.value is None or snapshot.venue.balances.value is None:
        reason = MissingReason.ORDERS_UNREAD
        if snapshot.venue.orders.value is not None:
            reason = MissingReason.BALANCES_BEHIND_FILLS
        sides = [side for side in Side if policy.mode.wants(side)]
        return Plan(missing=tuple(Missing(side=s, index=None, reason=reason) for s in sides))
    return reconcile.plan(given, policy.reconcile)


def _over_budget(policy: Policy, memory: Memory, wanted: Plan, now_ms: int) -> bool:
    limit = policy.risk.max_cancels_per_minute
    if limit is None or not wanted.counted_cancels:
        return False
    return len(_last_minute(memory, now_ms)) + wanted.counted_cancels > limit


def _last_minute(memory: Memory, now_ms: int) -> tuple[int, ...]:
    return tuple(at for at in memory.replace_cancels_ms if now_ms - at < MINUTE_MS)


def _risk_input(
    snapshot: Snapshot,
    memory: Memory,
    policy: Policy,
    tracked: Tracked,
    chosen: Reference,
    half: degrade.HalfKnown | None,
    fresh: Freshness,
    money: Holdings | None,
    settlements: Settlements,
    market: Instrument,
    due: bool,
    levels: int,
) -> risk.RiskInput:
    balances, waiting = snapshot.venue.balances.value, lacking(settlements, market)
    live = [c for c in tracked.open_orders if c.stage is Stage.LIVE and not c.cancel_acked]
    return risk.RiskInput(
        mode=policy.mode,
        kill_switch=snapshot.kill_switch,
        unsaved=snapshot.unsaved,
        # Whose orders and trades are ours comes from the order table: one failed read of it takes
        # the reference away, and how long that may last is for the freshness rules to say.
        has_reference=chosen.price is not None
        or half is not None
        or snapshot.venue.orders.value is None,
        market_data_age_ms=fresh.market_data_ms,
        market_data_source=fresh.market_data_source,
        balances_age_ms=fresh.balances_ms,
        anchor_age_ms=fresh.anchor_ms,
        deviation_bps=chosen.deviation_bps,
        oldest_quote_age_ms=max((snapshot.now_ms - c.created_ms for c in live), default=0),
        open_notional=_open_notional(tracked.open_orders),
        highest=balances.base + waiting.bought if balances else None,
        lowest=balances.base - waiting.sold if balances else None,
        holdings=money,
        replace_cancels_last_minute=len(_last_minute(memory, snapshot.now_ms)),
        rate_due=due,
        rate_held=any(halt.reason is HaltReason.CANCEL_RATE for halt in memory.halts),
        levels=levels,
        disagreeing=disagreeing(settlements, snapshot.now_ms),
    )


def _open_notional(open_orders: tuple[OpenOrder, ...]) -> Amount:
    """The larger side's cNGN of what may be live."""
    sides = (
        sum((c.notional for c in open_orders if c.side is side and not c.cancel_acked), NO_AMOUNT)
        for side in Side
    )
    return max(sides)


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
        sides = [side for side in Side if policy.mode.wants(side)]
        halted = (Missing(side=s, index=None, reason=MissingReason.HALTED) for s in sides)
        return (*halted, *wanted.missing)
    off = next((clock for clock in snapshot.venue.clocks if clock.off), None)
    return ladder.missing + tuple(_by_clock(gap, off) for gap in wanted.missing)


def _by_clock(gap: Missing, off: ClockReading | None) -> Missing:
    """A refusal while the clocks differ is most likely theirs: expiries are compared by them."""
    if off is None or gap.reason is not MissingReason.REFUSED_RECENTLY:
        return gap
    numbers = (("clock", off.name), ("ahead_ms", str(off.ahead_ms)))
    return replace(gap, reason=MissingReason.CLOCK_OFF, numbers=numbers)


def _signed_room(
    policy: Policy, here: liability.Signatures, elsewhere: liability.Signatures
) -> dict[Side, SignedRoom]:
    limit = policy.risk.max_signed_liability
    if limit is None:
        return {}
    used = {side: liability.worth(here, side) + liability.worth(elsewhere, side) for side in Side}
    return {side: SignedRoom(left=limit - used[side], limit=limit) for side in Side}


def _signatures(
    snapshot: Snapshot, memory: Memory, settlements: Settlements, market: Instrument
) -> tuple[liability.Signatures, liability.Signatures]:
    """Ours here, and those in other markets of the subaccount."""
    read, chain_ms = snapshot.venue.orders.value, _chain_ms(snapshot)
    rows, others = (read.rows, read.signed_elsewhere) if read is not None else ((), ())
    here = liability.updated(memory.signatures, rows, unsettled(settlements, market), chain_ms)
    return here, liability.updated_elsewhere(memory.signed_elsewhere, others, chain_ms)
