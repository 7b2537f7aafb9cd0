"""From a frozen description to a running anchor: `build`.

A `SourceSpec` says which source, an `AnchorConfig` adds the guard and the pace. The application
maps its settings to these; nothing here knows a variable's name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from mm_bot.clock import Clock
from mm_bot.prices.guarded import Guarded, GuardPolicy
from mm_bot.prices.runner import AnchorRunner
from mm_bot.prices.source import AnchorSource, EthCall
from mm_bot.prices.specs import (
    CarrySpec,
    CoinbaseSpec,
    FixedSpec,
    HttpSpec,
    InvertSpec,
    MedianSpec,
    MemberSpec,
    MultiplySpec,
    OracleCarrySpec,
    OracleSpec,
    PatientSpec,
    PythSpec,
    SourceSpec,
    StrailsSpec,
    SyntheticSpec,
    ZeroExSpec,
)
from mm_bot.prices.witness import Witnesses

if TYPE_CHECKING:
    from mm_bot.prices.median import Member


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext:
    """What sources need of the world."""

    clock: Clock
    eth_call: EthCall | None = None
    """For the on-chain feed."""
    witnesses: Witnesses = field(default_factory=Witnesses)
    """Shared by all guards of a process."""


def build(config: AnchorConfig, context: SourceContext) -> AnchorRunner | None:
    """The anchor of `config`, not yet started; None where there is none."""
    if config.source is None:
        return None
    guarded = build_guarded(
        config.source, config.guard, config.timeout_ms, context, name=config.name
    )
    return AnchorRunner(guarded, interval_ms=config.interval_ms, clock=context.clock)


def build_guarded(
    spec: SourceSpec,
    guard: GuardPolicy,
    timeout_ms: int,
    context: SourceContext,
    *,
    name: str | None = None,
) -> Guarded:
    """The source of `spec` behind its guard, for who reads at his own pace."""
    source = build_source(spec, context)
    return Guarded(
        source,
        guard,
        timeout_ms=timeout_ms,
        clock=context.clock,
        name=name,
        witnesses=context.witnesses,
    )


def build_member(spec: MemberSpec, median: MedianSpec, context: SourceContext) -> Member:
    """One source of a median, read at the median's pace."""
    from mm_bot.prices.median import Member

    assert spec.guard.max_age_ms is not None, f"{spec.name} needs a maximum age"
    guarded = build_guarded(spec.source, spec.guard, median.timeout_ms, context, name=spec.name)
    runner = AnchorRunner(guarded, interval_ms=median.interval_ms, clock=context.clock)
    return Member(runner=runner, weight=spec.weight, max_age_ms=spec.guard.max_age_ms)


def build_source(spec: SourceSpec, context: SourceContext) -> AnchorSource:
    """The bare source of `spec`. What it takes is imported only here: most bots need one kind."""
    match spec:
        case FixedSpec():
            from mm_bot.prices.fixed import FixedSource

            return FixedSource(spec.price)
        case SyntheticSpec():
            from mm_bot.prices.synthetic import SyntheticSource

            return SyntheticSource(spec, context.clock)
        case HttpSpec():
            from mm_bot.prices.http import HttpSource

            return HttpSource(spec.url, spec.market)
        case OracleSpec():
            return _oracle(spec.address, context)
        case OracleCarrySpec():
            from mm_bot.prices.oracle import CarriedSource

            return CarriedSource(
                _oracle(spec.address, context),
                rate_apr=spec.rate_apr,
                expiry_ms=spec.expiry_ms,
                clock=context.clock,
            )
        case ZeroExSpec():
            from mm_bot.prices.zero_ex import ZeroExSource

            return ZeroExSource(spec, context.eth_call)
        case StrailsSpec():
            from mm_bot.prices.strails import StrailsSource

            return StrailsSource(spec)
        case PythSpec():
            from mm_bot.prices.pyth import PythSource

            return PythSource(spec, context.clock)
        case CoinbaseSpec():
            from mm_bot.prices.coinbase import CoinbaseSource

            return CoinbaseSource(spec, context.clock)
        case InvertSpec() | MultiplySpec() | MedianSpec() | CarrySpec() | PatientSpec():
            return _combined(spec, context)
        case _:
            assert_never(spec)


def _combined(
    spec: InvertSpec | MultiplySpec | MedianSpec | CarrySpec | PatientSpec,
    context: SourceContext,
) -> AnchorSource:
    match spec:
        case CarrySpec():
            from mm_bot.prices.oracle import CarriedSource

            return CarriedSource(
                source := build_source(spec.of, context),
                rate_apr=spec.rate_apr,
                expiry_ms=spec.expiry_ms,
                clock=context.clock,
                name=source.name,
            )
        case PatientSpec():
            from mm_bot.prices.combine import PatientSource

            return PatientSource(
                build_source(spec.of, context),
                leeway_ms=spec.leeway_ms,
                clock=context.clock,
            )
        case InvertSpec():
            from mm_bot.prices.combine import InvertedSource

            return InvertedSource(build_source(spec.of, context), decimals=spec.decimals)
        case MultiplySpec():
            from mm_bot.prices.combine import ProductSource

            return ProductSource(
                build_source(spec.left, context), build_source(spec.right, context)
            )
        case MedianSpec():
            from mm_bot.prices.median import MedianSource

            return MedianSource(
                [build_member(member, spec, context) for member in spec.members],
                quorum=spec.quorum,
                outlier_bps=spec.outlier_bps,
                clock=context.clock,
            )
        case _:
            assert_never(spec)


def _oracle(address: str, context: SourceContext) -> AnchorSource:
    from mm_bot.prices.oracle import OracleSource

    assert context.eth_call is not None, "the feed needs an eth_call"
    return OracleSource(address, context.eth_call, name="cngn-price-oracle")
