"""The wanted ladder against what may be live: the `Plan`, at start-up and in steady state.

Entry points: `plan`, and `cancel_everything` for a halt.

Invariants (behaviour.md sections 5 and 6; property tests and the simulator cite the numbers):
1. At most one order per slot: a slot is filled only where nothing that may be live holds it, and
   a replacement waits for its predecessor's acknowledged cancel. With the policy's `together` it
   goes with that cancel where both fit every bound, and no second one follows before it is gone.
2. Own bid < own ask, whatever is in flight: a place that would reach an own opposite order waits
   for that order's cancel, or is not sent.
3. An unknown order is never replaced under a new nonce; the same bytes are sent again instead,
   as long as their price is not worse for us than the target.
4. A quiet world converges: what fits is kept, and a second pass plans nothing.
5. With one level, several orders on one side are all cancelled; with more, surplus ones are.
6. Protected ids are never cancelled; strangers' ids only at start-up.
7. The result depends on nothing but the arguments and is sorted.
8. What stays and what is placed fits every bound of its side together, unknown orders included.
9. Nothing is placed that would take, also where a taker crosses a quote of ours just now.
10. Nothing is signed that would pass the limit of what may be signed; an order is not cancelled for
    a successor that may not be.
11. An order that does not fit and is too far from the reference (`max_deviation_bps`) never stays:
    no guard holds it, and its cancel waits for no successor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mm_bot.core import hanging
from mm_bot.core.changed import changed
from mm_bot.core.exact import BPS, Price, distance, multiply
from mm_bot.core.exposure import (
    beside_what_stays,
    within_bounds,
    within_signed_room,
)
from mm_bot.core.instrument import BOTH, Level, Side
from mm_bot.core.ledger import OpenOrder, Stage, stuck
from mm_bot.core.orders import Ownership
from mm_bot.core.pairing import pair
from mm_bot.core.plan import (
    NOTHING,
    RENEWAL,
    Cancel,
    CancelCategory,
    Place,
    Plan,
    ReconcileInput,
    cancel_of,
    cancellable,
    due_for_renewal,
    gap,
    standing,
)
from mm_bot.core.policy import ReconcilePolicy
from mm_bot.core.quoting import NONE_HANGS, Missing, MissingReason
from mm_bot.core.slots import (
    SIZE_FAULT,
    as_wanted,
    fill,
    hold_or_replace,
    patient,
    worth_of,
)

DEVIATION = "price_deviation"


def plan(given: ReconcileInput, policy: ReconcilePolicy) -> Plan:
    """Keep what fits, replace what does not, fill what is empty."""
    first = Plan(cancels=_unmanaged_cancels(given)) if given.startup else NOTHING
    sides = [made for side in BOTH for made in _side_plans(given, policy, side)]
    found = Plan.merged((first, hanging.planned(given), *sides))
    found = _sendable(given, within_signed_room(given, within_bounds(given, found)))
    found = _without_far(given, policy, found)
    if not found.cancels and not found.places:
        return found
    if given.market.capabilities.atomic_replace:
        places = (changed(p, atomic=_is_atomic(given, found, p)) for p in found.places)
        found = changed(found, places=tuple(places))
    return changed(
        found,
        cancels=tuple(sorted(found.cancels, key=lambda c: c.order_id)),
        places=tuple(sorted(found.places, key=_by_slot)),
    )


def _by_slot(place: Place) -> tuple[bool, int]:
    """Sort key: bids first, best first."""
    return place.level.side is Side.SELL, place.level.index


def _is_atomic(given: ReconcileInput, found: Plan, place: Place) -> bool:
    """Whether a place can go out as one command with its predecessor's first cancel."""
    old = next((c for c in given.open_orders if c.order_id == place.replaces), None)
    if old is None or old.cancels:
        return False
    cancelled = any(cancel.order_id == old.order_id for cancel in found.cancels)
    return cancelled and set(place.after) <= {old.order_id}


