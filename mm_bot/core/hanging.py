"""Orders that hold no slot: they stay, are renewed at their price, or go."""

from __future__ import annotations

from mm_bot.core.instrument import Level
from mm_bot.core.plan import (
    NOTHING,
    RENEWAL,
    CancelCategory,
    Held,
    Place,
    Plan,
    ReconcileInput,
    cancel_of,
    cancellable,
    due_for_renewal,
)
from mm_bot.core.quoting import NONE_HANGS, MissingReason


def planned(given: ReconcileInput) -> Plan:
    """Orders that hold no slot: they stay, are renewed at their price, or go."""
    if given.hanging is NONE_HANGS:
        return NOTHING
    found: list[Plan] = []
    index = given.levels
    for order in given.open_orders:
        if order.order_id not in given.hanging or order.cancel_acked:
            continue
        if order.order_id in given.hanging.over:
            if cancellable(given, order, counted=True):
                gone = cancel_of(order, CancelCategory.REPLACE_DRIVEN, "hanging_order_over", True)
                found.append(Plan(cancels=(gone,)))
            continue
        slot = (order.side, index)
        index += 1
        if not due_for_renewal(given, order):
            found.append(Plan(kept=((slot, order.order_id),)))
            continue
        guard = given.hold_places
        if guard is None and not cancellable(given, order):
            guard = MissingReason.CANCEL_PENDING
        if guard is not None:
            held = Held(order_id=order.order_id, slot=slot, guard=guard.value, fault=RENEWAL)
            found.append(Plan(held=(held,)))
            continue
        gone = cancel_of(order, CancelCategory.REPLACE_DRIVEN, RENEWAL)
        level = Level(
            side=order.side,
            index=slot[1],
            price=order.price,
            size=order.size,
            notional=order.notional,
        )
        again = Place(level=level, after=(order.order_id,), replaces=order.order_id)
        found.append(Plan(cancels=(gone,), places=(again,)))
    return Plan.merged(found)
