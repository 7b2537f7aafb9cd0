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

from mm_bot.core.again import again
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


class Signed(dict[str, Signature]):
    """Signatures with what each cycle asks about all of them, kept up to date with every change:
    there may be thousands, of which a cycle changes a few. Never changed once made."""

    __slots__ = ("contains", "first_expiry_ms", "hidden", "worth")

    def __init__(self, signatures: Signatures) -> None:
        super().__init__({k: s for k, s in signatures.items() if s.left})
        self.first_expiry_ms = min((s.expiry_ms for s in self.values()), default=None)
        """Before it none of them expires; None where there is none."""
        self.hidden = {k: s for k, s in self.items() if not s.on_table}
        """Those that the order table may not show."""
        self.worth = {side: _worth(self, side) for side in Side}
        """See `worth`."""
        self.contains: object = None
        """What was told last that said nothing new of any of them; see `_with`."""

    @classmethod
    def of(cls, signatures: Signatures) -> Signed:
        return signatures if isinstance(signatures, Signed) else cls(signatures)

    def changed(self, put: Signatures, gone: Iterable[str] = ()) -> Signed:
        """With those of `put` instead of what had their ids, and without the ones that are gone:
        the fast path of making it anew of the result."""
        made = Signed.__new__(Signed)
        made.update(self)
        made.worth = left = dict(self.worth)
        made.contains = None
        firsts = (self.first_expiry_ms, *(s.expiry_ms for s in put.values()))
        made.first_expiry_ms = min((ms for ms in firsts if ms is not None), default=None)
        for order_id, now in put.items():
            left[now.side] += now.notional
            before = self.get(order_id)
            if before is not None:
                left[before.side] -= before.notional
        made.update(put)
        for order_id in gone:
            last = made.pop(order_id, None)
            if last is not None:
                left[last.side] -= last.notional
        hidden = {**self.hidden, **put}
        made.hidden = {k: s for k, s in hidden.items() if k in made and not s.on_table}
        return made

    def unexpired(self, chain_ms: int | None) -> Signed:
        """Without those that have expired at `chain_ms`; with all of them while that is None."""
        if chain_ms is None or not _expired(self.first_expiry_ms, chain_ms):
            return self
        made = self.changed({}, [k for k, s in self.items() if _expired(s.expiry_ms, chain_ms)])
        made.first_expiry_ms = min((s.expiry_ms for s in made.values()), default=None)
        return made


def updated(
    signatures: Signatures,
    rows: tuple[RestingOrder, ...],
    unsettled: Mapping[str, tuple[Size, Amount]],
    chain_ms: int | None,
) -> Signed:
    """With what the rows say is left and what of their fills the chain lacks (`unsettled`), and
    without what has expired at `chain_ms`, the earlier of our clock and the latest block's time;
    None where no block was read yet."""
    told = _told(rows)
    if unsettled:
        told = tuple(_lacking(each, unsettled) for each in told)
    return _with(signatures, told, chain_ms)


Row = tuple[str, Side, Size, Amount, int]
"""What one tells: id, side, what is left and its worth, expiry."""


@again(1)
def _told(rows: tuple[RestingOrder, ...]) -> tuple[Row, ...]:
    return tuple((row.order_id, row.side, row.size, row.notional, row.expiry_ms) for row in rows)


def _lacking(told: Row, unsettled: Mapping[str, tuple[Size, Amount]]) -> Row:
    order_id, side, left, notional, expiry_ms = told
    size, worth = unsettled.get(order_id, (NO_SIZE, NO_AMOUNT))
    return order_id, side, left + size, notional + worth, expiry_ms


def updated_elsewhere(
    signatures: Signatures, seen: Iterable[SignedElsewhere], chain_ms: int | None
) -> Signed:
    """The same for our orders in other markets: what was seen once counts until it expires."""
    told = ((each.order_id, each.side, each.size, each.notional, each.expiry_ms) for each in seen)
    return _with(signatures, tuple(told), chain_ms)


def _with(signatures: Signatures, told: tuple[Row, ...], chain_ms: int | None) -> Signed:
    """With what rows tell. A row that says nothing new costs a comparison; rows that are the very
    ones of which none did cost nothing."""
    known = Signed.of(signatures)
    if told is known.contains:
        return known.unexpired(chain_ms)
    put, gone, all_live = {}, [], True
    for order_id, side, left, notional, expiry_ms in told:
        before = known.get(order_id)
        if not left or _expired(expiry_ms, chain_ms):
            all_live = False
            if before is not None:
                gone.append(order_id)
        elif before is None or (side, left, notional, expiry_ms, True) != (
            before.side, before.left, before.notional, before.expiry_ms, before.on_table
        ):  # fmt: skip
            put[order_id] = Signature(
                side=side, left=left, notional=notional, expiry_ms=expiry_ms, on_table=True
            )
    if put or gone:
        known = known.changed(put, gone)
    elif all_live:
        known.contains = told
    return known.unexpired(chain_ms)


def _expired(expiry_ms: int | None, chain_ms: int | None) -> bool:
    return expiry_ms is not None and chain_ms is not None and expiry_ms + GRACE_MS <= chain_ms


def outstanding(signatures: Signatures, side: Side) -> Size:
    """Size that all unexpired signatures of one side could still fill."""
    return sum((s.left for s in signatures.values() if s.side is side), NO_SIZE)


def worth(signatures: Signatures, side: Side) -> Amount:
    """The same in the quote, each at its own price."""
    return Signed.of(signatures).worth[side]


def _worth(signatures: Signatures, side: Side) -> Amount:
    return sum((s.notional for s in signatures.values() if s.side is side), NO_AMOUNT)


def audit(signatures: Signatures, turn: int) -> tuple[str, ...]:
    """A few of them, in turns all: the chain is asked whether it really filled nothing of them."""
    first = turn * AUDITED % max(1, len(signatures))
    return tuple(signatures)[first : first + AUDITED]


def last_expiry_ms(signatures: Signatures) -> int | None:
    """Until when something of them can still be executed; None where nothing can."""
    return max((s.expiry_ms for s in signatures.values()), default=None)
