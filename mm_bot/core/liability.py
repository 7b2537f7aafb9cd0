"""What every unexpired signature of ours can still cost.

Nothing on chain cancels a signature (exchange.md section 4): an order that the exchange calls
cancelled stays executable until it expires or is filled. Invariants:
1. A signature counts from the moment it is made until its expiry has passed, cancelled or not.
2. It counts with what is left of it, as last read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mm_bot.core.exact import NO_SIZE, Size
from mm_bot.core.instrument import Side
from mm_bot.core.orders import RestingOrder


@dataclass(frozen=True, slots=True)
class Signature:
    """One signed order: its side, what is left of it, and when it dies."""

    side: Side
    left: Size
    expiry_ms: int


Signatures = Mapping[str, Signature]


def updated(
    signatures: Signatures,
    rows: Iterable[RestingOrder],
    unsettled: Mapping[str, Size],
    now_ms: int,
) -> Signatures:
    """With what the rows say is left and what of their fills the chain lacks (`unsettled`), and
    without what has expired at `now_ms`, the earlier of our clock and the block's."""
    merged = dict(signatures)
    for row in rows:
        merged[row.order_id] = Signature(
            row.side, row.size + unsettled.get(row.order_id, NO_SIZE), row.expiry_ms
        )
    return {k: s for k, s in merged.items() if s.expiry_ms + 1_000 > now_ms and s.left}


def outstanding(signatures: Signatures, side: Side) -> Size:
    """Size that all unexpired signatures of one side could still fill."""
    return sum((s.left for s in signatures.values() if s.side is side), NO_SIZE)
