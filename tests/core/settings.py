"""Two markets and a healthy policy, from which the tests deviate by `replace`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Capabilities, Instrument, Kind, Margin
from mm_bot.core.policy import (
    OperatorMode,
    Policy,
    QuotePolicy,
    ReconcilePolicy,
    ReferencePolicy,
    RiskPolicy,
)

NOW_MS = 1_800_000_000_000
ABLE = Capabilities(resend_safe=True, book_depth=25)
SPOT = Instrument(
    symbol="USDCcNGN-SPOT",
    base="USDC",
    quote="cNGN",
    kind=Kind.SPOT,
    price_tick=Price.of("0.01"),
    size_step=Size(Decimal(1).scaleb(-18)),
    notional_step=Amount.of(1),
    multiplier=Decimal(1),
    margin=Margin.FUNDED,
    margin_rate=Decimal(0),
    collateral="cNGN",
    capabilities=ABLE,
    expiry_ms=None,
)
FUTURE = Instrument(
    symbol="USDCcNGN-NOV30-2026",
    base="USDC",
    quote="cNGN",
    kind=Kind.FUTURE,
    price_tick=Price.of(1),
    size_step=Size.of("0.001"),
    multiplier=Decimal(10_000),
    margin=Margin.BASE,
    margin_rate=Decimal("0.2"),
    collateral="USDC",
    capabilities=ABLE,
    expiry_ms=1_900_000_000_000,
)
QUOTES = QuotePolicy(
    half_spread_bps=Decimal(25),
    skew_bps=Decimal(0),
    order_size=Size.of(100),
    levels=1,
    level_step_bps=Decimal(0),
    level_size_mult=Decimal(1),
    max_long=Size.of(100_000),
    max_short=Size.of(-100_000),
    max_notional_per_side=None,
    external_spread_mult=Decimal(2),
    external_size_mult=Decimal("0.5"),
)
REFERENCES = ReferencePolicy(
    trade_max_age_ms=300_000,
    bootstrap=False,
    bootstrap_only=True,
    external_max_age_ms=30_000,
    min_size=Size.of(0),
    lot=Amount.of(1),
    low=None,
    high=None,
)
RISKS = RiskPolicy(
    market_data_max_age_ms=10_000,
    balances_max_age_ms=30_000,
    anchor_max_age_ms=60_000,
    anchor_deviation_bps=Decimal(500),
    quote_max_age_ms=None,
    max_long=Size.of(100_000),
    max_short=Size.of(-100_000),
    max_notional_per_side=None,
    min_base=None,
    min_quote=None,
    max_cancels_per_minute=30,
)
RECONCILES = ReconcilePolicy(
    stale_threshold_bps=Decimal(5),
    size_tolerance=Size.of("0.000001"),
    min_lifetime_ms=0,
    min_move_bps=Decimal(0),
    refresh_interval_ms=5_000,
    order_life_ms=300_000,
)
POLICY = Policy(
    mode=OperatorMode.NORMAL,
    dry_run=False,
    reference=REFERENCES,
    quote=QUOTES,
    risk=RISKS,
    reconcile=RECONCILES,
)
LADDER_OF_THREE = replace(QUOTES, levels=3, level_step_bps=Decimal(20))
