"""Micro-price: the local mid weighted by the sizes at the best prices, towards the thinner side.

`w = (b x Qa + a x Qb) / (Qa + Qb)` of others' best orders of at least one order's size, and never
further from the mid than a cap: one large fake order moves it by half a spread. Used where the
reference is the local mid.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.changed import changed
from mm_bot.core.exact import BPS, Price, Size, add, clamp, multiply, round_half_even
from mm_bot.core.instrument import BOTH
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import View
from mm_bot.core.reference import ReferenceSource
from mm_bot.strategies.draft import Draft, Step, best_of
from mm_bot.strategies.options import Feature, Option, Options, Place, Sort

_SHIFT = "MM_MICRO_PRICE_MAX_SHIFT_BPS"
DIGITS = 12
"""Decimals of a micro-price; the exact fraction has no end."""


def micro_price(bid: Price, bid_size: Size, ask: Price, ask_size: Size) -> Price:
    """Rounded half-even to 12 decimals; strictly between the two where they are apart."""
    weighted = add(
        multiply(bid.value, ask_size.value),
        multiply(ask.value, bid_size.value),
    )
    return Price(round_half_even(weighted, add(bid_size.value, ask_size.value), DIGITS))


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroPrice(Step):
    name = "micro_price"

    max_shift_bps: Decimal
    least_size: Size

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        if view.source is not ReferenceSource.BOOK:
            return draft
        bid, ask = (best_of(view, side, self.least_size) for side in BOTH)
        if bid is None or ask is None or bid[0] >= ask[0]:
            return draft
        found, mid = micro_price(*bid, *ask).value, draft.reference.value
        most = round_half_even(multiply(mid, self.max_shift_bps), BPS, DIGITS)
        price = Price(clamp(found, add(mid, -most), add(mid, most)))
        return changed(
            draft,
            reference=price,
            said=draft.told(
                self.name,
                "{bid_size} bid at {bid}, {ask_size} asked at {ask}: {mid} -> {price}",
                bid=bid[0],
                bid_size=bid[1],
                ask=ask[0],
                ask_size=ask[1],
                mid=mid,
                price=price,
            ),
        )


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    most = options.number(_SHIFT)
    if not most:
        return None
    return MicroPrice(max_shift_bps=most, least_size=quote.order_size)


FEATURE = Feature(
    name="micro_price",
    step=MicroPrice,
    place=Place.REFERENCE,
    options=(
        Option(
            name=_SHIFT,
            sort=Sort.NUMBER,
            meaning="The local mid leans by the sizes at the best prices, at most so far; 0 is "
            "off.",
            unit="basis points",
            least="0",
        ),
    ),
    build=_build,
)
