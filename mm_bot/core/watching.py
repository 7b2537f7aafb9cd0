"""What the next read must answer (`watch`), and when it is due (`next_due_ms`). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mm_bot.core.commands import Watch
from mm_bot.core.ledger import OpenOrder, Stage
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderId
from mm_bot.core.plan import counted_from_ms
from mm_bot.core.settlement import Settlement

VERIFY_AFTER_MS = 100
SETTLING_ASKED = 100
"""Orders a read whose fills the chain is asked about; the others stay pending meanwhile."""
NOTHING: Mapping[str, Settlement] = {}


def watch(
    open_orders: tuple[OpenOrder, ...],
    settlements: Mapping[str, Settlement] = NOTHING,
    audited: Iterable[str] = (),
    *,
    fills_after: int | None,
    first: bool,
) -> Watch:
    """What the next read of the order table must answer. `audited` are orders of ours that nothing
    is known to have filled, and that the chain is asked about all the same."""
    settling = {order_id: entry.nonce for order_id, entry in settlements.items() if entry.pending}
    settling |= {c.order_id: c.nonce for c in open_orders if not c.nonce_in_doubt}
    settling |= {order_id: entry.nonce for order_id, entry in settlements.items()}
    parts = {order_id: OrderId.parse(order_id) for order_id in audited}
    asked = {order_id: each.nonce for order_id, each in parts.items() if each is not None}
    settling = dict(list(settling.items())[: SETTLING_ASKED - len(asked)]) | asked
    return Watch(
        order_ids=tuple(dict.fromkeys([*(c.order_id for c in open_orders), *settlements])),
        settling=tuple(settling.items()),
        nonces=tuple(c.nonce for c in open_orders if c.conflict),
        fills_after=fills_after,
        include_unexpired=first,
    )


def fills_after(memory: Memory) -> int | None:
    """The trade id after which fills are wanted: far back where one is owed."""
    owed = any(entry.owed for entry in memory.settlements.values())
    return memory.fill_totals.floor if owed else memory.fill_totals.cursor


def next_due_ms(memory: Memory, decided_ms: int) -> int | None:
    """When something that waits is tried again, or an acknowledged cancel looked after; None where
    only the poll interval matters. Each such time counts once: what the last decision, made at
    `decided_ms`, could see as due waits for the poll. What fell due while it was acted on does
    not."""
    due = list(memory.refused_until_ms.values())
    for c in memory.open_orders:
        if c.stage is Stage.UNKNOWN:
            due.append(c.next_send_ms)
        if c.cancels:
            acked = c.cancel_acked_ms
            if acked is None:
                due += (c.next_cancel_ms, counted_from_ms(c))
            else:
                due.append(acked + VERIFY_AFTER_MS)
    return min((at for at in due if at > decided_ms), default=None)
