"""What the bot says it wants, and whether what is live is just that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from integration_harness.checks import SIDES
from integration_harness.market_view import OrderRow
from integration_harness.stack.quantities import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One level the bot says it wants."""

    side: Side
    level: int
    price: Decimal
    size: Decimal


def wanted_of(status: dict[str, Any]) -> tuple[Wanted, ...]:
    """The ladder in `/status`."""
    return tuple(
        Wanted(
            side=level["side"],
            level=level["level"],
            price=Decimal(level["price"]),
            size=Decimal(level["size"]),
        )
        for level in status.get("wanted", ())
    )


def ladder_fault(
    status: dict[str, Any], rows: Iterable[OrderRow], levels: int, tick: Decimal
) -> str:
    """How what is live differs from what the bot wants; empty where it does not."""
    live, wanted = tuple(rows), wanted_of(status)
    if status.get("unknown"):
        return f"unknown orders: {status['unknown']}"
    for side in SIDES:
        resting = [order for order in live if order.side == side]
        aims = sorted((w for w in wanted if w.side == side), key=lambda w: w.level)
        if len(resting) != levels or len(aims) != levels:
            return f"{side}: {len(resting)} live, {len(aims)} wanted, {levels} levels"
        for order, aim in zip(resting, aims, strict=True):
            # Within the stale threshold and a tick an order is good enough to stay.
            if abs(order.price - aim.price) > aim.price * Decimal("0.0005") + tick:
                return f"{side} {aim.level}: {order.price} is live, {aim.price} is wanted"
    known = {order["order_id"] for order in status["live"]}
    ids = {order.order_id for order in live}
    return "" if known == ids else f"live {sorted(ids)}, but the bot knows {sorted(known)}"
