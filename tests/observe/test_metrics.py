"""Claims about each number's way into the exposition."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from mm_bot.core.instrument import Side
from mm_bot.observe.metrics import Metrics, SideView
from tests.observe.metrics_helpers import BUILD, LABELS, exercise, parts


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(LABELS, BUILD)


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("mm_bot_halted", "", 1),
        ("mm_bot_halt_reason", 'reason="balances stale"', 1),
        ("mm_bot_halt_reason", 'reason="kill switch active"', 0),
        ("mm_bot_halts_total", 'reason="balances stale"', 1),
        ("mm_bot_ready", "", 1),
        ("mm_bot_operator_mode", 'mode="pause"', 1),
        ("mm_bot_operator_mode", 'mode="normal"', 0),
        ("mm_bot_kill_switch_active", "", 1),
        ("mm_bot_lock_held", "", 1),
        ("mm_bot_open_bid_present", "", 1),
        ("mm_bot_open_ask_present", "", 0),
        ("mm_bot_live_orders", 'side="buy"', 2),
        ("mm_bot_wanted_orders", 'side="buy"', 3),
        ("mm_bot_quote_price", 'side="buy"', 1599.5),
        ("mm_bot_quote_price", 'side="sell"', math.nan),
        ("mm_bot_quote_size", 'side="buy"', 100),
        ("mm_bot_signed_liability", 'side="buy"', 250),
        ("mm_bot_missing_quote_reason", 'reason="halted",side="sell"', 1),
        ("mm_bot_missing_quote_reason", 'reason="halted",side="buy"', 0),
        ("mm_bot_quote_age_seconds", "", 1.5),
        ("mm_bot_exchange_quote_age_seconds", "", 0),
        ("mm_bot_live_quoted_spread_bps", "", 50),
        ("mm_bot_side_quoted_seconds_total", 'side="buy"', 2),
        ("mm_bot_side_quoted_seconds_total", 'side="sell"', 0),
        ("mm_bot_side_wanted_seconds_total", 'side="sell"', 2),
        ("mm_bot_cycle_duration_seconds_count", "", 1),
        ("mm_bot_cycle_duration_seconds_bucket", 'le="0.01"', 0),
        ("mm_bot_cycle_duration_seconds_bucket", 'le="0.025"', 1),
        ("mm_bot_cycle_part_duration_seconds_sum", 'part="observe"', 0.01),
        ("mm_bot_last_cycle_timestamp_seconds", "", 1_795_264_180.5),
        ("mm_bot_event_to_order_seconds_count", "", 1),
        ("mm_bot_command_outcomes_total", 'command="place",verdict="unknown"', 1),
        ("mm_bot_order_cancels_total", "", 2),
        ("mm_bot_order_cancels_total_by_category", 'category="replace_driven"', 2),
        ("mm_bot_order_cancels_total_by_category", 'category="kill_switch"', 0),
        ("mm_bot_unknown_orders_open", "", 1),
        ("mm_bot_fills_total", 'side="sell"', 2),
        ("mm_bot_fills_total", 'side="buy"', 0),
        ("mm_bot_partial_fills_total", 'side="sell"', 1),
        ("mm_bot_filled_size_total", 'side="sell"', 3.5),
        ("mm_bot_filled_notional_cngn_total", 'side="sell"', 5600),
        ("mm_bot_spread_captured_bps_count", 'side="sell"', 1),
        ("mm_bot_fill_diagnostics_total", 'side="sell",step="trade_stream"', 1),
        ("mm_bot_fill_diagnostics_total", 'side="sell",step="order_state"', 0),
        ("mm_bot_realised_result_cngn", "", 12.5),
        ("mm_bot_unrealised_result_cngn", "", math.nan),
        ("mm_bot_fees_paid_cngn", "", 0),
        ("mm_bot_net_inventory", "", -3),
        ("mm_bot_exchange_market_data_freshness_age_seconds", "", 0.1),
        ("mm_bot_balance_freshness_age_seconds", "", 2),
        ("mm_bot_anchor_freshness_age_seconds", "", math.nan),
        ("mm_bot_source_age_seconds", 'source="book"', 0.25),
        ("mm_bot_source_reads_total", 'source="book"', 1),
        ("mm_bot_source_read_failures_total", 'source="book"', 1),
        ("mm_bot_reference_source", 'source="book"', 1),
        ("mm_bot_reference_source", 'source="anchor"', 0),
        ("mm_bot_reference_price", "", 1600),
        ("mm_bot_anchor_deviation_bps", "", math.nan),
        ("mm_bot_external_anchor_present", "", 1),
        ("mm_bot_external_anchor_price", "", 1601),
        ("mm_bot_external_anchor_age_seconds", "", 3),
        ("mm_bot_external_anchor_refresh_total", "", 1),
        ("mm_bot_external_anchor_refresh_failures_total", "", 1),
        ("mm_bot_balance", 'asset="base",kind="available"', 6),
    ],
)
def test_each_number_arrives(metrics: Metrics, name: str, labels: str, expected: float) -> None:
    """What the bot says is what is exported, under the right labels."""
    exercise(metrics)
    assert parts(metrics)[name, labels] == pytest.approx(expected, nan_ok=True)


def test_what_ends_is_taken_back(metrics: Metrics) -> None:
    """Halts and missing reasons that no longer hold go to 0; a halt that comes again counts."""
    exercise(metrics)
    metrics.set_halts(())
    metrics.set_halts(("balances stale",))
    metrics.set_halts(("balances stale", "kill switch active"))
    metrics.set_halts(("kill switch active",))
    view = SideView(
        live_orders=1,
        wanted_orders=1,
        best_price=Decimal(1601),
        best_size=Decimal(1),
        missing_reason=None,
        signed_liability=Decimal(1),
    )
    metrics.set_side(Side.SELL, view)
    samples = parts(metrics)
    assert samples["mm_bot_halt_reason", 'reason="balances stale"'] == 0
    assert samples["mm_bot_halts_total", 'reason="balances stale"'] == 2
    assert samples["mm_bot_missing_quote_reason", 'reason="halted",side="sell"'] == 0
    assert samples["mm_bot_open_ask_present", ""] == 1
