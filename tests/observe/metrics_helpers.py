"""Metrics of a bot, everything that can be told to them, and the exposition taken apart."""

from __future__ import annotations

import re
from decimal import Decimal

from mm_bot.core.instrument import Side
from mm_bot.observe.metrics import BuildInfo, LabelSets, Metrics, SideView

HALTS = ("kill switch active", "balances stale", 'odd "quoted" \\ reason\n')
LABELS = LabelSets(
    halt_reasons=HALTS,
    cancel_categories=("replace_driven", "startup_reconciliation", "risk_triggered", "kill_switch"),
    reference_sources=("anchor", "book", "trade", "external", "own_trade", "none"),
    missing_reasons=("halted", "no_quote_balance"),
    operator_modes=("normal", "pause"),
)
BUILD = BuildInfo(
    version="0.1.0", market="USDCcNGN-SPOT", chain_id=8453, subaccount_id=10, dry_run=False
)
SAMPLE = re.compile(
    r"^([a-zA-Z_:][a-zA-Z0-9_:]*)"
    r'(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*",?)*)\})?'
    r" (-?[0-9.eE+-]+|NaN|\+Inf|-Inf)$"
)


def parts(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Sample name and label text to value."""
    samples = {}
    for line in metrics.render().decode().splitlines():
        if not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, f"no sample: {line!r}"
            key = (match[1], match[2] or "")
            assert key not in samples, f"twice: {key}"
            samples[key] = float(match[3])
    return samples


def exercise(metrics: Metrics) -> None:
    metrics.set_halts({"balances stale"})
    metrics.set_ready(True)
    metrics.set_operator_mode("pause")
    metrics.set_kill_switch(True)
    metrics.set_lock_held(True)
    metrics.set_side(
        Side.BUY,
        SideView(
            live_orders=2,
            wanted_orders=3,
            best_price=Decimal("1599.5"),
            best_size=Decimal("100"),
            missing_reason=None,
            signed_liability=Decimal("250"),
        ),
    )
    metrics.set_side(
        Side.SELL,
        SideView(
            live_orders=0,
            wanted_orders=0,
            best_price=None,
            best_size=None,
            missing_reason="halted",
            signed_liability=Decimal(0),
        ),
    )
    metrics.set_quotes(quote_age_s=1.5, exchange_quote_age_s=None, spread_bps=Decimal("50"))
    metrics.count_side_time(Side.BUY, 2.0, wanted=True, quoted=True)
    metrics.count_side_time(Side.SELL, 2.0, wanted=True, quoted=False)
    metrics.count_side_time(Side.SELL, 2.0, wanted=False, quoted=True)
    metrics.observe_cycle(0.02, {"observe": 0.01, "act": 0.005}, at_ms=1_795_264_180_500)
    metrics.observe_event_to_order(0.03)
    metrics.count_outcome("place", "unknown")
    metrics.count_cancel("replace_driven")
    metrics.count_cancel("replace_driven")
    metrics.set_unknown_orders(1)
    metrics.count_fill(Side.SELL, partial=True, size=Decimal("2.5"), notional=Decimal("4000"))
    metrics.count_fill(Side.SELL, partial=False, size=Decimal("1"), notional=Decimal("1600"))
    metrics.observe_spread_captured(Side.SELL, Decimal("24.5"))
    metrics.count_fill_diagnostic("trade_stream", Side.SELL)
    metrics.set_results(
        realised=Decimal("12.5"), unrealised=None, fees=Decimal(0), inventory=Decimal("-3")
    )
    metrics.set_freshness(market_data_s=0.1, balances_s=2, anchor_s=None)
    metrics.set_source_age("book", 0.25)
    metrics.count_read("book", failed=True)
    metrics.set_reference(
        source="book", price=Decimal("1600"), anchor_price=None, deviation_bps=None
    )
    metrics.set_external_anchor(price=Decimal("1601"), age_s=3)
    metrics.count_external_refresh(failed=True)
    metrics.set_balance("base", total=Decimal(10), reserved=Decimal(4), available=Decimal(6))
