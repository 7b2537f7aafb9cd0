"""From the settings of the anchors to running anchors.

Ages of a whole anchor are judged by the halts and the reference, which know what else there is; its
guard judges jumps and plausibility. A median's members are judged one by one, ages included, and
the median itself by its plausibility alone: a jump that its members have confirmed is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from decimal import Decimal

from mm_bot.clock import Clock
from mm_bot.core.exact import Price
from mm_bot.core.instrument import Instrument
from mm_bot.core.memory import Accepted
from mm_bot.io.http import open_client
from mm_bot.prices.build import AnchorConfig, build
from mm_bot.prices.guarded import HIGH_DEFAULT, LOW_DEFAULT, GuardPolicy
from mm_bot.prices.median import MedianSpec, MemberSpec
from mm_bot.prices.oracle import CarrySpec
from mm_bot.prices.runner import AnchorRunner
from mm_bot.prices.source import EthCall, OnBlock, OnStream
from mm_bot.prices.spec import SourceContext, SourceSpec, unheard
from mm_bot.prices.witness import AGREEMENT_BPS_DEFAULT, Witnesses
from mm_bot.settings import AnchorSettings, Settings
from mm_bot.settings.anchor_variables import MEDIAN
from mm_bot.settings.anchors import AnchorPart
from mm_bot.venues.base import LiveVenue, TellsBlocks
from mm_bot.venues.numo.chain import Chain

READ_TIMEOUT_MS = 2_000
FIRST_ANCHOR_WITHIN_MS = 1_000
CHAIN_AHEAD_MS = 60_000
"""A chain's clock may run ahead of ours by several quick blocks."""


def build_anchors(
    settings: Settings,
    market: Instrument,
    eth_call: EthCall,
    clock: Clock,
    cleanup: AsyncExitStack,
    witnesses: Witnesses | None = None,
    on_block: OnBlock | None = None,
    on_stream: OnStream = unheard,
) -> tuple[AnchorRunner | None, AnchorRunner | None]:
    """The market's anchor and the bootstrap anchor, not yet started; None where one is off. What is
    read by `eth_call` is read at each block that `on_block` tells of."""
    witnesses = witnesses or Witnesses()
    anchor = build(
        anchor_config(settings.anchor, market, settings.poll_interval_ms),
        SourceContext(
            clock=clock,
            eth_call=eth_call,
            on_block=on_block,
            on_stream=on_stream,
            witnesses=witnesses,
            max_age_ms=settings.anchor.max_age_ms,
        ),
    )
    chosen = settings.external_anchor
    if chosen is None:
        return anchor, None
    if chosen.rpc_url != settings.venue_config.rpc_url:
        client = open_client("", chosen.timeout_ms)
        cleanup.push_async_callback(client.aclose)
        chain = Chain(client, chosen.rpc_url)
        cleanup.push_async_callback(chain.aclose)
        eth_call, on_block = chain.eth_call, None
    external = build(
        AnchorConfig(
            source=chosen.spec,
            guard=_guard(settings.anchor, max_jump_bps=chosen.max_deviation_bps),
            interval_ms=settings.poll_interval_ms,
            timeout_ms=chosen.timeout_ms,
            name=chosen.provider.value,
        ),
        SourceContext(clock=clock, eth_call=eth_call, on_block=on_block, witnesses=witnesses),
    )
    return anchor, external


async def started_anchors(
    settings: Settings,
    exchange: LiveVenue,
    clock: Clock,
    cleanup: AsyncExitStack,
    witnesses: Witnesses | None = None,
    on_stream: OnStream = unheard,
) -> tuple[AnchorRunner | None, AnchorRunner | None]:
    """The same, running until `cleanup`, each with a first reading if one came within a second."""
    anchor, external = build_anchors(
        settings,
        exchange.instrument,
        exchange.eth_call,
        clock,
        cleanup,
        witnesses,
        exchange.on_block if isinstance(exchange, TellsBlocks) else None,
        on_stream,
    )
    running = [runner for runner in (anchor, external) if runner is not None]
    for runner in running:
        runner.start()
        cleanup.push_async_callback(runner.aclose)
    await asyncio.gather(*(each.first_reading(FIRST_ANCHOR_WITHIN_MS) for each in running))
    return anchor, external


def witnesses_from(
    anchor: AnchorSettings, operator: Callable[[int], Price | None], known: Mapping[str, Accepted]
) -> Witnesses:
    """Who may confirm a hard jump: beside sources and the book the operator, and `known`, what an
    earlier process accepted."""
    return Witnesses(
        agreement_bps=anchor.agreement_bps or AGREEMENT_BPS_DEFAULT,
        operator=operator,
        earlier=known,
    )


def source_names(settings: Settings) -> tuple[str, ...]:
    """Every source that the two anchors may be made from, and the median: labels of metrics."""
    anchor, external = settings.anchor, settings.external_anchor
    names = [part.name for part in anchor.parts]
    if anchor.source == MEDIAN:
        names.append(MEDIAN)
    if external is not None:
        names.append(external.provider.value)
    return tuple(names)


def anchor_config(anchor: AnchorSettings, market: Instrument, interval_ms: int) -> AnchorConfig:
    """The market's anchor."""
    is_median = anchor.source == MEDIAN
    source: SourceSpec | None = None
    if is_median:
        source = _median(anchor, market, interval_ms)
    elif anchor.parts:
        (part,) = anchor.parts
        source = _carried(part, anchor, market)
    return AnchorConfig(
        source=source,
        guard=_guard(anchor, max_jump_bps=None if is_median else anchor.max_jump_bps),
        interval_ms=interval_ms,
        timeout_ms=READ_TIMEOUT_MS,
        name=anchor.source,
    )


def _median(anchor: AnchorSettings, market: Instrument, interval_ms: int) -> MedianSpec:
    guard = _guard(anchor, max_jump_bps=anchor.max_jump_bps, max_age_ms=anchor.max_age_ms)
    return MedianSpec(
        members=tuple(
            MemberSpec(
                name=part.name,
                source=_carried(part, anchor, market),
                guard=guard,
                weight=part.weight,
            )
            for part in anchor.parts
        ),
        quorum=anchor.quorum,
        outlier_bps=anchor.outlier_bps,
        interval_ms=interval_ms,
        timeout_ms=READ_TIMEOUT_MS,
    )


def _carried(part: AnchorPart, anchor: AnchorSettings, market: Instrument) -> SourceSpec:
    if not part.carried or market.expiry_ms is None:
        return part.spec
    return CarrySpec(of=part.spec, rate_apr=anchor.carry_rate_apr, expiry_ms=market.expiry_ms)


def _guard(
    anchor: AnchorSettings, *, max_jump_bps: Decimal | None, max_age_ms: int | None = None
) -> GuardPolicy:
    return GuardPolicy(
        max_age_ms=max_age_ms,
        max_deviation_bps=max_jump_bps,
        hard_jump_bps=anchor.hard_jump_bps,
        confirmations=anchor.confirmations,
        max_ahead_ms=CHAIN_AHEAD_MS,
        low=anchor.min_price or LOW_DEFAULT,
        high=anchor.max_price or HIGH_DEFAULT,
    )
