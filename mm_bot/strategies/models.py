"""Quotes of the models: Avellaneda-Stoikov 2008 and Gueant-Lehalle-Fernandez-Tapia 2013.

Inputs in units P of the price: sigma in P per square root of a second, k in 1/P, A in fills a
second, gamma in 1/(P x order size); q counts the excess over the target in orders, clamped to the
inventory limits. A width and a skew cross into exact numbers rounded outwards to 0.0001 bps.

    AS     spread = gamma sigma^2 tau + (2/gamma) ln(1 + gamma/k), skew = gamma sigma^2 tau
    GLFT   half = c1 + c2 sigma / 2, skew = c2 sigma
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.changed import changed
from mm_bot.core.exact import BPS, Size, clamp, multiply, subtract
from mm_bot.core.instrument import Side
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import View
from mm_bot.strategies.draft import Draft, Step
from mm_bot.strategies.options import Contradiction, Feature, Option, Options, Place, Sort
from mm_bot.strategies.statistics import S, ceil4, outward4
from mm_bot.strategies.target import FEATURE as TARGET
from mm_bot.strategies.target import ZERO_TARGET, Target, target_of
from mm_bot.strategies.volatility import FEATURE as VOLATILITY
from mm_bot.strategies.volatility import MAX_HALF

AS, GLFT = "avellaneda-stoikov", "glft"
_GAMMA, _SIGMA, _K, _A = "MM_MODEL_GAMMA", "MM_MODEL_SIGMA", "MM_MODEL_K", "MM_MODEL_A"
_HORIZON, _LEAST_HALF = "MM_MODEL_HORIZON_SECONDS", "MM_MODEL_MIN_HALF_SPREAD_BPS"
_HALF_MULT, _SKEW_MULT = "MM_MODEL_HALF_SPREAD_MULT", "MM_MODEL_SKEW_MULT"
ONE, TWO = Decimal(1), Decimal(2)
Widths = tuple[Decimal, Decimal]
"""(half-spread, skew for one order of excess), in units of the price."""


def avellaneda_stoikov(*, gamma: Decimal, sigma: Decimal, k: Decimal, tau_s: Decimal) -> Widths:
    """With `tau_s` to go; gamma -> 0 is the limit 1/k."""
    risk = S.multiply(S.multiply(gamma, S.multiply(sigma, sigma)), tau_s)
    if not gamma:
        return S.divide(ONE, k), risk
    edge = S.divide(S.ln(S.add(ONE, S.divide(gamma, k))), gamma)
    return S.add(S.divide(risk, TWO), edge), risk


def glft(*, gamma: Decimal, sigma: Decimal, k: Decimal, a: Decimal, size: Decimal = ONE) -> Widths:
    """Stationary; `size` is D. gamma -> 0 is the limit c1 = 1/k, c2 = sqrt(gamma e / (2 A k))."""
    xi_d = S.multiply(gamma, size)
    if not gamma:
        return S.divide(ONE, k), Decimal(0)
    inner = S.add(ONE, S.divide(xi_d, k))
    c1 = S.divide(S.ln(inner), xi_d)
    power = S.add(S.divide(k, xi_d), ONE)
    raised = S.exp(S.multiply(power, S.ln(inner)))
    c2 = S.sqrt(
        S.multiply(S.divide(gamma, S.multiply(S.multiply(TWO, a), S.multiply(size, k))), raised)
    )
    half = S.add(c1, S.multiply(S.divide(S.multiply(size, c2), TWO), sigma))
    return half, S.multiply(c2, sigma)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelQuotes(Step):
    """Width and skew of a model instead of `MM_HALF_SPREAD_BPS` and `MM_INVENTORY_SKEW_BPS`."""

    name = "model"

    model: str
    widths: Widths
    order_size: Size
    target: Target = ZERO_TARGET
    max_long: Size
    max_short: Size
    least_half_bps: Decimal = Decimal(0)
    most_half_bps: Decimal | None = None

    def shape(self, view: View, draft: Draft, state: object) -> Draft:
        assert view.holdings is not None, "asked only with balances"
        half, skew = (_bps(width, draft.reference.value) for width in self.widths)
        half = max(ceil4(half), self.least_half_bps)
        if self.most_half_bps is not None:
            half = min(half, self.most_half_bps)
        held = view.holdings.base_total.value
        inside = clamp(held, self.max_short.value, self.max_long.value)
        excess = subtract(inside, self.target.at(view, draft.reference).value)
        per = self.order_size.value
        draft = changed(
            draft,
            half_bps=dict.fromkeys(Side, half),
            shift=multiply(excess, outward4(skew)),
            shift_per=per,
        )
        return draft.says(
            self.name,
            "{model}: half-spread {half_bps} bps, {excess} of excess x {skew_bps} bps for each "
            "{order_size} = skew {shift_bps} bps",
            model=self.model,
            half_bps=half,
            excess=excess,
            skew_bps=outward4(skew),
            order_size=self.order_size,
            shift_bps=draft.shift_bps,
        )


def _bps(width: Decimal, price: Decimal) -> Decimal:
    return S.divide(S.multiply(width, BPS), price)


def _build(model: str, options: Options, quote: QuotePolicy) -> Step | None:
    gamma, sigma, k = (options.number(name) for name in (_GAMMA, _SIGMA, _K))
    if model == AS:
        tau_s = options.number(_HORIZON)
        widths = avellaneda_stoikov(gamma=gamma, sigma=sigma, k=k, tau_s=tau_s)
    else:
        widths = glft(gamma=gamma, sigma=sigma, k=k, a=options.number(_A))
    return ModelQuotes(
        model=model,
        widths=(
            S.multiply(options.number(_HALF_MULT), widths[0]),
            S.multiply(options.number(_SKEW_MULT), widths[1]),
        ),
        order_size=quote.order_size,
        target=target_of(options),
        max_long=quote.max_long,
        max_short=quote.max_short,
        least_half_bps=options.number(_LEAST_HALF),
        most_half_bps=options.number(MAX_HALF) or None,
    )


def _needed(model: str, options: Options, quote: QuotePolicy) -> Iterator[Contradiction]:
    for name in (_SIGMA, _K) if model == AS else (_SIGMA, _K, _A):
        if not options.number(name):
            yield name, f"MM_STRATEGY={model} needs it: give a number above 0"
    most, least = options.number(MAX_HALF), options.number(_LEAST_HALF)
    if most and least > most:
        yield _LEAST_HALF, f"it is above {MAX_HALF}: give at most as much"


_NUMBERS = (
    *TARGET.options,
    *VOLATILITY.options,
    Option(
        name=_GAMMA,
        sort=Sort.NUMBER,
        meaning="Risk aversion of the model, 1/(quote x order size).",
        default="0.05",
        least="0",
    ),
    Option(
        name=_SIGMA,
        sort=Sort.NUMBER,
        meaning="Volatility of the price for the model, in the quote per square root of a second.",
        unit="the quote",
        least="0",
    ),
    Option(
        name=_K,
        sort=Sort.NUMBER,
        meaning="How fast fills thin out with the distance, 1/quote; fitted.",
        least="0",
    ),
    Option(
        name=_A,
        sort=Sort.NUMBER,
        meaning="Fills a second at no distance (glft); fitted.",
        least="0",
    ),
    Option(
        name=_HORIZON,
        sort=Sort.SECONDS,
        meaning="Time to go that avellaneda-stoikov quotes for, always the same.",
        default="60",
        above="0",
    ),
    Option(
        name=_HALF_MULT,
        sort=Sort.NUMBER,
        meaning="Times the half-spread of the model, before its bounds.",
        default="1",
        unit="times",
        above="0",
    ),
    Option(
        name=_SKEW_MULT,
        sort=Sort.NUMBER,
        meaning="Times the skew of the model.",
        default="1",
        unit="times",
        least="0",
    ),
    Option(
        name=_LEAST_HALF,
        sort=Sort.NUMBER,
        meaning="Narrowest half-spread that a model may make.",
        unit="basis points",
        least="0",
    ),
)


def _feature(model: str, options: tuple[Option, ...]) -> Feature:
    return Feature(
        name=model,
        step=ModelQuotes,
        place=Place.WIDTH,
        options=options,
        build=lambda given, quote: _build(model, given, quote),
        contradictions=lambda given, quote: _needed(model, given, quote),
        strategies=(model,),
    )


FEATURES = tuple(_feature(model, _NUMBERS) for model in (AS, GLFT))
