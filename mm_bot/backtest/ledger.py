"""Our own books of a run: every fill once, exact, and where the result comes from.

With marks `m` of the market without us, fills of sign `s`, price `p`, size `v`, and the position
`q` between two of them, in units of the quote:

    total = sum s (m - p) v   [spread capture, m from just before the fill]
          + sum q (m' - m)    [inventory]
          - fees

which is asserted against `cash + position x mark` whenever it is told (strategy.md section 13).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.backtest.errors import BooksDifferError
from mm_bot.core.exact import NO_AMOUNT, Amount, Price, Size, multiply
from mm_bot.core.instrument import Instrument, Side

MidAt = Callable[[int], Price]
"""The mark at a time in nanoseconds: the last one seen before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """A fill of ours, `lots` of the instrument's step; `at_ns` is the exchange's time."""

    trade_id: int
    order_id: str
    side: Side
    price: Price
    size: Size
    notional: Amount
    fee: Amount
    at_ns: int
    left_lots: int
    waited_ms: int
    """Since the order was accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The result taken apart, in the quote."""

    capture: Amount
    inventory: Amount
    fees: Amount
    adverse: Amount
    """Of `inventory`, what the price did against our fills within the horizon."""

    @property
    def total(self) -> Amount:
        return self.capture + self.inventory - self.fees


class Ledger:
    """Begins with a position and no cash."""

    def __init__(self, instrument: Instrument, position: Size, maker_fee_bps: Decimal) -> None:
        self.instrument = instrument
        self.start = position
        self.position = position
        self.cash = NO_AMOUNT
        self.fees = NO_AMOUNT
        self.fills: list[Booked] = []
        self._fee_rate = multiply(maker_fee_bps, Decimal("0.0001"))

    def book(
        self,
        *,
        order_id: str,
        side: Side,
        price: Price,
        size: Size,
        at_ns: int,
        trade_id: int,
        left_lots: int,
        waited_ms: int,
    ) -> Booked:
        """Count one fill. A taker's fee is not known here: all orders are post-only."""
        worth = (price * size).times(self.instrument.multiplier)
        fill = Booked(
            trade_id=trade_id,
            order_id=order_id,
            side=side,
            price=price,
            size=size,
            notional=worth,
            fee=worth.times(self._fee_rate),
            at_ns=at_ns,
            left_lots=left_lots,
            waited_ms=waited_ms,
        )
        sign = Decimal(side.sign)
        self.position += size.times(sign)
        self.cash -= worth.times(sign) + fill.fee
        self.fees += fill.fee
        self.fills.append(fill)
        return fill

    def worth(self, mark: Price) -> Amount:
        """Cash and position at that mark."""
        return self.cash + (mark * self.position).times(self.instrument.multiplier)

    def parts(self, mid_at: MidAt, first: Price, last: Price, horizon_ns: int) -> Parts:
        """The result between the first and the last mark.

        Raises:
            BooksDifferError: where the parts are not the whole.
        """
        found = parts_of(self.fills, self.start, self.instrument, mid_at, first, last, horizon_ns)
        began = (first * self.start).times(self.instrument.multiplier)
        whole = self.worth(last) - began
        if found.total != whole:
            raise BooksDifferError(f"the parts are {found.total}, the books say {whole}")
        return found


def parts_of(
    fills: Sequence[Booked],
    start: Size,
    instrument: Instrument,
    mid_at: MidAt,
    first: Price,
    last: Price,
    horizon_ns: int,
) -> Parts:
    """The parts by the fills alone, each marked just before it."""
    capture = inventory = fees = adverse = NO_AMOUNT
    held, mark = start, first
    for fill in sorted(fills, key=lambda each: (each.at_ns, each.trade_id)):
        mid, later = mid_at(fill.at_ns), mid_at(fill.at_ns + horizon_ns)
        signed = fill.size.times(Decimal(fill.side.sign))
        inventory += (mid - mark) * held
        capture += (mid - fill.price) * signed
        adverse += (later - mid) * signed
        fees += fill.fee
        held, mark = held + signed, mid
    inventory += (last - mark) * held
    per = instrument.multiplier
    return Parts(
        capture=capture.times(per),
        inventory=inventory.times(per),
        fees=fees,
        adverse=adverse.times(per),
    )
