"""What a step of our clock does to what is remembered: nothing.

Every remembered time that our own clock gave is moved by the step, so that each age and each pause
is as long as it was; what a strategy keeps moves its own (`Timed`). Times that others gave (an
order's expiry, a fill's time) stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol, TypeVar, runtime_checkable

from mm_bot.core.fills import FillTotals
from mm_bot.core.ledger import OpenOrder
from mm_bot.core.memory import Memory
from mm_bot.core.quoting import Kept

K = TypeVar("K")


@runtime_checkable
class Timed(Protocol):
    """What a strategy keeps that has times of our clock in it."""

    def stepped(self, step_ms: int) -> object:
        """The same, with each of these times moved."""


def shifted(memory: Memory, step_ms: int) -> Memory:
    """The memory as it would be had the clock always shown what it shows now. `step_ms` is
    negative where the clock was set back."""
    last = memory.last_reference
    return replace(
        memory,
        started_ms=memory.started_ms + step_ms,
        open_orders=tuple(_open_order(c, step_ms) for c in memory.open_orders),
        last_replace_ms=all_moved(memory.last_replace_ms, step_ms),
        refused_until_ms=all_moved(memory.refused_until_ms, step_ms),
        replace_cancels_ms=tuple(at_ms + step_ms for at_ms in memory.replace_cancels_ms),
        reductions_ms=tuple(at_ms + step_ms for at_ms in memory.reductions_ms),
        strategy=_kept(memory.strategy, step_ms),
        fill_totals=_fill_totals(memory.fill_totals, step_ms),
        fills_since_ms=moved(memory.fills_since_ms, step_ms),
        last_fill_seen_ms=moved(memory.last_fill_seen_ms, step_ms),
        last_reference=None if last is None else replace(last, at_ms=last.at_ms + step_ms),
        last_quote_update_ms=moved(memory.last_quote_update_ms, step_ms),
        orders_read_ms=moved(memory.orders_read_ms, step_ms),
        contradictions=all_moved(memory.contradictions, step_ms),
        retired=all_moved(memory.retired, step_ms),
        inventory_at_ms=moved(memory.inventory_at_ms, step_ms),
        accepted={
            source: replace(price, at_ms=price.at_ms + step_ms)
            for source, price in memory.accepted.items()
        },
        settlements={
            order_id: replace(
                entry,
                since_ms=entry.since_ms + step_ms,
                odd_since_ms=moved(entry.odd_since_ms, step_ms),
            )
            for order_id, entry in memory.settlements.items()
        },
    )


def _fill_totals(known: FillTotals, step_ms: int) -> FillTotals:
    if known.checkpoint is None:
        return known
    newest_trade_id, at_ms = known.checkpoint
    return replace(known, checkpoint=(newest_trade_id, at_ms + step_ms))


def _open_order(known: OpenOrder, step_ms: int) -> OpenOrder:
    return replace(
        known,
        created_ms=known.created_ms + step_ms,
        next_send_ms=known.next_send_ms + step_ms,
        next_cancel_ms=known.next_cancel_ms + step_ms,
        cancel_acked_ms=moved(known.cancel_acked_ms, step_ms),
        matching_since_ms=moved(known.matching_since_ms, step_ms),
        absent_since_ms=moved(known.absent_since_ms, step_ms),
    )


def _kept(kept: Kept, step_ms: int) -> Kept:
    """What is saved follows with the next cycle."""
    if kept.value is None:
        return kept
    value = {
        name: state.stepped(step_ms) if isinstance(state, Timed) else state
        for name, state in kept.value.items()
    }
    return replace(kept, value=value)


def moved(at_ms: int | None, step_ms: int) -> int | None:
    """A time of our clock, if there is one, moved by the step."""
    return None if at_ms is None else at_ms + step_ms


def all_moved(times: Mapping[K, int], step_ms: int) -> dict[K, int]:
    """Each of these times of our clock, moved by the step."""
    return {key: at_ms + step_ms for key, at_ms in times.items()}
