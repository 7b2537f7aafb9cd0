"""Claims about each number's way into the exposition."""

from __future__ import annotations

import math

import pytest

from mm_bot.core.remember import Report
from mm_bot.observe.metrics import Metrics
from tests.core.builders import NOW_MS, running, snapshot
from tests.core.decisions import decided
from tests.observe.metrics_helpers import exercise, new_metrics, parts, telemetry_of


@pytest.fixture
def metrics() -> Metrics:
    return new_metrics()


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("mm_bot_halted", "", 1),
        ("mm_bot_halt_reason", 'reason="kill switch active"', 1),
        ("mm_bot_halt_reason", 'reason="balances stale"', 0),
        ("mm_bot_halts_total", 'reason="kill switch active"', 1),
        ("mm_bot_ready", "", 1),
        ("mm_bot_operator_mode", 'mode="bid-only"', 1),
        ("mm_bot_operator_mode", 'mode="normal"', 0),
        ("mm_bot_kill_switch_active", "", 1),
        ("mm_bot_lock_held", "", 1),
        ("mm_bot_open_bid_present", "", 1),
        ("mm_bot_open_ask_present", "", 0),
        ("mm_bot_live_orders", 'side="buy"', 2),
        ("mm_bot_live_orders", 'side="sell"', 0),
        ("mm_bot_wanted_orders", 'side="buy"', 1),
        ("mm_bot_wanted_orders", 'side="sell"', 0),
        ("mm_bot_quote_price", 'side="buy"', 1599.5),
        ("mm_bot_quote_price", 'side="sell"', math.nan),
        ("mm_bot_quote_size", 'side="buy"', 100),
        ("mm_bot_quote_size", 'side="sell"', math.nan),
        ("mm_bot_signed_liability", 'side="buy"', 250),
        ("mm_bot_signed_liability_quote", 'side="buy",where="here"', 400_000),
        ("mm_bot_signed_liability_quote", 'side="buy",where="elsewhere"', 0),
        ("mm_bot_signed_executable_until_seconds", "", (NOW_MS + 300_000) / 1_000),
        ("mm_bot_missing_quote_reason", 'reason="halted",side="sell"', 0),
        ("mm_bot_missing_quote_reason", 'reason="halted",side="buy"', 0),
        ("mm_bot_quote_age_seconds", "", 1.5),
        ("mm_bot_exchange_quote_age_seconds", "", 5),
        ("mm_bot_live_quoted_spread_bps", "", math.nan),
        ("mm_bot_side_quoted_seconds_total", 'side="buy"', 2),
        ("mm_bot_side_quoted_seconds_total", 'side="sell"', 0),
        ("mm_bot_side_wanted_seconds_total", 'side="buy"', 2),
        ("mm_bot_side_wanted_seconds_total", 'side="sell"', 1),
        ("mm_bot_cycle_duration_seconds_count", "", 3),
        ("mm_bot_cycle_duration_seconds_sum", "", 0.042),
        ("mm_bot_cycle_duration_seconds_bucket", 'le="0.01"', 1),
        ("mm_bot_cycle_duration_seconds_bucket", 'le="0.025"', 3),
        ("mm_bot_cycle_part_duration_seconds_sum", 'part="observe"', 0.01),
        ("mm_bot_cycle_part_duration_seconds_sum", 'part="act"', 0.005),
        ("mm_bot_last_cycle_timestamp_seconds", "", (NOW_MS + 2_000) / 1_000),
        ("mm_bot_event_to_order_seconds_count", "", 1),
        ("mm_bot_command_outcomes_total", 'command="place",verdict="unknown"', 1),
        ("mm_bot_command_outcomes_total", 'command="cancel",verdict="accepted"', 2),
        ("mm_bot_order_cancels_total", "", 2),
        ("mm_bot_order_cancels_total_by_category", 'category="replace_driven"', 2),
        ("mm_bot_order_cancels_total_by_category", 'category="kill_switch"', 0),
        ("mm_bot_unknown_orders_open", "", 1),
        ("mm_bot_fills_total", 'side="sell"', 2),
        ("mm_bot_fills_total", 'side="buy"', 0),
        ("mm_bot_partial_fills_total", 'side="sell"', 1),
        ("mm_bot_filled_size_total", 'side="sell"', 3.5),
        ("mm_bot_filled_notional_cngn_total", 'side="sell"', 5614),
        ("mm_bot_spread_captured_bps_count", 'side="sell"', 2),
        ("mm_bot_spread_captured_bps_bucket", 'le="20.0",side="sell"', 0),
        ("mm_bot_spread_captured_bps_bucket", 'le="50.0",side="sell"', 2),
        ("mm_bot_fill_diagnostics_total", 'side="buy",step="inventory_delta"', 2),
        ("mm_bot_fill_diagnostics_total", 'side="buy",step="order_state"', 0),
        ("mm_bot_realised_result_cngn", "", 12.5),
        ("mm_bot_unrealised_result_cngn", "", 14),
        ("mm_bot_fees_paid_cngn", "", 0),
        ("mm_bot_net_inventory", "", -3),
        ("mm_bot_exchange_market_data_freshness_age_seconds", "", 0.1),
        ("mm_bot_balance_freshness_age_seconds", "", 0),
        ("mm_bot_anchor_freshness_age_seconds", "", 2),
        ("mm_bot_source_age_seconds", 'source="trades"', 0.1),
        ("mm_bot_source_age_seconds", 'source="external"', 5),
        ("mm_bot_source_reads_total", 'source="book"', 3),
        ("mm_bot_source_read_failures_total", 'source="book"', 0),
        ("mm_bot_source_read_failures_total", 'source="trades"', 1),
        ("mm_bot_reference_source", 'source="anchor"', 1),
        ("mm_bot_reference_source", 'source="book"', 0),
        ("mm_bot_reference_price", "", 1600),
        ("mm_bot_anchor_price", "", 1600),
        ("mm_bot_anchor_deviation_bps", "", math.nan),
        ("mm_bot_anchor_source_used", 'source="pyth"', 1),
        ("mm_bot_anchor_widening_bps", "", 0),
        ("mm_bot_anchor_refusals_total", 'reason="too old",source="fixed"', 2),
        ("mm_bot_external_anchor_present", "", 1),
        ("mm_bot_external_anchor_price", "", 1601),
        ("mm_bot_external_anchor_age_seconds", "", 5),
        ("mm_bot_external_anchor_refresh_total", "", 4),
        ("mm_bot_external_anchor_refresh_failures_total", "", 1),
        ("mm_bot_balance", 'asset="base",kind="total"', 10_000),
        ("mm_bot_balance", 'asset="quote",kind="reserved"', 239_850),
        ("mm_bot_balance", 'asset="quote",kind="available"', 99_760_150),
    ],
)
def test_each_number_arrives(metrics: Metrics, name: str, labels: str, expected: float) -> None:
    """What the bot says is what is exported, under the right labels."""
    exercise(metrics)
    assert parts(metrics)[name, labels] == pytest.approx(expected, nan_ok=True)


def test_what_ends_is_taken_back(metrics: Metrics) -> None:
    """A halt that no longer holds goes to 0, as do its missing reasons; one that comes again
    counts, one that goes on does not."""
    telemetry = telemetry_of(metrics)
    for i, killed in enumerate([True, True, False, True, False]):
        seen = snapshot(now_ms=NOW_MS + i, kill_switch=killed)
        telemetry.cycle(decided(seen), Report(), running(), {"total": 1.0})
        samples = parts(metrics)
        assert samples["mm_bot_halt_reason", 'reason="kill switch active"'] == killed
        assert samples["mm_bot_missing_quote_reason", 'reason="halted",side="sell"'] == killed
    assert samples["mm_bot_halts_total", 'reason="kill switch active"'] == 2
