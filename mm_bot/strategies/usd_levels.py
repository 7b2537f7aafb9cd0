"""Levels in USD: the size of the best level as dollars instead of base units or contracts.

Where the base is the dollar itself that is a size, and on a future so many contracts; elsewhere
each level is so many dollars at its own price, each side at its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.changed import changed
from mm_bot.core.exact import NO_SIZE, Price, Size, floor_to_step, multiply
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import View
from mm_bot.strategies.draft import Draft, Step
from mm_bot.strategies.options import Feature, Option, Options, Place, Sort

USD = "MM_LEVEL_SIZE_USD"
DOLLARS = frozenset(("USD", "USDC", "USDT"))


@dataclass(frozen=True, slots=True, kw_only=True)
class UsdLevels(Step):
    name = "level_usd"

    usd: Decimal
    level_size_mult: Decimal

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        bids = self._side(view, draft.prices[Side.BUY])
        same = view.market.base in DOLLARS and len(draft.prices[Side.SELL]) == len(bids)
        asks = bids if same else self._side(view, draft.prices[Side.SELL])
        sizes = {Side.BUY: bids, Side.SELL: asks}
        best = {side: each[0] if each else Size(Decimal(0)) for side, each in sizes.items()}
        return changed(
            draft,
            sizes=sizes,
            said=draft.told(
                self.name,
                "{usd} USD a level: {bid_size} bid, {ask_size} asked",
                usd=self.usd,
                bid_size=best[Side.BUY],
                ask_size=best[Side.SELL],
            ),
        )

    def _side(self, view: View, prices: tuple[Price, ...]) -> tuple[Size, ...]:
        usd, sizes = self.usd, []
        for price in prices:
            sizes.append(size_of(usd, view.market, price) or NO_SIZE)
            usd = multiply(usd, self.level_size_mult)
        return tuple(sizes)


def size_of(usd: Decimal, market: Instrument, price: Price | None) -> Size | None:
    """So many dollars on the grid; None where that takes a price and there is none."""
    each = market.multiplier
    if market.base in DOLLARS:
        if market.is_spot:
            return Size(usd)
    elif price is not None and price.value > 0:
        each = multiply(price.value, each)
    else:
        return None
    return Size(floor_to_step(usd, each, market.size_step.value))


def _build(options: Options, quote: QuotePolicy) -> Step | None:
    usd = options.number(USD)
    return UsdLevels(usd=usd, level_size_mult=quote.level_size_mult) if usd else None


FEATURE = Feature(
    name="level_usd",
    step=UsdLevels,
    place=Place.SIZES,
    options=(
        Option(
            name=USD,
            sort=Sort.NUMBER,
            meaning="Size of the best level in USD, instead of `MM_ORDER_SIZE`; 0 is off.",
            unit="USD",
            least="0",
        ),
    ),
    build=_build,
)
