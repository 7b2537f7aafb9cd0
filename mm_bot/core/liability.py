"""What every unexpired signature of ours can still cost.

Nothing on chain cancels a signature (exchange.md section 4): an order that the exchange calls
cancelled stays executable until it expires or is filled. Invariants:
1. A signature counts from before its bytes leave us until its expiry has passed by the chain's
   clock: resting, cancelled, refused or unknown. While no block was read, nothing has passed.
2. It counts with what is left of it: as its row says, with what of its fills the chain lacks.
3. What a start cannot know of the process before it counts as much as it may be
   (`host/signing.py`); what it does know comes from the order table and the state file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Size
from mm_bot.core.instrument import Side
from mm_bot.core.orders import RestingOrder
from mm_bot.core.snapshot import SignedElsewhere

AUDITED = 4
"""Signatures that a cycle holds against the chain beside those with fills."""
GRACE_MS = 1_000
"""An expiry is a whole second, and the last in which the order may execute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signed order, or the sum of some: its side, what is left of it, and when it dies."""

    side: Side
    left: Size
    notional: Amount
    """What is left at its own price, in the quote."""
    expiry_ms: int
    on_table: bool = False
    """Its row was read, so a start finds it there again."""


Signatures = Mapping[str, Signature]
"""By order id."""


def updated(
    signatures: Signatures,
    rows: Iterable[RestingOrder],
    unsettled: Mapping[str, tuple[Size, Amount]],
    chain_ms: int | None,
) -> Signatures:
    """With what the rows say is left and what of their fills the chain lacks (`unsettled`), and
    without what has expired at `chain_ms`, the earlier of our clock and the latest block's time;
    None where no block was read yet."""
    merged = dict(signatures)
    for row in rows:
        left, notional = row.size, row.notional
        if row.order_id in unsettled:
            size, worth = unsettled[row.order_id]
            left, notional = left + size, notional + worth
        known = merged.get(row.order_id)
        told = (row.side, left, notional, row.expiry_ms, True)
        if known is None or told != (
            known.side, known.left, known.notional, known.expiry_ms, known.on_table
        ):  # fmt: skip
            merged[row.order_id] = Signature(
                side=row.side,
                left=left,
                notional=notional,
                expiry_ms=row.expiry_ms,
                on_table=True,
            )
    return _unexpired(merged, chain_ms)


def updated_elsewhere(
    signatures: Signatures, seen: Iterable[SignedElsewhere], chain_ms: int | None
) -> Signatures:
    """The same for our orders in other markets: what was seen once counts until it expires."""
    rows = {
        each.order_id: Signature(
            side=each.side,
            left=each.size,
            notional=each.notional,
            expiry_ms=each.expiry_ms,
            on_table=True,
        )
        for each in seen
    }
    return _unexpired({**signatures, **rows}, chain_ms)


def outstanding(signatures: Signatures, side: Side) -> Size:
    """Size that all unexpired signatures of one side could still fill."""
    return sum((s.left for s in signatures.values() if s.side is side), NO_SIZE)


def worth(signatures: Signatures, side: Side) -> Amount:
    """The same in the quote, each at its own price."""
    return sum((s.notional for s in signatures.values() if s.side is side), NO_AMOUNT)


def audit(signatures: Signatures, turn: int) -> tuple[str, ...]:
    """A few of them, in turns all: the chain is asked whether it really filled nothing of them."""
    ids = list(signatures)
    first = turn * AUDITED % max(1, len(ids))
    return tuple(ids[first : first + AUDITED])


def last_expiry_ms(signatures: Signatures) -> int | None:
    """Until when something of them can still be executed; None where nothing can."""
    return max((s.expiry_ms for s in signatures.values()), default=None)


def _unexpired(signatures: Signatures, chain_ms: int | None) -> dict[str, Signature]:
    return {
        order_id: signature
        for order_id, signature in signatures.items()
        if signature.left and (chain_ms is None or signature.expiry_ms + GRACE_MS > chain_ms)
    }
