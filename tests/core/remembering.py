"""An order that rests, and what became of its cancel."""

from __future__ import annotations

from mm_bot.core.commands import Outcome
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import OpenOrder
from mm_bot.core.plan import Cancel, CancelCategory
from mm_bot.core.remember import CancelResult
from tests.core.builders import NOW_MS, open_order

LIVE = open_order(Side.BUY, "1596")


def cancelled(order: OpenOrder, outcome: Outcome, sent_ms: int = NOW_MS) -> CancelResult:
    """A counted cancel of it, answered or given up now."""
    cancel = Cancel(
        order_id=order.order_id,
        nonce=order.nonce,
        category=CancelCategory.REPLACE_DRIVEN,
        reason="x",
        counted=True,
    )
    return CancelResult(cancel=cancel, outcome=outcome, sent_ms=sent_ms, done_ms=NOW_MS)
