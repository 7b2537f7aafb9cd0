"""The limits of a side, worked out a second time and more plainly than the core does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from mm_bot.core.decide import Decision
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.ledger import DEAD_AFTER_MS, Stage
from mm_bot.core.orders import Ownership, RestingOrder
from mm_bot.core.plan import RENEWAL, CancelCategory
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import MissingReason
from mm_bot.core.remember import Report
from mm_bot.core.risk import HaltReason
from mm_bot.core.snapshot import Observation, OwnOrders
from mm_bot.strategies.regime import REDUCE_ONLY
from mm_bot.strategies.size_skew import SIZE_SKEW
from tests.sim.model import Model, Row
from tests.sim.regimes import quoted

LASTING = {
    HaltReason.MAX_LONG,
    HaltReason.MAX_SHORT,
    HaltReason.MIN_BASE,
    HaltReason.MIN_QUOTE,
    HaltReason.ANCHOR_DEVIATION,
    HaltReason.NO_REFERENCE,
    HaltReason.DAILY_LOSS,
    HaltReason.REDUCTION_BUDGET,
}
"""Halts that a calm world does not end by itself."""
BOUNDED = {
    MissingReason.INVENTORY_LIMIT,
    MissingReason.NOTIONAL_LIMIT,
    MissingReason.BASE_BALANCE,
    MissingReason.QUOTE_BALANCE,
    SIZE_SKEW,
    REDUCE_ONLY,
    MissingReason.DEGRADED,
    MissingReason.MARKET_CLOSED,
}

Amounts = list[tuple[Decimal, Decimal]]
"""(price, size) of orders."""


def passive_faults(decision: Decision, seen: Observation) -> Iterator[str]:
    """Places that would trade with something that was shown."""
    for place in quoted(decision):
        opposite = place.level.side.opposite
        shown = list(seen.book.value.side(opposite)) if seen.book.value else []
        shown += seen.orders.value.others if seen.orders.value else ()
        for order in shown:
            if order.ours or order.side is not opposite:
                continue
            if place.level.side.reaches(place.level.price, order.price):
                yield f"{place.level} against {order}"


def plan_faults(
    decision: Decision, seen: Observation, policy: Policy, market: Instrument
) -> Iterator[str]:
    """Bounds that a side passes in a cycle which places on it."""
    read, balances = seen.orders.value, seen.balances.value
    if read is None or balances is None:
        return
    gone = {cancel.order_id for cancel in decision.plan.cancels}
    for side in Side:
        placed = [p.level for p in quoted(decision) if p.level.side is side]
        if not placed:
            continue
        acked = {c.order_id for c in decision.tracked.open_orders if c.cancel_acked}
        live = (r for r in read.rows if r.live and r.side is side and not _dead(r, seen, decision))
        rows = {r.order_id: r for r in live if r.order_id not in acked}
        managed = [r for r in rows.values() if r.ownership is Ownership.MANAGED]
        stays = [r for r in managed if r.order_id not in gone]
        unread = [
            c
            for c in decision.tracked.open_orders
            if c.side is side
            and c.order_id not in (rows | dict.fromkeys(acked | gone))
            and c.stage is not Stage.LIVE
        ]
        orders = [(x.price.value, x.size.value) for x in placed]
        orders += [(x.price.value, x.size.value) for x in stays]
        orders += [(x.price.value, x.size.value) for x in unread]
        fixed = [r for r in rows.values() if r.ownership is not Ownership.MANAGED]
        yield from _side_faults(side, orders, fixed, read, policy, market, seen)


def filled_meanwhile(decision: Decision, report: Report) -> Iterator[str]:
    """Places that came for an order, though the answer of its cancel told of a fill that nothing of
    the decision knew. An atomic replace waits for none: the exchange compares what was filled. What
    the kill switch's own cancels tell comes too late for a place that is under way."""
    read = decision.snapshot.venue.orders.value
    known = {row.order_id: row.notional for row in read.rows} if read is not None else {}
    less = {
        result.cancel.order_id
        for result in report.cancels
        if result.cancel in decision.plan.cancels
        and result.outcome.left is not None
        and result.outcome.left < known.get(result.cancel.order_id, result.outcome.left)
    }
    waited = {
        p.level: less & ({p.replaces} if p.atomic else set(p.after)) for p in decision.plan.places
    }
    for place in report.places:
        if place.level is not None and waited.get(place.level):
            yield f"{place.signed.order.order_id} placed, though {waited[place.level]} was filled"


def _dead(row: RestingOrder, seen: Observation, decision: Decision) -> bool:
    """So long past its expiry that nothing can trade it, whatever its row says."""
    balances = seen.balances.value
    block_ms = balances.block_time_ms if balances is not None else 0
    return min(decision.now_ms, block_ms) > row.expiry_ms + DEAD_AFTER_MS


