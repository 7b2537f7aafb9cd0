"""Penny jump: width that buys nothing is taken back, down to one tick before the best of others.

It never makes a quote more aggressive than the model: a bid goes down to a tick above the best bid
of others that has more than `depth` with it or before it, an ask up likewise, the outer levels at
their distance. It steps back only where that gains at least `min_ticks`, else two such bots would
walk each other a tick a cycle. Own orders count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.exact import NO_SIZE, Price, Size
from mm_bot.core.instrument import BOTH, Side
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import View
from mm_bot.strategies.draft import Draft, Step, on_tick
from mm_bot.strategies.options import Feature, Option, Options, Place, Sort

_ON, _DEPTH, _TICKS = "MM_PENNY_JUMP", "MM_PENNY_JUMP_DEPTH", "MM_PENNY_JUMP_MIN_TICKS"


@dataclass(frozen=True, slots=True, kw_only=True)
class PennyJump(Step):
    name = "penny_jump"

    depth: Size
    min_ticks: int

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        tick = view.market.price_tick
        for side in BOTH:
            prices, top = draft.prices[side], self._top(view, side)
            if not prices or top is None:
                continue
            model = prices[0]
            if not side.is_better(model, top):
                continue  # it stands behind them already
            edge = on_tick(view, side, top.value, Decimal(1))
            target = edge + tick if side is Side.BUY else edge - tick
            gain = (model - target if side is Side.BUY else target - model).value
            if gain < tick.value * self.min_ticks or gain <= 0:
                continue
            why = "others' best with size is {top}, so {price} is enough instead of {from_price}"
            draft = draft.moved(side, target, self.name, why, top=top)
        return draft

    def _top(self, view: View, side: Side) -> Price | None:
        total = NO_SIZE
        for order in view.others.get(side, ()):
            total += order.size
            if not order.ours and total > self.depth:
                return order.price
        return None


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    if not options.switch(_ON):
        return None
    return PennyJump(depth=Size(options.number(_DEPTH)), min_ticks=options.whole(_TICKS))


FEATURE = Feature(
    name="penny_jump",
    step=PennyJump,
    place=Place.LEVELS,
    options=(
        Option(
            name=_ON,
            sort=Sort.SWITCH,
            meaning="The best level steps back to one tick before the best of others.",
            default="false",
        ),
        Option(
            name=_DEPTH,
            sort=Sort.NUMBER,
            meaning="Others' size up to this much is passed over as dust.",
            unit="the base (spot) or contracts",
            least="0",
        ),
        Option(
            name=_TICKS,
            sort=Sort.WHOLE,
            meaning="Least gain in ticks for which it steps back.",
            default="2",
            least="1",
        ),
    ),
    build=_build,
)
