"""Whether nothing of ours is live after everything was to be cancelled, and what says so.

A read of the order table is the evidence: no order that may be live is left in the ledger, unknown
ones included. What was signed stays executable on chain until it expires, whatever is live.
"""

from __future__ import annotations

from dataclasses import dataclass

from mm_bot.core.decide import Decision
from mm_bot.core.liability import last_expiry_ms
from mm_bot.core.memory import Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """One look at a bot that is not to quote."""

    may_be_live: tuple[str, ...]
    """Order ids."""
    rows_seen: int
    """Own rows that the look brought."""
    unread: str | None
    """Why it brought none; None where the order table was read."""
    block_number: int | None
    """Of the balances; None where none was read."""
    executable_until_ms: int | None
    """The last expiry of all signatures; None where nothing is left of any."""

    @property
    def proven(self) -> bool:
        return self.unread is None and not self.may_be_live


def stopped(decision: Decision, memory: Memory) -> Stopped:
    """What one cycle saw; `memory` is the one it left."""
    venue = decision.snapshot.venue
    read, balances = venue.orders.value, venue.balances.value
    return Stopped(
        may_be_live=tuple(order.order_id for order in decision.tracked.open_orders),
        rows_seen=len(read.rows) if read is not None else 0,
        unread=(venue.orders.error or "the order table was not read") if read is None else None,
        block_number=balances.block_number if balances is not None else None,
        executable_until_ms=last_expiry_ms(memory.signatures),
    )
