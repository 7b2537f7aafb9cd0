"""What a crash may forget of what was signed, bounded on disk before any of it leaves us.

The state file lists every signature that the order table may not show (unknown, refused, not read
yet). It is written after a cycle, so a crash forgets the latest ones: those are covered by an
allowance in the same file, as nonces are by their block.

1. At every moment the file on disk lists a signature, or its allowance covers it together with
   every other one of its side that is not listed there, in size, worth and expiry.
2. An allowance is on disk before the signature that needs it leaves us. It is twice of what was
   needed, so that few orders wait for the disk; it says too much after a crash, never too little.
3. A clean end leaves no more allowed than was signed and not listed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from mm_bot.core.commands import NewOrder
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Size
from mm_bot.host.persistent import Allowance, AllowedSide

EXPIRY_ROOM_S = 60
"""How much later than needed an allowed expiry is: one write in so much time."""


class Written(Protocol):
    """What of the state file matters here."""

    @property
    def durable(self) -> int:
        """The number of the last state that is on disk."""


@dataclass(slots=True, kw_only=True)
class _Made:
    order: NewOrder
    listed_in: int | None = None
    """The number of the first state that lists it; None before there is one."""


@dataclass(slots=True)
class SigningLog:
    """Orders signed since the last state on disk, and what is allowed. `allowance` goes into every
    state that is written."""

    file: Written
    allowance: Allowance = field(default_factory=Allowance)
    allowed_in: int = 0
    """The number of the first state that has this allowance."""
    _made: dict[str, _Made] = field(default_factory=dict)

    def covers(self, order: NewOrder) -> bool:
        """Whether the disk already allows `order`; where it does, it counts as made."""
        known = self._made.get(order.order_id)
        if known is not None:
            return True  # the same bytes again
        self._forget_listed()
        allowed = self.allowance.side(order.side)
        size, worth = self._needed(order)
        if (
            self.allowed_in > self.file.durable
            or order.expiry_s > self.allowance.expiry_s
            or size.value > allowed.size
            or worth.value > allowed.notional
        ):
            return False
        self._made[order.order_id] = _Made(order=order)
        return True

    def widened(self, order: NewOrder) -> Allowance:
        """An allowance that covers `order` too. A later expiry begins from what is needed now, so
        that one burst does not count for ever."""
        self._forget_listed()
        size, worth = self._needed(order)
        twice = Decimal(2)
        wanted = AllowedSide(size=size.times(twice).value, notional=worth.times(twice).value)
        later = order.expiry_s > self.allowance.expiry_s
        known = _sum(m.order for m in self._made.values()) if later else self.allowance
        expiry_s = order.expiry_s + EXPIRY_ROOM_S if later else self.allowance.expiry_s
        return known.widened(order.side, wanted, expiry_s)

    def listed(self, order_ids: Collection[str], number: int) -> None:
        """The state of that number lists these, or has no need to."""
        for order_id, made in self._made.items():
            if made.listed_in is None and order_id in order_ids:
                made.listed_in = number

    def least(self) -> Allowance:
        """No more than what is not listed anywhere."""
        return _sum(m.order for m in self._made.values() if m.listed_in is None)

    def _needed(self, order: NewOrder) -> tuple[Size, Amount]:
        same = [m.order for m in self._made.values() if m.order.side is order.side]
        size = sum((each.size for each in same), NO_SIZE) + order.size
        return size, sum((each.notional for each in same), NO_AMOUNT) + order.notional

    def _forget_listed(self) -> None:
        durable = self.file.durable
        self._made = {
            order_id: made
            for order_id, made in self._made.items()
            if made.listed_in is None or made.listed_in > durable
        }


def _sum(orders: Iterable[NewOrder]) -> Allowance:
    """No more than these."""
    found = Allowance()
    for order in orders:
        side = found.side(order.side)
        grown = AllowedSide(
            size=(Size(side.size) + order.size).value,
            notional=(Amount(side.notional) + order.notional).value,
        )
        found = found.widened(order.side, grown, order.expiry_s)
    return found
