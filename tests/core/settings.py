"""The market and the healthy policy of `trial`, from which tests deviate by `replace`; a future."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Instrument, Kind, Margin
from mm_bot.strategies.trial import ABLE as ABLE
from mm_bot.strategies.trial import NOW_MS as NOW_MS
from mm_bot.strategies.trial import POLICY as POLICY
from mm_bot.strategies.trial import QUOTES as QUOTES
from mm_bot.strategies.trial import RECONCILES as RECONCILES
from mm_bot.strategies.trial import REFERENCES as REFERENCES
from mm_bot.strategies.trial import RISKS as RISKS
from mm_bot.strategies.trial import SPOT as SPOT

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
LADDER_OF_THREE = replace(QUOTES, levels=3, level_step_bps=Decimal(20))
