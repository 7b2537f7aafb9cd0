"""Claims 11 and 17 a second time: what a decision tells of its gaps, of how orders ended, and of
how long they have left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mm_bot.core.decide import Decision
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.ledger import Ending
from mm_bot.core.policy import Policy
from mm_bot.core.snapshot import Observation


def untold(decision: Decision, policy: Policy) -> Iterator[str]:
    """Slots that neither hold an order, nor are about to, nor have a reason."""
    plan = decision.plan
    filled = {slot for slot, _ in plan.kept} | {h.slot for h in plan.held}
    filled |= {(p.level.side, p.level.index) for p in plan.places}
    gaps = {(m.side, m.index) for m in decision.missing}
    for side in Side:
        if (side, None) in gaps:
            continue
        first_gap = min((i for s, i in gaps if s is side and i is not None), default=None)
        for index in range(policy.quote.levels):
            behind = first_gap is not None and index >= first_gap
            if not behind and (side, index) not in filled:
                yield f"{side.value} {index} neither rests nor has a reason"


def old_orders(decision: Decision, seen: Observation, market: Instrument) -> Iterator[str]:
    """Orders that a cycle is content with though under a quarter of their life is left."""
    read = seen.orders.value
    if read is None:
        return
    rows = {row.order_id: row for row in read.rows}
    for _, order_id in decision.plan.kept:
        row = rows.get(order_id)
        last_ms = market.expiry_ms
        if row is None or (last_ms is not None and row.expiry_ms + 1_000 > last_ms):
            continue
        left_ms = row.expiry_ms - decision.now_ms
        if 4 * left_ms < row.expiry_ms - row.created_ms:
            yield f"{order_id} is kept with {left_ms} ms left"


@dataclass(slots=True)
class Cancels:
    """Which cancels a process was told to have worked: the others are proven by their rows."""

    _acknowledged: set[str] = field(default_factory=set)
    _heard: frozenset[str] = frozenset()
    """Those of `_acknowledged` that the cycle under way began with."""
    _contradicted: set[str] = field(default_factory=set)

    def started(self) -> None:
        self._acknowledged.clear()
        self._contradicted.clear()

    def cycle_begins(self) -> None:
        self._heard = frozenset(self._acknowledged)

    def acknowledged(self, order_id: str) -> None:
        self._acknowledged.add(order_id)

    def faults(self, decision: Decision) -> Iterator[str]:
        """An ended order counts as proven to be cancelled just where no answer had said so."""
        for c in decision.tracked.open_orders:
            if c.ack_contradicted:
                self._contradicted.add(c.order_id)
        for ended in decision.tracked.ended:
            order_id = ended.order.order_id
            if ended.ending is not Ending.CANCELLED_BY_US or order_id in self._contradicted:
                continue
            if ended.cancel_proven == (order_id in self._heard):
                told = "proven" if ended.cancel_proven else "not proven"
                yield f"{order_id}: its cancel is {told}, though its answer says otherwise"
