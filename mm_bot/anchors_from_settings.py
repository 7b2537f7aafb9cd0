"""From the anchor settings to running anchors."""

from __future__ import annotations

from contextlib import AsyncExitStack

from mm_bot.anchors.build import AnchorConfig, Surroundings, build
from mm_bot.anchors.guarded import GuardPolicy
from mm_bot.anchors.runner import AnchorRunner
from mm_bot.anchors.source import Clock, EthCall
from mm_bot.anchors.specs import (
    FixedSpec,
    HttpSpec,
    OracleCarrySpec,
    OracleSpec,
    SourceSpec,
    ZeroExSpec,
)
from mm_bot.core.market import Market
from mm_bot.settings import AnchorSettings, ExternalAnchorSettings, Settings
from mm_bot.settings_table_run import AnchorSource, ExternalProvider
from mm_bot.venue.chain import Chain
from mm_bot.venue.http import open_client

READ_TIMEOUT_MS = 2_000
CHAIN_AHEAD_MS = 60_000
"""A chain's clock may run ahead of ours by several quick blocks."""


def build_anchors(
    settings: Settings,
    market: Market,
    eth_call: EthCall,
    clock: Clock,
    cleanup: AsyncExitStack,
) -> tuple[AnchorRunner | None, AnchorRunner | None]:
    """The market's anchor and the bootstrap anchor, not yet started; None where one is off.

    Ages are judged by the halts and the reference, which know what else there is; the guards here
    judge jumps and plausibility.
    """
    anchor = build(
        AnchorConfig(
            source=_source(settings.anchor, market),
            guard=GuardPolicy(
                max_age_ms=None,
                max_deviation_bps=settings.policy(market).risk.anchor_deviation_bps,
                confirmations=settings.anchor.confirmations,
                max_ahead_ms=CHAIN_AHEAD_MS,
            ),
            interval_ms=settings.poll_interval_ms,
            timeout_ms=READ_TIMEOUT_MS,
        ),
        Surroundings(clock=clock, eth_call=eth_call),
    )
    chosen = settings.external_anchor
    if chosen is None:
        return anchor, None
    if chosen.rpc_url != settings.rpc_url:
        client = open_client("", chosen.timeout_ms)
        cleanup.push_async_callback(client.aclose)
        eth_call = Chain(client, chosen.rpc_url).eth_call
    external = build(
        AnchorConfig(
            source=_external_source(chosen),
            guard=GuardPolicy(
                max_age_ms=None,
                max_deviation_bps=chosen.max_deviation_bps,
                confirmations=settings.anchor.confirmations,
                max_ahead_ms=CHAIN_AHEAD_MS,
            ),
            interval_ms=settings.poll_interval_ms,
            timeout_ms=chosen.timeout_ms,
        ),
        Surroundings(clock=clock, eth_call=eth_call),
    )
    return anchor, external


def _source(anchor: AnchorSettings, market: Market) -> SourceSpec | None:
    match anchor.source:
        case AnchorSource.FIXED:
            assert anchor.fixed_price is not None
            return FixedSpec(price=anchor.fixed_price)
        case AnchorSource.HTTP:
            assert anchor.url is not None
            return HttpSpec(url=anchor.url, market=market.symbol)
        case AnchorSource.ORACLE_CARRY:
            assert anchor.oracle_address is not None
            return OracleCarrySpec(
                address=anchor.oracle_address,
                rate_apr=anchor.carry_rate_apr,
                expiry_ms=market.expiry_ms,
            )
        case _:
            return None


def _external_source(chosen: ExternalAnchorSettings) -> SourceSpec:
    if chosen.provider is ExternalProvider.CNGN_PRICE_ORACLE:
        assert chosen.oracle_address is not None
        return OracleSpec(address=chosen.oracle_address)
    assert chosen.base_url is not None
    assert chosen.sell_token is not None
    assert chosen.buy_token is not None
    assert chosen.amount is not None
    return ZeroExSpec(
        base_url=chosen.base_url,
        api_key=chosen.api_key,
        chain_id=chosen.chain_id,
        sell_token=chosen.sell_token,
        buy_token=chosen.buy_token,
        amount=chosen.amount,
    )
