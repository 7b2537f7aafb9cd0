"""Whether the balances that were read contain our fills: the core counts a fill that they may lack
as held already, on the side where that is worse. Pure.

An exchange tells a fill by the order, by the list of fills, and by what we hold, each in its own
time. What we hold contains an order's fills where it was updated no earlier than the last of them,
all of them being known. Where that cannot be seen (a closed position is not listed, a wallet has no
time) it is taken to after `WAIT_MS`; that bound is ours, exchanges publish none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from mm_bot.core.exact import NO_SIZE
from mm_bot.core.orders import RestingOrder
from mm_bot.core.snapshot import Fill

WAIT_MS: Final = 5_000


@dataclass(slots=True)
class _Filled:
    steps: int
    since_ms: int
    settled: int = 0


class Contained:
    """By order, how much of it the balances contain."""

    def __init__(self) -> None:
        self._orders: dict[str, _Filled] = {}

    def of(
        self,
        rows: Sequence[RestingOrder],
        fills: Iterable[Fill],
        updated_ms: int,
        ahead_ms: int,
        now_ms: int,
    ) -> dict[str, int]:
        """In whole steps, of every order among `rows`. `updated_ms` is when what we hold last
        changed, by the exchange's clock, which is `ahead_ms` ahead of ours; 0 where that is not
        told. `now_ms` is of any clock that does not jump."""
        by_order: dict[str, list[Fill]] = {}
        for fill in fills:
            by_order.setdefault(fill.order_id, []).append(fill)
        found = {}
        for row in rows:
            entry = self._orders.setdefault(row.order_id, _Filled(0, now_ms))
            if row.filled_steps > entry.steps:
                entry.steps, entry.since_ms = row.filled_steps, now_ms
            known = by_order.get(row.order_id, [])
            size = sum((fill.size for fill in known), NO_SIZE)
            last_ms = max((fill.at_ms for fill in known), default=0) + ahead_ms
            all_known = bool(known) and size >= row.lot.times(Decimal(entry.steps))
            shown = all_known and updated_ms >= last_ms
            if shown or now_ms - entry.since_ms >= WAIT_MS:
                entry.settled = entry.steps
            found[row.order_id] = entry.settled
        for gone in set(self._orders) - {row.order_id for row in rows}:
            del self._orders[gone]
        return found
