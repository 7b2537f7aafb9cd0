"""Strategies: what to quote, given what is seen. Pure; they import the core and nothing else.

`build` makes the one that `MM_STRATEGY` names. `founding.py` is the ladder of the founding text;
each further feature is one file of this folder that exports a `FEATURE` (or `FEATURES`): it is
found here, its options become variables of the settings, and its step sees the draft at its place.
A strategy of your own: `docs/strategies.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from importlib import import_module
from operator import add
from pkgutil import iter_modules

from mm_bot.core.declared import NOTHING_DECLARED, Declared
from mm_bot.core.policy import Policy, QuotePolicy
from mm_bot.core.quoting import Strategy
from mm_bot.strategies import own
from mm_bot.strategies.draft import Step
from mm_bot.strategies.fitting import Bounds, Sizes
from mm_bot.strategies.founding import (
    Bootstrap,
    Disagreement,
    InventorySkew,
    Passive,
    Prices,
    Spread,
)
from mm_bot.strategies.models import AS, GLFT, ModelQuotes
from mm_bot.strategies.options import Contradiction, Feature, Option, Options, Place
from mm_bot.strategies.own import Factory
from mm_bot.strategies.own import UnknownStrategyError as UnknownStrategyError
from mm_bot.strategies.pipeline import HALF_SPREAD, Pipeline
from mm_bot.strategies.target import TargetSkew

FOUNDING = "founding"
BUILT_IN = (FOUNDING, AS, GLFT)


def build(policy: Policy) -> Strategy:
    """The strategy that the policy names; an import path is `package.module:Name`.

    Raises:
        UnknownStrategyError: where there is none.
    """
    factory = find(policy.strategy)
    if policy.strategy in BUILT_IN:
        return factory(policy)
    return own.built(policy.strategy, factory, policy)


def find(name: str) -> Factory:
    """What makes it; raises as `build` does."""
    return founding if name in BUILT_IN else own.imported(name, BUILT_IN)


def founding(policy: Policy, *more: tuple[Place, Step]) -> Pipeline:
    """The founding ladder with every feature that is on, and `more` steps of the caller's own."""
    quote = policy.quote
    built = list(more)
    for feature in features(policy.strategy):
        step = feature.build(Options(feature.options, policy.options), quote)
        if step is not None:
            built.append((feature.place, step))
    # a model and a target have a skew of their own
    skewed = any(isinstance(step, ModelQuotes | TargetSkew) for _, step in built)
    steps = [*_founding(quote, skewed=skewed), *built]
    steps.sort(key=lambda each: each[0])  # stable: the founding step of a place comes first
    return Pipeline.of(quote, (step for _, step in steps))


def features(strategy: str | None = None) -> tuple[Feature, ...]:
    """All there are, or those for that strategy, in the order of place and name."""
    found = (f for f in _FEATURES if strategy is None or strategy in (f.strategies or (strategy,)))
    return tuple(sorted(found, key=lambda feature: (feature.place, feature.name)))


def declared(strategy: Strategy | None = None) -> Declared:
    """What strategies may tell beside their quotes: of every feature there is, on or off, so that
    its metrics are there before it is switched on; and of `strategy`, where it says."""
    steps = (feature.step.declared() for feature in features())
    built_in = reduce(add, steps, Declared(measures=(HALF_SPREAD,)))
    return built_in + getattr(strategy, "declared", NOTHING_DECLARED)


def options() -> tuple[Option, ...]:
    """Every variable of every feature, once."""
    return tuple({option.name: option for f in features() for option in f.options}.values())


def contradictions(
    strategy: str, texts: Mapping[str, str], quote: QuotePolicy
) -> Iterator[Contradiction]:
    """What of the features that are for this strategy cannot be set together."""
    for feature in features(strategy):
        yield from feature.contradictions(Options(feature.options, texts), quote)


def used(strategy: str, texts: Mapping[str, str], quote: QuotePolicy) -> Iterator[str]:
    """The variables of every feature that is on."""
    for feature in features(strategy):
        if feature.build(Options(feature.options, texts), quote) is not None:
            yield from (option.name for option in feature.options)


def _founding(quote: QuotePolicy, *, skewed: bool) -> Iterator[tuple[Place, Step]]:
    yield (
        Place.WIDENED,
        Bootstrap(spread_mult=quote.external_spread_mult, size_mult=quote.external_size_mult),
    )
    yield Place.WIDENED, Disagreement()
    yield Place.GUARD, Spread()
    if not skewed:
        skew = InventorySkew(
            skew_bps=quote.skew_bps, max_long=quote.max_long, max_short=quote.max_short
        )
        yield Place.SHIFT, skew
    yield Place.PRICES, Prices()
    yield Place.PASSIVE, Passive()
    yield Place.BOUNDS, Bounds(policy=quote)
    yield Place.LADDER, Sizes()


def _discovered() -> Iterator[Feature]:
    for found in iter_modules(__path__):
        module = import_module(f"{__name__}.{found.name}")
        yield from getattr(module, "FEATURES", ())
        feature = getattr(module, "FEATURE", None)
        if feature is not None:
            yield feature


_FEATURES = tuple(_discovered())
