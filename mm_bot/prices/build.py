"""From a frozen description to a running anchor: `build`.

A `SourceSpec` says which source, an `AnchorConfig` adds the guard and the pace. Here no source is
known by its name.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from mm_bot.prices.guarded import Guarded, GuardPolicy
from mm_bot.prices.runner import AnchorRunner
from mm_bot.prices.spec import SourceContext, SourceSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorConfig:
    """A whole anchor; the external (bootstrap) one has the same shape."""

    source: SourceSpec | None
    """None is no anchor."""
    guard: GuardPolicy
    interval_ms: int
    timeout_ms: int
    name: str | None = None
    """What metrics and logs call it; the source's own name by default."""


def build(config: AnchorConfig, context: SourceContext) -> AnchorRunner | None:
    """The anchor of `config`, not yet started; None where there is none."""
    if config.source is None:
        return None
    context = replace(context, moved=asyncio.Event())
    guarded = build_guarded(
        config.source, config.guard, config.timeout_ms, context, name=config.name
    )
    return AnchorRunner(
        guarded, interval_ms=config.interval_ms, clock=context.clock, moved=context.moved
    )


def build_guarded(
    spec: SourceSpec,
    guard: GuardPolicy,
    timeout_ms: int,
    context: SourceContext,
    *,
    name: str | None = None,
) -> Guarded:
    """The source of `spec` behind its guard, for who reads at his own pace."""
    return Guarded(
        spec.build(context),
        guard,
        timeout_ms=timeout_ms,
        clock=context.clock,
        name=name,
        witnesses=context.witnesses,
    )
