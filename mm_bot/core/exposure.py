"""What stays and what comes, held against the bounds of its side together.

The ladder keeps its own levels within the bounds; here the orders count that are not the ladder's:
unknown ones, held ones, and those whose cancel may fail.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from decimal import Decimal

from mm_bot.core.again import again
from mm_bot.core.changed import changed
from mm_bot.core.exact import NO_AMOUNT, Amount, floor_to_step, multiply
from mm_bot.core.instrument import BOTH, Instrument, Level, Side
from mm_bot.core.ledger import OpenOrder, Stage
from mm_bot.core.plan import Plan, ReconcileInput, standing
from mm_bot.core.quoting import NONE_HANGS, Bound, MissingReason
from mm_bot.core.room import Room


def beside_what_stays(
    given: ReconcileInput, levels: Sequence[Level], stays: Mapping[int, OpenOrder]
) -> tuple[Level, ...]:
    """The levels of one side, those for which no order stays cut to what the bounds leave beside
    those that do: these may take more than their own levels (an older price, a lot, a guard)."""
    side = levels[0].side
    orders = list(stays.values())
    if given.hanging is not NONE_HANGS:
        mine = standing(given.open_orders, side)
        orders.extend(c for c in mine if c.order_id in given.hanging)
    market, room = given.market, _room(given, side, orders)
    comes = [level for level in levels if level.index not in stays]
    on_grid = all(market.floor_size(level.size) == level.size for level in comes)
    if on_grid and room.is_ample([level.price for level in comes], [each.size for each in comes]):
        return tuple(levels)
    return cut_one_by_one(market, levels, stays, room)


def cut_one_by_one(
    market: Instrument, levels: Sequence[Level], stays: Container[int], room: Room
) -> tuple[Level, ...]:
    """The same where not all of them surely fit: each takes its part of the room."""
    cut = []
    for level in levels:
        if level.index not in stays:
            size, _ = room.fit(level.price, level.size)
            if size < level.size and market.tradable(level.price, size):
                notional = market.notional(level.price, size)
                level = changed(level, size=size, notional=notional)
            room.use(level.price, level.size)
        cut.append(level)
    return tuple(cut)


def past_a_bound(given: ReconcileInput, side: Side) -> bool:
    return _used(given, Plan(), side).exceeded


def within_bounds(given: ReconcileInput, found: Plan) -> Plan:
    """Invariant 8: places are dropped, outermost first, until what stays and what comes fits each
    bound of its side together. Unknown and held orders count; a dropped replace keeps its order,
    unless that order is itself too large."""
    if not found.places:
        return found
    sizes = {c.order_id: c.size for c in given.open_orders}
    for side in BOTH:
        if not _used(given, found, side, cancelled=True).exceeded:
            continue  # not even with what is being cancelled
        for bound in (given.ladder.bounds or {}).get(side, ()):
            while _used(given, found, side, only=bound).exceeded:
                mine = [p for p in found.places if p.level.side is side]
                if not mine:
                    break
                last = max(mine, key=lambda place: place.level.index)
                kept = last.replaces
                shrinks = kept is not None and sizes[kept] > last.level.size
                found = found.without(last, bound.reason, keep_cancel=shrinks)
        if _used(given, found, side, cancelled=True).exceeded:
            found = _after_all_cancels(given, found, side)
    return found


def within_signed_room(given: ReconcileInput, found: Plan) -> Plan:
    """Places are dropped, outermost first, until what they sign fits beside what is signed already.
    A replace that does not fit keeps its order, unless that is priced worse for us than wanted:
    then it goes, and nothing comes."""
    orders = {c.order_id: c for c in given.open_orders}
    for side, room in given.signed_room.items():
        mine = [place for place in found.places if place.level.side is side]
        mine.sort(key=lambda place: place.level.index)
        while mine and sum((p.level.notional for p in mine), NO_AMOUNT) > room.left:
            last = mine.pop()
            old = orders.get(last.replaces or "")
            worse = old is not None and priced_worse(old, last.level) and not found.renews(last)
            found = found.without(last, MissingReason.SIGNED_LIABILITY, keep_cancel=worse)
    return found


@again(1)
def open_notional(open_orders: tuple[OpenOrder, ...]) -> Amount:
    """The larger side's worth of what may be live, in the quote."""
    sides = (
        sum((c.notional for c in open_orders if c.side is side and not c.cancel_acked), NO_AMOUNT)
        for side in BOTH
    )
    return max(sides)


@again(1)
def oldest_live_ms(open_orders: tuple[OpenOrder, ...]) -> int | None:
    """When the oldest that surely rests was made; None where none does."""
    live = (c for c in open_orders if c.stage is Stage.LIVE and not c.cancel_acked)
    return min((c.created_ms for c in live), default=None)


def priced_worse(order: OpenOrder, level: Level) -> bool:
    """Whether the order gives a taker more than the level would."""
    return level.side.is_better(order.price, level.price)


def pace_ms(given: ReconcileInput, side: Side, life_ms: int) -> int:
    """The least time between two replaces of a slot so that the room for signatures lasts: 0 while
    less than half of it is used. One more signature of each level fits into the rest so many times;
    each of them lives `life_ms`."""
    room = given.signed_room.get(side)
    if room is None or room.left + room.left > room.limit:
        return 0
    ladder = sum((level.notional for level in given.ladder.side(side)), NO_AMOUNT)
    if room.left <= NO_AMOUNT:
        return life_ms
    spaced = floor_to_step(multiply(ladder.value, Decimal(life_ms)), room.left.value, Decimal(1))
    return min(life_ms, int(spaced))


def _after_all_cancels(given: ReconcileInput, found: Plan, side: Side) -> Plan:
    """The side fits its bounds only once its cancels are acknowledged: its places wait for all."""
    mine = {c.order_id for c in given.open_orders if c.side is side}
    gone = {cancel.order_id for cancel in found.cancels} & mine
    places = (
        changed(p, after=tuple(sorted({*p.after, *gone}))) if p.level.side is side else p
        for p in found.places
    )
    return changed(found, places=tuple(places))


def _used(
    given: ReconcileInput,
    found: Plan,
    side: Side,
    *,
    cancelled: bool = False,
    only: Bound | None = None,
) -> Room:
    """With what stays and comes taken of it; with `cancelled`, what is being cancelled too."""
    gone = set() if cancelled else {cancel.order_id for cancel in found.cancels}
    stays = [c for c in standing(given.open_orders, side) if c.order_id not in gone]
    comes = [place.level for place in found.places if place.level.side is side]
    return _room(given, side, (*stays, *comes), None if only is None else (only,))


def _room(
    given: ReconcileInput,
    side: Side,
    orders: Iterable[OpenOrder | Level],
    bounds: tuple[Bound, ...] | None = None,
) -> Room:
    """Of these bounds, or of all of the ladder's side, with the orders taken of it."""
    if bounds is None:
        bounds = (given.ladder.bounds or {}).get(side, ())
    room = Room(given.market, bounds)
    room.use_all(orders)
    return room
