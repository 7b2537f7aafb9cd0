"""Forced reduction: while the inventory alone halts, one order that leads it back may be sent.

Entry point: `planned`. Invariants:
1. It is sent only where nothing of ours may be live here, unknown outcomes included, so that it
   neither meets an own order nor adds to one.
2. It is never sent on balances that may lack a fill, nor beside a halt of another kind.
3. It is signed only as far as `MM_MAX_SIGNED_LIABILITY` leaves room.
4. One that is under way stays until its life is over; then it is cancelled like any other order.
"""

from __future__ import annotations

from collections.abc import Iterable

from mm_bot.core.changed import changed
from mm_bot.core.instrument import Level, Side
from mm_bot.core.plan import Place, Plan, ReconcileInput
from mm_bot.core.quoting import Bound, Missing, MissingReason, Reduction, fit
from mm_bot.core.risk import Halt, HaltReason

_LED_BACK = {
    # What selling base brings about, and what buying it does: of the balances, the other side's.
    Side.SELL: {HaltReason.MAX_LONG, HaltReason.MIN_QUOTE},
    Side.BUY: {HaltReason.MAX_SHORT, HaltReason.MIN_BASE},
}


def planned(
    given: ReconcileInput, cancels: Plan, wanted: Reduction | None, halts: Iterable[Halt]
) -> Plan:
    """The plan of a halt, `cancels`, with what is wanted of a reduction."""
    if wanted is None:
        return cancels
    other = next((halt for halt in halts if halt.reason not in _LED_BACK[wanted.side]), None)
    if other is not None:
        return _told(given, cancels, f"risk_halt:{other.reason.value}")
    open_orders = [c for c in given.open_orders if not c.cancel_acked]
    if open_orders:
        under_way = {
            c.order_id
            for c in open_orders
            if c.reduces
            and c.side is wanted.side
            and given.now_ms - c.created_ms < wanted.life_ms
            and given.now_ms < c.expiry_ms
        }
        gone = tuple(c for c in cancels.cancels if c.order_id not in under_way)
        return _told(given, changed(cancels, cancels=gone), "reduction_over")
    level, slot = wanted.level, (wanted.side, 0)
    refused = given.now_ms < given.refused_until_ms.get(slot, 0)
    if level is None or given.startup or given.hold_places is not None or refused:
        return cancels
    own_opposite = (row for row in given.unmanaged if row.side is wanted.side.opposite)
    if any(wanted.side.reaches(level.price, row.price) for row in own_opposite):
        return cancels
    level = _within_signed_room(given, level)
    if level is None:
        gap = Missing(side=wanted.side, index=None, reason=MissingReason.SIGNED_LIABILITY)
        return changed(cancels, missing=(*cancels.missing, gap))
    return changed(cancels, places=(Place(level=level, reduce_ms=wanted.life_ms),))


def _told(given: ReconcileInput, cancels: Plan, reason: str) -> Plan:
    """With why an order goes that was to lead the inventory back: never what it was sent for."""
    reduces = {c.order_id for c in given.open_orders if c.reduces}
    return changed(
        cancels,
        cancels=tuple(
            changed(c, reason=reason) if c.order_id in reduces else c for c in cancels.cancels
        ),
    )


def _within_signed_room(given: ReconcileInput, level: Level) -> Level | None:
    """As much of it as may be signed; None where that is less than the smallest order."""
    room, market = given.signed_room.get(level.side), given.market
    if room is None or level.notional <= room.left:
        return level
    bound = Bound(
        reason=MissingReason.SIGNED_LIABILITY,
        left=room.left.value,
        per=market.multiplier,
        priced=True,
    )
    size, _ = fit(market, (bound,), level.price, level.size)
    if not market.tradable(level.price, size):
        return None
    return changed(level, size=size, notional=market.notional(level.price, size))
