"""The operator's replace-driven cancels a minute (`MM_MAX_CANCELS_PER_MINUTE`). Pure.

1. What would be one too many in any 60 s is not sent: the cycle halts instead (behaviour.md 5).
2. A cancel that is sent again because nobody answered counts as well, and halts nothing: it waits.
   Such repeats go together, since a quote may have to wait for the cancel on the other side. They
   may use half of the minute at once, then as many in a minute again at an even pace, and leave
   room to replace every level once. So a halt by this name tells of churn, never of an exchange
   that answers no cancels.
3. One that met the matcher's blink is repeated within its cycle only where that leaves room to
   replace every order once more.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from mm_bot.core.ledger import OpenOrder
from mm_bot.core.memory import Memory
from mm_bot.core.plan import Plan, counted_from_ms

MINUTE_MS = 60_000


def last_minute(memory: Memory, now_ms: int) -> tuple[int, ...]:
    """When each counted cancel of the last 60 s was sent, the oldest first."""
    sent_ms = memory.replace_cancels_ms
    return sent_ms[bisect_right(sent_ms, now_ms - MINUTE_MS) :]


def over(memory: Memory, now_ms: int, limit: int | None, wanted: Plan) -> bool:
    """Whether the plan would pass it."""
    if not wanted.counted_cancels:
        return False
    left = spare(memory, now_ms, limit, wanted.counted_cancels)
    return left is not None and left < 0


def spare(memory: Memory, now_ms: int, limit: int | None, wanted: int) -> int | None:
    """How many more than those wanted may be sent in this minute, less than none where these are
    too many; None where nothing limits them."""
    return None if limit is None else limit - len(last_minute(memory, now_ms)) - wanted


def waiting(
    memory: Memory, now_ms: int, limit: int | None, levels: int, open_orders: Sequence[OpenOrder]
) -> frozenset[str]:
    """Orders whose counted cancel is not repeated in this cycle."""
    due = [c for c in open_orders if c.cancels and not c.cancel_acked]
    due = [c for c in due if counted_from_ms(c) <= now_ms]
    if limit is None or _may_repeat(last_minute(memory, now_ms), now_ms, limit, levels, len(due)):
        return frozenset()
    return frozenset(c.order_id for c in due)


def _may_repeat(
    sent_ms: tuple[int, ...], now_ms: int, limit: int, levels: int, repeats: int
) -> bool:
    half, then = limit // 2, len(sent_ms) + repeats
    if then <= half or not sent_ms:
        return then <= limit
    paced = (now_ms - sent_ms[-1]) * half >= MINUTE_MS * repeats
    return paced and then + 2 * levels <= limit
