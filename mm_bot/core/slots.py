"""One slot and the order that holds it: whether it fits, stays, goes, or waits. Pure.

The numbered invariants are those of `reconcile.py`, which puts the slots together.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from mm_bot.core.again import again
from mm_bot.core.changed import changed
from mm_bot.core.exact import BPS, add, distance, multiply, subtract
from mm_bot.core.exposure import pace_ms, past_a_bound, priced_worse
from mm_bot.core.instrument import Level, Side
from mm_bot.core.ledger import OpenOrder, Stage
from mm_bot.core.plan import (
    RENEWAL,
    CancelCategory,
    Held,
    Place,
    Plan,
    ReconcileInput,
    Slot,
    cancel_of,
    cancellable,
    due_for_renewal,
    gap,
    renewal_ms,
)
from mm_bot.core.policy import ReconcilePolicy
from mm_bot.core.quoting import MissingReason

PRICE_FAULT = "price_too_far_from_target"
SIZE_FAULT = "size_too_far_from_target"


def fault(open_order: OpenOrder, level: Level, policy: ReconcilePolicy) -> str | None:
    """Why an order does not fit a slot; None where it does."""
    if not price_fits(open_order, level, policy):
        return PRICE_FAULT
    if not _size_fits(open_order, level, policy):
        return SIZE_FAULT
    return None


def price_fits(open_order: OpenOrder, level: Level, policy: ReconcilePolicy) -> bool:
    """Whether the price is within the stale order threshold of the target."""
    apart = multiply(distance(open_order.price.value, level.price.value), BPS)
    return apart <= multiply(level.price.value, policy.stale_threshold_bps)


def _size_fits(open_order: OpenOrder, level: Level, policy: ReconcilePolicy) -> bool:
    apart = distance(open_order.size.value, level.size.value)
    return not apart or apart <= add(policy.size_tolerance.value, open_order.lot.value)


@again(len(Side))
def as_wanted(
    levels: tuple[Level, ...],
    orders: tuple[OpenOrder, ...],
    policy: ReconcilePolicy,
    ends_ms: int | None,
) -> tuple[tuple[tuple[Slot, str], ...], int]:
    """The slots of a side and the ids of their orders, where each level has an order that fits it
    and rests, and each order a level; both best first. Beside them until when nothing of that
    changes by time alone; `ends_ms` is when the market ends. Empty where it is not so plain: then
    they are paired and judged one by one (`pair`, `hold_or_replace`), which says the same.
    """
    if len(orders) != len(levels):
        return (), 0
    pairs = tuple(zip(levels, orders, strict=True))
    if any(fault(order, level, policy) for level, order in pairs):
        return (), 0
    if any(c.stage is Stage.UNKNOWN or c.matching_since_ms is not None for c in orders):
        return (), 0
    if len({order.price.value for order in orders}) < len(orders):
        return (), 0  # which of two at one price is whose depends on their sizes
    kept = tuple(((level.side, level.index), order.order_id) for level, order in pairs)
    return kept, min((renewal_ms(c, ends_ms) or c.expiry_ms for c in orders), default=0)


def worth_of(
    levels: Sequence[Level], orders: Sequence[OpenOrder], policy: ReconcilePolicy
) -> list[list[int]]:
    """How well each order fits each slot, a row for each of these: 0, 1 where its price does, 2
    where `fault` finds none. Both are of one side, best first. The fast path of pairing: what each
    price may be is worked out once, and found among those of the orders by halving.
    """
    one, nearest, furthest = BPS, *(f(BPS, policy.stale_threshold_bps) for f in (subtract, add))
    if levels[0].side is Side.BUY:  # best first grows as well, below zero
        one, nearest, furthest = -one, -furthest, -nearest
    priced = [multiply(order.price.value, one) for order in orders]
    worth = []
    for level in levels:
        price, row = level.price.value, [0] * len(orders)
        first = bisect_left(priced, multiply(price, nearest))
        for j in range(first, bisect_right(priced, multiply(price, furthest), lo=first)):
            row[j] = 1 + _size_fits(orders[j], level, policy)
        worth.append(row)
    return worth


def patient(policy: ReconcilePolicy, level: Level, order: OpenOrder) -> ReconcilePolicy:
    """How much is left beside orders that stay moves with every tick of theirs: a smaller order is
    good enough there within the share by which a price may be off."""
    if order.size >= level.size:
        return policy
    share = policy.stale_threshold_bps.scaleb(-4)
    return changed(policy, size_tolerance=policy.size_tolerance + level.size.times(share))


def fill(given: ReconcileInput, level: Level, after: tuple[str, ...]) -> Plan:
    reason = given.hold_places
    if given.now_ms < given.refused_until_ms.get((level.side, level.index), 0):
        reason = MissingReason.REFUSED_RECENTLY
    if reason is not None:
        return Plan(missing=(gap(level, reason),))
    return Plan(places=(Place(level=level, after=after),))


def hold_or_replace(
    given: ReconcileInput,
    policy: ReconcilePolicy,
    level: Level,
    order: OpenOrder,
    blocking: tuple[str, ...],
) -> Plan:
    slot = (level.side, level.index)
    wrong = fault(order, level, policy)
    if order.stage is Stage.UNKNOWN:
        again = (order,) if _due_again(given, order, level, policy) else ()
        return Plan(resends=again, missing=(gap(level, MissingReason.AWAITING_EVIDENCE),))
    renew = due_for_renewal(given, order)
    if wrong is None and not renew:
        return Plan(kept=((slot, order.order_id),))
    guard = None
    if not renew and not given.startup:
        guard = _guard(given, policy, level, order, wrong or "")
    if guard is None and given.hold_places is not None and not given.startup:
        guard = given.hold_places.value
    counted = not given.startup and not renew
    if guard is None and not cancellable(given, order, counted=counted):
        guard = MissingReason.CANCEL_PENDING.value
    if guard is not None:
        held = Held(order_id=order.order_id, slot=slot, guard=guard, fault=wrong or RENEWAL)
        return Plan(held=(held,))
    category = CancelCategory.STARTUP if given.startup else CancelCategory.REPLACE_DRIVEN
    cancel = cancel_of(order, category, wrong or RENEWAL, counted)
    if given.hold_places is not None:
        return Plan(cancels=(cancel,), missing=(gap(level, given.hold_places),))
    first_try = not (given.startup or blocking or order.cancels) and bool(order.price)
    together = policy.together and first_try
    after = () if together else tuple(sorted((order.order_id, *blocking)))
    place = Place(level=level, after=after, replaces=order.order_id)
    return Plan(cancels=(cancel,), places=(place,))


def _guard(
    given: ReconcileInput, policy: ReconcilePolicy, level: Level, order: OpenOrder, wrong: str
) -> str | None:
    """The churn guard that forbids this replace. None holds an order that is too large for its
    slot where its side is past a bound."""
    found = _too_soon(given, policy, level, order, wrong)
    if found and order.size > level.size and past_a_bound(given, level.side):
        return None
    return found


def _too_soon(
    given: ReconcileInput, policy: ReconcilePolicy, level: Level, order: OpenOrder, wrong: str
) -> str | None:
    if given.now_ms - order.created_ms < policy.min_lifetime_ms:
        return "min_quote_lifetime"
    if policy.min_move_bps and wrong == PRICE_FAULT:
        moved = multiply(distance(order.price.value, level.price.value), BPS)
        if moved < multiply(order.price.value, policy.min_move_bps):
            return "min_price_move"
    last = given.last_replace_ms.get((level.side, level.index))
    if last is not None and given.now_ms - last < policy.refresh_interval_ms:
        return "quote_refresh_interval"
    if wrong == PRICE_FAULT and priced_worse(order, level):
        return None
    if last is not None and given.now_ms - last < pace_ms(given, level.side, policy.order_life_ms):
        return MissingReason.SIGNED_LIABILITY.value
    return None


def _due_again(
    given: ReconcileInput, open_order: OpenOrder, level: Level, policy: ReconcilePolicy
) -> bool:
    """Whether to send the same bytes again. Not where the exchange might make a second order of
    them, nor where their price has become worse for us than the target: then they would place a
    quote that nobody wants any more. Time closes the question then (the order expires) instead of
    evidence."""
    if open_order.signed is None or open_order.conflict:
        return False
    can = given.market.capabilities
    if not can.resend_safe:
        return False
    if can.atomic_replace and open_order.replaces is not None:
        return False  # it was to rest instead of another: nobody looked what fits beside it
    due = open_order.next_send_ms <= given.now_ms < open_order.expiry_ms
    behind = not priced_worse(open_order, level)
    return due and (behind or price_fits(open_order, level, policy))