def _without_far(given: ReconcileInput, policy: ReconcilePolicy, found: Plan) -> Plan:
    """Invariant 11. What fits its slot is as far as it is meant to be. A slot that becomes free is
    filled in the next cycle."""
    limit_bps, reference = policy.max_deviation_bps, given.reference
    if limit_bps is None or reference is None:
        return found
    limit = multiply(reference.value, limit_bps)
    decided = {cancel.order_id for cancel in found.cancels} | {kept for _, kept in found.kept}
    far = [
        c
        for c in given.open_orders
        if c.order_id not in decided
        and not c.cancel_acked
        and cancellable(given, c)
        and multiply(distance(c.price.value, reference.value), BPS) > limit
    ]
    gone = {c.order_id for c in far}
    slots = [held.slot for held in found.held if held.order_id in gone]
    pending = MissingReason.CANCEL_PENDING
    return changed(
        found,
        cancels=(*found.cancels, *(cancel_of(c, CancelCategory.RISK, DEVIATION) for c in far)),
        held=tuple(held for held in found.held if held.order_id not in gone),
        missing=(*found.missing, *(Missing(side=s, index=i, reason=pending) for s, i in slots)),
    )


def cancel_everything(given: ReconcileInput, category: CancelCategory, reason: str) -> Plan:
    """Cancel every managed order that may be live, unknown ones too, and at start-up every other
    own order that is not protected."""
    wanted = [
        cancel_of(c, category, reason)
        for c in given.open_orders
        if not c.cancel_acked and not c.nonce_in_doubt and c.next_cancel_ms <= given.now_ms
    ]
    if given.startup:
        wanted.extend(_unmanaged_cancels(given))
    return Plan(cancels=tuple(sorted(wanted, key=lambda cancel: cancel.order_id)))


def _unmanaged_cancels(given: ReconcileInput) -> tuple[Cancel, ...]:
    gone = (row for row in given.unmanaged if row.ownership is not Ownership.PROTECTED)
    return tuple(cancel_of(row, CancelCategory.STARTUP, row.ownership.value) for row in gone)


def _side_plans(given: ReconcileInput, policy: ReconcilePolicy, side: Side) -> tuple[Plan, ...]:
    levels = given.ladder.side(side)
    orders: Sequence[OpenOrder] = standing(given.open_orders, side)
    if given.hanging is not NONE_HANGS:
        orders = [c for c in orders if c.order_id not in given.hanging]
    category = CancelCategory.STARTUP if given.startup else CancelCategory.REPLACE_DRIVEN
    counted = not given.startup
    whole, until_ms = as_wanted(levels, tuple(orders), policy, given.market.expiry_ms)
    if whole and given.now_ms < until_ms:
        return (Plan(kept=whole),)
    if not levels:
        gone = [c for c in orders if cancellable(given, c, counted=counted)]
        why = "strategy_not_quoting_side"
        return (Plan(cancels=tuple(cancel_of(c, category, why, counted) for c in gone)),)
    going = _going(orders, policy, given.levels)
    if going:
        orders = [c for c in orders if c not in going]
    if given.levels == 1 and sum(c.stage is not Stage.UNKNOWN for c in orders) > 1:
        return (_duplicates(given, levels[0], [*orders, *going], category, counted),)
    pairs, surplus = pair(levels, orders, lambda slots, mine: worth_of(slots, mine, policy))
    extra = [c for c in surplus if cancellable(given, c, counted=counted)]
    why = "duplicate_side" if len(orders) > given.levels else "strategy_not_quoting_side"
    cancels = tuple(cancel_of(c, category, why, counted) for c in extra)
    for order in going:
        renews = due_for_renewal(given, order)
        if cancellable(given, order, counted=counted and not renews):
            reason = RENEWAL if renews else "duplicate_side"
            cancels += (cancel_of(order, category, reason, counted and not renews),)
    blocking = tuple(c.order_id for c in (*surplus, *going))
    slots = _slots_plan(given, policy, levels, pairs, blocking)
    return (Plan(cancels=cancels), *slots) if cancels else tuple(slots)


def _going(orders: Sequence[OpenOrder], policy: ReconcilePolicy, levels: int) -> list[OpenOrder]:
    """Whose successors rest beside them already: nothing to adopt, only to cancel again."""
    if not policy.together or len(orders) <= levels:
        return []
    return [c for c in orders if c.cancels and c.stage is not Stage.UNKNOWN]


