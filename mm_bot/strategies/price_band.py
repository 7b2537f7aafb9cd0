"""Price ceiling and floor: no bid above the one, no ask below the other.

The best level is moved to the bound and the outer ones keep their distance to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.exact import Price
from mm_bot.core.instrument import Side
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import View
from mm_bot.strategies.draft import Draft, Step, on_tick
from mm_bot.strategies.options import Contradiction, Feature, Option, Options, Place, Sort

CEILING, FLOOR = "MM_PRICE_CEILING", "MM_PRICE_FLOOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBand(Step):
    name = "price_band"

    ceiling: Price | None
    floor: Price | None

    def held(self, view: View, side: Side, price: Price) -> Price:
        """The price moved into the band where it is outside."""
        bound = self.ceiling if side is Side.BUY else self.floor
        if bound is None:
            return price
        return max(price, on_tick(view, side, bound.value, Decimal(1)), key=side.best_first)

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        for side, bound in ((Side.BUY, self.ceiling), (Side.SELL, self.floor)):
            prices = draft.prices[side]
            if bound is None or not prices or not side.is_better(prices[0], bound):
                continue
            target = self.held(view, side, prices[0])
            why = "{from_price} is beyond the bound {bound}: {price}"
            draft = draft.moved(side, target, self.name, why, bound=bound)
        return draft


def band_of(options: Options) -> PriceBand | None:
    """None where neither is set."""
    ceiling, floor = options.number(CEILING), options.number(FLOOR)
    if not ceiling and not floor:
        return None
    return PriceBand(
        ceiling=Price(ceiling) if ceiling else None, floor=Price(floor) if floor else None
    )


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    return band_of(options)


def _contradictions(options: Options, quote: QuotePolicy) -> Iterator[Contradiction]:
    ceiling, floor = options.number(CEILING), options.number(FLOOR)
    if ceiling and floor and floor >= ceiling:
        yield FLOOR, f"it must be below {CEILING}"


FEATURE = Feature(
    name="price_band",
    step=PriceBand,
    place=Place.LEVELS,
    options=(
        Option(
            name=CEILING,
            sort=Sort.NUMBER,
            meaning="No bid is above; 0 is off.",
            unit="the quote",
            least="0",
        ),
        Option(
            name=FLOOR,
            sort=Sort.NUMBER,
            meaning="No ask is below; 0 is off.",
            unit="the quote",
            least="0",
        ),
    ),
    build=_build,
    contradictions=_contradictions,
)
