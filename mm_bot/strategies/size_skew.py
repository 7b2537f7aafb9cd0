"""Size skew: the side that brings the stock back to its target is larger, the other smaller.

Both factors add up to 2, are 1 each at the target and 0 and 2 at the ends of a range around it.
Exact fractions; a factor is floored to 0.0001 before it meets a size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.changed import changed
from mm_bot.core.declared import StepReason
from mm_bot.core.exact import add, floor_to_step, multiply, subtract
from mm_bot.core.instrument import BOTH, Side
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import View
from mm_bot.strategies.draft import ONE, Draft, Step
from mm_bot.strategies.options import Contradiction, Feature, Option, Options, Place, Sort
from mm_bot.strategies.target import FEATURE as TARGET
from mm_bot.strategies.target import TARGET_PCT, target_of

ON, _PCT, _RANGE = "MM_SIZE_SKEW", "MM_SIZE_SKEW_TARGET_PCT", "MM_SIZE_SKEW_RANGE_MULT"
SIZE_SKEW = StepReason(
    value="size_skew", means="the stock is so far from its target that this side has no size"
)
NONE, _ALL, _HALVES = Decimal(0), Decimal(2), Decimal(200)
_STEP = Decimal("0.0001")


def factors(
    base: Decimal, quote: Decimal, pct: Decimal, reach: Decimal
) -> tuple[Decimal, Decimal, Decimal]:
    """Of the bids and of the asks, each to be divided by the third number. All in quote units: the
    stock's worth, the quote balance, and half the width of the range, which is never more than half
    of everything."""
    whole = add(base, quote)
    # in two-hundredths, so that a half and a percentage are whole
    reach = min(multiply(reach, _HALVES), multiply(whole, Decimal(100)))
    if whole <= 0 or reach <= 0:
        return NONE, NONE, ONE
    target, held = multiply(multiply(whole, pct), _ALL), multiply(base, _HALVES)
    if held >= target:
        left, per = max(subtract(add(target, reach), held), NONE), reach
        return left, subtract(multiply(_ALL, per), left), per
    start = max(subtract(target, reach), NONE)
    per = subtract(target, start)
    beyond = max(subtract(held, start), NONE)
    return subtract(multiply(_ALL, per), beyond), beyond, per


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeSkew(Step):
    name = "size_skew"
    reasons = (SIZE_SKEW,)

    pct: Decimal
    range_mult: Decimal

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        assert view.holdings is not None, "asked only with balances"
        if not view.market.is_spot:
            return draft.says(self.name, "it is for spot alone: not used")
        m, held = draft.reference.value, view.holdings
        size = NONE
        for side in BOTH:
            for each in draft.sizes[side]:
                size = add(size, each.value)
        bid, ask, per = factors(
            multiply(held.base_total.value, m),
            held.quote_total.value,
            self.pct,
            multiply(multiply(self.range_mult, size), m),
        )
        found = {
            Side.BUY: floor_to_step(bid, per, _STEP),
            Side.SELL: floor_to_step(ask, per, _STEP),
        }
        factor = {side: multiply(draft.size_factor[side], found[side]) for side in BOTH}
        return changed(
            draft,
            size_factor=factor,
            no_size=SIZE_SKEW,
            said=draft.told(
                self.name,
                "{inventory} in stock: bids x {bid_factor}, asks x {ask_factor}",
                inventory=view.holdings.base_total,
                bid_factor=found[Side.BUY],
                ask_factor=found[Side.SELL],
            ),
        )


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    if not options.switch(ON):
        return None
    return SizeSkew(pct=options.number(_PCT), range_mult=options.number(_RANGE))


def _contradictions(options: Options, quote: QuotePolicy) -> Iterator[Contradiction]:
    other = target_of(options).pct
    if options.switch(ON) and other is not None and other != options.number(_PCT):
        yield _PCT, f"{TARGET_PCT} is {other}: sizes and prices would lean to two targets"


FEATURE = Feature(
    name="size_skew",
    step=SizeSkew,
    place=Place.SIZES,
    options=(
        *TARGET.options,
        Option(
            name=ON,
            sort=Sort.SWITCH,
            meaning="Sizes lean by the stock: more of the side that brings it back; spot alone.",
            default="false",
        ),
        Option(
            name=_PCT,
            sort=Sort.NUMBER,
            meaning="The part of all that is owned at which both sides have their full size.",
            default="50",
            unit="percent",
            above="0",
            most="100",
        ),
        Option(
            name=_RANGE,
            sort=Sort.NUMBER,
            meaning="How far from it one side is gone, as a multiple of both sides' full size.",
            default="1",
            unit="times",
            above="0",
        ),
    ),
    build=_build,
    contradictions=_contradictions,
)
