"""Size shape: the side that would lead further from the target shrinks, by `exp(-eta x |q|)`.

`q` is the excess over the target in orders of `MM_ORDER_SIZE`, as the models count it. A
statistical number, floored to 0.0001 before it meets a size; the other side keeps its size. What
others know as `order_amount_shape_factor`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.changed import changed
from mm_bot.core.exact import Size, multiply, subtract
from mm_bot.core.instrument import Side
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import View
from mm_bot.strategies.draft import Draft, Step
from mm_bot.strategies.options import Contradiction, Feature, Option, Options, Place, Sort
from mm_bot.strategies.size_skew import FEATURE as SIZE_SKEW_FEATURE
from mm_bot.strategies.size_skew import ON as SKEWED
from mm_bot.strategies.size_skew import SIZE_SKEW
from mm_bot.strategies.statistics import S, floor4
from mm_bot.strategies.target import FEATURE as TARGET
from mm_bot.strategies.target import Target, target_of

_ETA = "MM_SIZE_SHAPE_FACTOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeShape(Step):
    name = "size_shape"
    reasons = (SIZE_SKEW,)

    eta: Decimal
    target: Target
    order_size: Size

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        assert view.holdings is not None, "asked only with balances"
        target = self.target.at(view, draft.reference)
        excess = subtract(view.holdings.base_total.value, target.value)
        growing = Side.BUY if excess > 0 else Side.SELL
        orders = S.divide(abs(excess), self.order_size.value)
        left = floor4(S.exp(S.multiply(-self.eta, orders)))
        factor = multiply(draft.size_factor[growing], left)
        return changed(
            draft, size_factor={**draft.size_factor, growing: factor}, no_size=SIZE_SKEW
        ).says(
            self.name,
            "excess {excess} over the target {target}: sizes x {factor}",
            growing,
            excess=excess,
            target=target,
            factor=left,
        )


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    eta = options.number(_ETA)
    if not eta:
        return None
    return SizeShape(eta=eta, target=target_of(options), order_size=quote.order_size)


def _contradictions(options: Options, quote: QuotePolicy) -> Iterator[Contradiction]:
    if options.number(_ETA) and options.switch(SKEWED):
        yield _ETA, f"{SKEWED} is on: both make sizes lean by the stock, give one of the two"


FEATURE = Feature(
    name="size_shape",
    step=SizeShape,
    place=Place.SIZES,
    options=(
        *TARGET.options,
        *(option for option in SIZE_SKEW_FEATURE.options if option.name == SKEWED),
        Option(
            name=_ETA,
            sort=Sort.NUMBER,
            meaning="The side that leads away from the target shrinks by exp(-this x the excess in "
            "orders); 0 is off.",
            unit="1/order",
            least="0",
        ),
    ),
    build=_build,
    contradictions=_contradictions,
)
