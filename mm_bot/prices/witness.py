"""Who else says so: what may confirm a jump that no repetition confirms.

A source that is suddenly far from its own last accepted price has changed its unit, or was taken
over, or tells of an event. It can say so as often as it likes: only somebody else confirms it. That
is another source, the local price that others made, or the operator by his control file.

The last accepted prices of an earlier process are witnesses as well, for a day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from mm_bot.core.exact import BPS, Price, multiply, round_half_even
from mm_bot.core.memory import Accepted

DAY_MS = 86_400_000
HEARD_MS = 60_000
"""What another source or the book said longer ago confirms nothing."""
AGREEMENT_BPS_DEFAULT = Decimal(500)


@dataclass(slots=True, kw_only=True)
class Witnesses:
    """Of one process. `operator` gives the price that the operator accepts at that time."""

    agreement_bps: Decimal = AGREEMENT_BPS_DEFAULT
    operator: Callable[[int], Price | None] = lambda _: None
    remedy: str = "`mm-bot accept-reference {price}`"
    """What the operator does where a jump is true."""
    earlier: Mapping[str, Accepted] = field(default_factory=dict)
    """The last accepted price of each source in an earlier process."""
    _said: dict[str, Accepted] = field(default_factory=dict)
    _local: Accepted | None = None

    def said(self, source: str, price: Price, now_ms: int) -> None:
        """A timely and plausible reading of `source`, accepted or not."""
        self._said[source] = Accepted(price=price, at_ms=now_ms)

    def hear_local(self, price: Price | None, now_ms: int) -> None:
        """The local price of this cycle, made by others alone; None where there is none."""
        self._local = None if price is None else Accepted(price=price, at_ms=now_ms)

    def last_accepted(self, source: str, now_ms: int) -> Price | None:
        """Of an earlier process, where it is younger than a day."""
        known = self.earlier.get(source)
        return known.price if known is not None and _younger(known, now_ms, DAY_MS) else None

    def confirms(self, source: str, price: Price, now_ms: int) -> bool:
        """Whether anybody but `source` says that it is about `price`."""
        heard = [told for name, told in self._said.items() if name != source]
        if self._local is not None:
            heard.append(self._local)
        agreed = [told.price for told in heard if _younger(told, now_ms, HEARD_MS)]
        accepted = self.operator(now_ms)
        if accepted is not None:
            agreed.append(accepted)
        return any(is_near(price, other, self.agreement_bps) for other in agreed)


def is_near(price: Price, base: Price, limit_bps: Decimal) -> bool:
    """Whether `price` is within `limit_bps` of `base`."""
    return multiply(abs(price - base).value, BPS) <= multiply(base.value, limit_bps)


def deviation_bps(price: Price, base: Price) -> Decimal:
    """|price - base| / base in basis points, half-even to two decimals."""
    return round_half_even(multiply(abs(price - base).value, BPS), base.value, 2)


def _younger(told: Accepted, now_ms: int, limit_ms: int) -> bool:
    return now_ms - told.at_ms <= limit_ms