def _side_faults(
    side: Side,
    orders: Amounts,
    fixed: list[RestingOrder],
    read: OwnOrders,
    policy: Policy,
    market: Instrument,
    seen: Observation,
) -> Iterator[str]:
    balances = seen.balances.value
    assert balances is not None
    every = orders + [(r.price.value, r.size.value) for r in fixed]
    size = sum((s for _, s in every), Decimal(0))
    worth = sum((p * s for p, s in orders), Decimal(0)) * market.multiplier
    fixed_worth = sum((r.notional.value for r in fixed), Decimal(0))
    inventory = balances.base.value
    if side is Side.BUY:
        room = policy.quote.max_long.value - inventory
    else:
        room = inventory - policy.quote.max_short.value
    if size > room:
        yield f"{side.value}: {size} rests or comes, inventory has room for {room}"
    elsewhere = read.reserved_elsewhere
    cash, base = balances.quote.value - elsewhere.quote.value, balances.base - elsewhere.base
    limit = policy.quote.max_notional_per_side
    if limit is not None and worth + fixed_worth > limit.value:
        yield f"{side.value}: worth {worth} + {fixed_worth}, limit {limit}"
    if not market.is_spot:
        margin = market.multiplier * market.margin_rate
        others = [r for r in read.rows if r.live and r.ownership is not Ownership.MANAGED]
        held = sum((r.size.value for r in others), Decimal(0))
        needed = (sum((s for _, s in orders), Decimal(0)) + held) * margin
        if needed > cash:
            yield f"{side.value}: margin {needed}, cash {cash}"
    elif side is Side.BUY and worth + fixed_worth > cash:
        yield f"bids need {worth} + {fixed_worth} cNGN of {cash}"
    elif side is Side.SELL and size > base.value:
        yield f"asks need {size} USDC of {base}"


def inventory_faults(
    model: Model, rows: Iterable[Row], side: Side, policy: Policy, hidden: Decimal
) -> Iterator[str]:
    """Against the truth: what a fill of every live order of a side would lead to, but for what was
    `hidden`: a fill that the chain shows and the rows do not yet, and fills of unknown orders."""
    resting = sum((r.left.value for r in rows), Decimal(0))
    if side is Side.BUY:
        room = policy.quote.max_long.value - model.base
    else:
        room = model.base - policy.quote.max_short.value
    slack = policy.quote.order_size.value / 500  # a fill at a better price than ours is larger
    if resting - hidden > room + slack:
        yield f"holds {model.base}, {side.value} {resting}, room for {room}"


def reduction_faults(
    model: Model, row: Row, rows: Iterable[Row], policy: Policy, hidden: Decimal
) -> Iterator[str]:
    """Against the truth: a reduction that would lead past the soft limit, all live orders of its
    side filled, by more than a lot and what was `hidden`."""
    resting = sum((r.left.value for r in rows), Decimal(0))
    over = model.base - policy.quote.max_long.value
    if row.side is Side.BUY:
        over = policy.quote.max_short.value - model.base
    if resting - hidden > over + row.unit.value:
        yield f"{row.order_id}: {resting} reduce, {over} is over the limit"


def unsettled(decision: Decision, *, held: bool = False) -> Iterator[str]:
    """What a calm world should have ended by now: anything sent but renewals, a halt or a gap
    without a lasting reason, a wanted level that does not rest. `held` says that an order was held
    shortly before: when it goes, as when one is renewed, the levels move that made room for it."""
    driven = (c for c in decision.plan.cancels if c.category is CancelCategory.REPLACE_DRIVEN)
    freed = held or not all(c.counted for c in driven)
    # A renewal is not counted, also where the order had been held at a wrong price before.
    startup = CancelCategory.STARTUP
    sent = [c.reason for c in decision.plan.cancels if c.counted or c.category is startup]
    # A renewal whose cancel met a blink is finished one cycle later.
    ended = bool(decision.tracked.ended)
    fresh = [p for p in quoted(decision) if p.replaces is None and not ended]
    if decision.plan.resends or (not freed and (sent or fresh)):
        yield f"still sends: {sent} {fresh} {decision.plan.resends}"
    for order in decision.plan.held:
        if order.guard != "min_price_move" and order.fault != RENEWAL:
            yield f"still held: {order}"
    lasting = [h for h in decision.halts if h.reason in LASTING]
    for halt in decision.halts:
        if halt.reason not in LASTING:
            yield f"still halted: {halt}"
    if lasting:
        return
    gaps = {(m.side, m.index): m.reason for m in decision.missing}
    for (side, index), reason in gaps.items():
        if reason not in BOUNDED:
            yield f"still missing: {side.value} {index} {reason.value}"
    rests = [slot for slot, _ in decision.plan.kept] + [h.slot for h in decision.plan.held]
    rests += [(p.level.side, p.level.index) for p in decision.plan.places]
    for side in Side:
        for level in decision.ladder.side(side):
            if (side, level.index) not in rests and (side, level.index) not in gaps:
                yield f"{side.value} {level.index} neither rests nor has a reason"
