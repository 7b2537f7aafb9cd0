"""Claim 9 a second time: what every signature that left a process can still cost.

A signature counts from its posting until the chain's clock has passed its expiry, whatever the
exchange said of it, over crashes too. Where the state file was lost, only the order table tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from mm_bot.core.commands import NewOrder
from mm_bot.core.exact import NO_SIZE, Size
from mm_bot.core.instrument import Side
from mm_bot.core.liability import outstanding
from mm_bot.core.memory import Memory
from mm_bot.core.orders import Ownership
from tests.sim.model import GRAIN, US, Model, Row

GRAIN_OF_SIZE = Size(GRAIN)


@dataclass(slots=True)
class Signed:
    """Every order that was ever posted."""

    model: Model
    _orders: dict[str, NewOrder] = field(default_factory=dict)
    _unexpired: dict[str, NewOrder] = field(default_factory=dict)
    _lost_ms: dict[str, int] = field(default_factory=dict)
    """Signed by a process whose state file was lost, and when: known by their rows alone, and by
    no row that came later and may have ended unseen."""

    def posted(self, order: NewOrder) -> None:
        self._orders[order.order_id] = self._unexpired[order.order_id] = order

    def lost(self) -> None:
        now_ms = self.model.clock.now_ms()
        for order_id in self._orders:
            self._lost_ms.setdefault(order_id, now_ms)

    def faults(self, memory: Memory) -> Iterator[str]:
        """Where what the process says is less."""
        if not memory.signatures_known:
            return
        for side in Side:
            could, steps = self._left(side, memory.orders_read_ms or 0)
            said = outstanding(memory.signatures, side)
            # The engine counts spot in cNGN, at a price that is rounded to its grid once it is
            # decided: a bid is for more USDC than decided by less than a grain for each.
            if could > said + GRAIN_OF_SIZE.times(Decimal(steps)):
                yield f"{side.value}: {said} said, {could} signed"

    def _left(self, side: Side, read_ms: int) -> tuple[Size, int]:
        """What can still be executed, and of how many steps that is."""
        block_ms, total, steps = self.model.chain.latest_ms(), NO_SIZE, 0
        for order_id, order in tuple(self._unexpired.items()):
            if order.expiry_s * 1000 <= block_ms:
                del self._unexpired[order_id]
                continue
            row = self.model.rows.get(order_id)
            lost_ms = self._lost_ms.get(order_id)
            hidden = row is None or row.created_ms >= min(read_ms, lost_ms or read_ms)
            if order.side is not side:
                continue
            if lost_ms is None or not hidden:
                total += order.size if row is None else self._executable(row)
                steps += 0 if row is None else row.steps
        for row in self.model.rows.values():
            if row.owner != US or row.side is not side or row.expiry_ms <= block_ms:
                continue
            managed = self.model.ownership(row) is Ownership.MANAGED
            if managed and row.order_id not in self._orders:
                total += self._executable(row)
        return total, steps

    def _executable(self, row: Row) -> Size:
        """What the chain has not counted as filled."""
        return row.unit.times(Decimal(row.steps - self.model.chain.filled(row.order_id)))
