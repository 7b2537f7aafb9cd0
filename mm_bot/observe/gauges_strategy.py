"""The gauges of the strategy's features; each is NaN (a flag 0) while its feature is off."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import Decimal

from mm_bot.observe.gauge import SIDES, Gauge, Values
from mm_bot.observe.view import View

GUARDS = ("shock", "adverse_selection")
HORIZONS = ("1", "5", "30", "300")
PARTS = ("total", "spread_capture", "inventory", "adverse_selection", "fees")
REGIMES = ("normal", "reduce_only", "forced")


def strategy_gauges() -> Iterator[Gauge]:
    """Every one there is, with every label value from the first scrape on."""
    yield Gauge(
        name="mm_bot_half_spread_bps",
        help="From the reference to the best level of that side, without the skew.",
        labels=SIDES,
        start=math.nan,
        read=_of("mm_bot_half_spread_bps"),
    )
    yield Gauge(
        name="mm_bot_volatility_bps_sqrt_s",
        help="Volatility of the reference, basis points per square root of a second.",
        start=math.nan,
        read=_of("mm_bot_volatility_bps_sqrt_s"),
    )
    yield Gauge(
        name="mm_bot_guard_active",
        help="1 while a guard takes that side away, else 0.",
        labels={"guard": GUARDS, **SIDES},
        read=_of("mm_bot_guard_active"),
    )
    yield Gauge(
        name="mm_bot_markout_bps",
        help="How far the reference moved in our favour after our fills, by horizon in seconds.",
        labels={**SIDES, "horizon": HORIZONS},
        start=math.nan,
        read=_of("mm_bot_markout_bps"),
    )
    yield Gauge(
        name="mm_bot_daily_pnl",
        help="Result of trading since the day's first reference, in the quote.",
        start=math.nan,
        read=_of("mm_bot_daily_pnl"),
    )
    yield Gauge(
        name="mm_bot_breaker_halted",
        help="1 while the daily-loss breaker holds, else 0.",
        read=_of("mm_bot_breaker_halted"),
    )
    yield Gauge(
        name="mm_bot_pnl_attribution",
        help="Result of trading by what made it, in the quote: the total is spread_capture + "
        "inventory + fees; adverse_selection is a part of the inventory's.",
        labels={"part": PARTS},
        start=math.nan,
        read=_of("mm_bot_pnl_attribution"),
    )
    yield Gauge(
        name="mm_bot_pnl_adverse_unknown_fills",
        help="Fills whose adverse selection is unknown: no reference was fresh enough.",
        start=math.nan,
        read=_of("mm_bot_pnl_adverse_unknown_fills"),
    )
    yield Gauge(
        name="mm_bot_regime",
        help="1 for the position regime in force, 0 for the others.",
        labels={"regime": REGIMES},
        read=_of("mm_bot_regime"),
    )

    yield Gauge(
        name="mm_bot_hanging_orders",
        help="Orders that stay beside the ladder because their partner was filled.",
        labels=SIDES,
        read=_of("mm_bot_hanging_orders"),
    )
    yield Gauge(
        name="mm_bot_reductions_last_hour",
        help="Forced reductions that were sent in the last hour.",
        read=_of("mm_bot_reductions_last_hour"),
    )


def _of(name: str) -> Callable[[View], Values]:
    def read(view: View) -> Values:
        measures = view.decision.quotes.measures
        found: dict[tuple[str, ...], Decimal | float | None] = {
            m.labels: m.value for m in measures if m.name == name
        }
        return found

    return read