def _slots_plan(
    given: ReconcileInput,
    policy: ReconcilePolicy,
    levels: Sequence[Level],
    pairs: Mapping[int, OpenOrder],
    blocking: tuple[str, ...],
) -> Iterator[Plan]:
    """Each slot of a side: first which orders stay, then the other levels beside them."""
    judged = {
        level.index: hold_or_replace(given, policy, level, pairs[level.index], blocking)
        for level in levels
        if level.index in pairs
    }
    stays = {index: pairs[index] for index, made in judged.items() if not made.cancels}
    for at, level in enumerate(beside_what_stays(given, levels, stays)):
        wanted, made = levels[at], judged.get(level.index)
        if made is not None and made.held and made.held[0].fault == SIZE_FAULT:
            # what stays beside it may leave no more for its slot than it has
            others = {index: order for index, order in stays.items() if index != level.index}
            level = beside_what_stays(given, levels, others)[at]
        if made is None:
            made = fill(given, level, blocking)
        elif level is not wanted:  # cut: its order is judged anew
            order = pairs[level.index]
            made = hold_or_replace(given, patient(policy, level, order), level, order, blocking)
        if level.index in pairs and stuck(pairs[level.index], given.now_ms):
            gone = gap(level, MissingReason.STUCK_IN_MATCHING)  # neither in the book nor to cancel
            made = changed(made, missing=(gone,))
        yield made


def _duplicates(
    given: ReconcileInput,
    level: Level,
    orders: list[OpenOrder],
    category: CancelCategory,
    counted: bool,
) -> Plan:
    """Invariant 5, the founding rule: which of them is ours to keep is ambiguous, so none is."""
    gone = [c for c in orders if cancellable(given, c, counted=counted)]
    cancels = tuple(cancel_of(c, category, "duplicate_side", counted) for c in gone)
    filled = fill(given, level, tuple(c.order_id for c in orders))
    return changed(filled, cancels=cancels)


def _sendable(given: ReconcileInput, found: Plan) -> Plan:
    """Invariants 1, 2 and 9: a place waits for the cancels of everything in its way, and is dropped
    where one of those is not planned; then its own predecessor stays as well."""
    if not found.places:
        return found
    own = {side: _OwnSide(given, side) for side in BOTH}
    near = {s: _is_near(given, found, own, s) for s in {p.level.side for p in found.places}}
    while True:
        cancelled = {cancel.order_id for cancel in found.cancels}
        places = []
        for place in found.places:
            side = place.level.side
            reached: Sequence[str] = ()
            if near[side]:
                best = given.touch.get(side.opposite)
                if best is not None and side.reaches(place.level.price, best):
                    stale = not found.renews(place)
                    found = found.without(place, MissingReason.CROSSED_BY_OTHERS, keep_cancel=stale)
                    break
                reached = own[side.opposite].reached_by(place.level.price, side)
            if not (cancelled.issuperset(place.after) and cancelled.issuperset(reached)):
                reason = MissingReason.OWN_ORDER_IN_THE_WAY
                if not reached:
                    reason = MissingReason.CANCEL_PENDING
                found = found.without(place, reason)
                break  # a dropped cancel may be what another place waits for: look again
            if reached or len(place.after) > 1:
                place = changed(place, after=tuple(sorted({*place.after, *reached})))
            places.append(place)
        else:
            same = tuple(places) == found.places
            return found if same else changed(found, places=tuple(places))


def _is_near(given: ReconcileInput, found: Plan, own: Mapping[Side, _OwnSide], side: Side) -> bool:
    """Whether the best place of that side would meet anything of the other; else none does."""
    prices = (place.level.price for place in found.places if place.level.side is side)
    nearest, best = min(prices, key=side.best_first), given.touch.get(side.opposite)
    if best is not None and side.reaches(nearest, best):
        return True
    return bool(own[side.opposite].reached_by(nearest, side))


class _OwnSide:
    """Own orders of one side that a level of the other would trade with. One whose price we do not
    know (a state file names it, no row shows it) is in the way of everything."""

    def __init__(self, given: ReconcileInput, side: Side) -> None:
        mine = standing(given.open_orders, side)
        self._orders = [(c.price, c.order_id) for c in mine]
        prices = [c.price for c in mine if c.price]
        self._blind = len(prices) < len(mine)
        self._best = prices[0] if prices else None

    def reached_by(self, price: Price, side: Side) -> Sequence[str]:
        """Ids of those that an order of the other side `side` at that price would meet."""
        best, reaches = self._best, side.reaches
        if not self._blind and (best is None or not reaches(price, best)):
            return ()
        return [name for at, name in self._orders if not at or reaches(price, at)]
