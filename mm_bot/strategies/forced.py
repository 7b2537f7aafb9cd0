"""The order of a forced reduction: how large, at which worst price, how often. See `regime.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.exact import BPS, NO_AMOUNT, NO_SIZE, Amount, Size, add, multiply, subtract
from mm_bot.core.instrument import Level, Margin, Side
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import Bound, MissingReason, View, fit
from mm_bot.strategies.draft import on_tick
from mm_bot.strategies.options import Option, Options, Sort
from mm_bot.strategies.price_band import FEATURE as PRICE_BAND
from mm_bot.strategies.price_band import PriceBand, band_of

FORCED, _SLIP = "MM_FORCED_REDUCTION", "MM_REDUCE_MAX_SLIPPAGE_BPS"
_LIFE, _RETRY = "MM_REDUCE_ORDER_SECONDS", "MM_REDUCE_RETRY_SECONDS"
_BUDGET = "MM_REDUCE_MAX_PER_HOUR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forcing:
    """How a forced reduction goes."""

    slippage_bps: Decimal
    life_ms: int
    retry_ms: int
    per_hour: int
    max_notional: Amount | None
    """Of one order; None is no limit."""
    band: PriceBand | None = None
    """No ask below its floor and no bid above its ceiling, these neither."""

    def order(self, view: View, side: Side, soft: Size) -> Level | None:
        """What leads back to the soft limit, everything counted that may still lead there by
        itself; None where that is nothing that can be traded now."""
        if view.reference is None or view.holdings is None:
            return None
        market, held = view.market, view.holdings
        if not (view.mode.wants(side) and market.is_open(view.now_ms)):
            return None
        away = add if side is Side.BUY else subtract
        worst = multiply(view.reference.value, away(BPS, self.slippage_bps))
        # outwards: this is the worst it may cost, and it must reach what rests there
        price = on_tick(view, side.opposite, worst, BPS)
        if self.band is not None:
            price = self.band.held(view, side, price)
        resting, _ = view.resting.get(side, (NO_SIZE, NO_AMOUNT))
        excess = held.base_lowest - soft if side is Side.SELL else soft - held.base_highest
        excess -= resting
        if excess <= NO_SIZE:
            return None
        size, _ = fit(market, tuple(self._bounds(view, side)), price, excess)
        if not market.tradable(price, size):
            return None
        notional = market.notional(price, size)
        return Level(side=side, index=0, price=price, size=size, notional=notional)

    def too_little(self, view: View, left: Size) -> bool:
        """Whether no order at the worst price could be that small."""
        if view.reference is None:
            return False
        least = left.times(subtract(BPS, self.slippage_bps).scaleb(-4))
        return not view.market.tradable(view.reference, least)

    def _bounds(self, view: View, side: Side) -> Iterator[Bound]:
        """To reduce a margined position needs no cash."""
        assert view.holdings is not None, "asked only with balances"
        if view.market.margin is Margin.FUNDED and side is Side.SELL:
            left = view.holdings.base_available.value
            yield Bound(reason=MissingReason.BASE_BALANCE, left=left)
        elif view.market.margin is Margin.FUNDED:
            left = view.holdings.quote_available.value
            yield Bound(reason=MissingReason.QUOTE_BALANCE, left=left, priced=True)
        if self.max_notional is not None:
            yield Bound(
                reason=MissingReason.NOTIONAL_LIMIT,
                left=self.max_notional.value,
                per=view.market.multiplier,
                priced=True,
            )


def forcing(options: Options, quote: QuotePolicy) -> Forcing | None:
    """None where it is off."""
    if not options.switch(FORCED):
        return None
    return Forcing(
        slippage_bps=options.number(_SLIP),
        life_ms=options.ms(_LIFE),
        retry_ms=options.ms(_RETRY),
        per_hour=options.whole(_BUDGET),
        max_notional=quote.max_notional_per_side,
        band=band_of(options),
    )


FORCED_OPTIONS = (
    *PRICE_BAND.options,
    Option(
        name=FORCED,
        sort=Sort.SWITCH,
        meaning="Beyond the hard limit, sends orders that trade at once until the soft one.",
        default="false",
    ),
    Option(
        name=_SLIP,
        sort=Sort.NUMBER,
        meaning="The worst price of a forced reduction, from the reference.",
        default="50",
        unit="basis points",
        least="0",
        most="9999",
    ),
    Option(
        name=_LIFE,
        sort=Sort.SECONDS,
        meaning="How long a forced reduction may rest.",
        default="10",
        least="2",
    ),
    Option(
        name=_RETRY,
        sort=Sort.SECONDS,
        meaning="Least time from one forced reduction to the next.",
        default="5",
        least="1",
    ),
    Option(
        name=_BUDGET,
        sort=Sort.WHOLE,
        meaning="Forced reductions an hour; beyond that it halts and leaves the rest to you.",
        default="20",
        least="1",
    ),
)
