"""Strategies: what to quote, given what is seen. Pure; they import the core and nothing else.

`build` makes the one that `MM_STRATEGY` names. `founding.py` is the ladder of the founding text;
each further feature is one step in one file of its own, and the order in which the steps see the
draft is the tuple in `_steps`. A strategy of your own: `docs/strategies.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from mm_bot.core.policy import Policy, QuotePolicy
from mm_bot.core.quoting import Strategy
from mm_bot.strategies.draft import Step
from mm_bot.strategies.founding import (
    Bootstrap,
    Bounds,
    Disagreement,
    InventorySkew,
    Passive,
    Prices,
    Sizes,
    Spread,
)
from mm_bot.strategies.pipeline import Pipeline

FOUNDING = "founding"
Factory = Callable[[Policy], Strategy]


class UnknownStrategyError(Exception):
    """`MM_STRATEGY` names nothing that can be loaded; the message says what would be valid."""


def build(policy: Policy) -> Strategy:
    """The strategy that the policy names; an import path is `package.module:Name`.

    Raises:
        UnknownStrategyError: where there is none.
    """
    return find(policy.strategy)(policy)


def find(name: str) -> Factory:
    """What makes it; raises as `build` does."""
    return _BUILT_IN.get(name) or _imported(name)


def founding(policy: Policy) -> Pipeline:
    """The founding ladder."""
    return Pipeline(policy=policy.quote, steps=_steps(policy.quote))


def _steps(policy: QuotePolicy) -> tuple[Step, ...]:
    return (
        Bootstrap(spread_mult=policy.external_spread_mult, size_mult=policy.external_size_mult),
        Disagreement(),
        Spread(),
        InventorySkew(
            skew_bps=policy.skew_bps, max_long=policy.max_long, max_short=policy.max_short
        ),
        Prices(),
        Passive(),
        Bounds(policy=policy),
        Sizes(),
    )


_BUILT_IN: dict[str, Factory] = {FOUNDING: founding}


def _imported(path: str) -> Factory:
    module, _, name = path.partition(":")
    if not module or not name:
        built_in = ", ".join(_BUILT_IN)
        raise UnknownStrategyError(
            f"{path!r} is no strategy; use {built_in} or an import path such as "
            "'mypackage.quotes:Mine'"
        )
    try:
        factory: Factory | None = getattr(import_module(module), name, None)
    except ImportError as error:
        raise UnknownStrategyError(f"{path!r} cannot be imported: {error}") from None
    if factory is None:
        raise UnknownStrategyError(f"{path!r}: {module} has no {name}")
    return factory
