"""Claims about the exposition, checked as promtool would."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mm_bot.core.plan import CancelCategory
from mm_bot.core.quoting import MissingReason
from mm_bot.core.reference import ReferenceSource
from mm_bot.core.remember import Report
from mm_bot.core.risk import HaltReason
from mm_bot.observe.gauge import Gauge
from mm_bot.observe.metrics import BuildInfo, Metrics
from mm_bot.strategies import declared
from tests.core.builders import running
from tests.core.decisions import decided
from tests.observe.metrics_helpers import SAMPLE, exercise, new_metrics, parts, telemetry_of

FOUNDING_NAMES = [
    "mm_bot_halted",
    "mm_bot_halt_reason",
    "mm_bot_ready",
    "mm_bot_open_bid_present",
    "mm_bot_open_ask_present",
    "mm_bot_anchor_freshness_age_seconds",
    "mm_bot_exchange_market_data_freshness_age_seconds",
    "mm_bot_balance_freshness_age_seconds",
    "mm_bot_order_cancels_total",
    "mm_bot_order_cancels_total_by_category",
    "mm_bot_fills_total",
    "mm_bot_partial_fills_total",
    "mm_bot_quote_age_seconds",
    "mm_bot_exchange_quote_age_seconds",
    "mm_bot_net_inventory",
    "mm_bot_live_quoted_spread_bps",
    "mm_bot_external_anchor_present",
    "mm_bot_external_anchor_age_seconds",
    "mm_bot_external_anchor_price",
    "mm_bot_external_anchor_refresh_total",
    "mm_bot_external_anchor_refresh_failures_total",
    "mm_bot_reference_source",
    "mm_bot_signed_liability",
]
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}


@pytest.fixture
def metrics() -> Metrics:
    return new_metrics()


def test_the_exposition_is_well_formed(metrics: Metrics) -> None:
    """Each family: one HELP, one TYPE, then its own samples in one piece; each line of the
    format; help texts say something; it ends with a line break; no name is used twice."""
    text = metrics.render().decode()
    assert text.endswith("\n")
    seen: set[str] = set()
    name = kind = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, _, help_text = line.removeprefix("# HELP ").partition(" ")
            assert name not in seen
            seen.add(name)
            assert len(help_text) > 10 or not name.startswith("mm_bot_")
            kind = ""
        elif line.startswith("# TYPE "):
            typed, _, kind = line.removeprefix("# TYPE ").partition(" ")
            assert typed == name
            assert kind in ("counter", "gauge", "histogram", "summary")
        else:
            match = SAMPLE.match(line)
            assert match, line
            assert kind, f"{line} before its TYPE"
            assert match[1] in {name + suffix for suffix in SUFFIXES.get(kind, ("",))}


def test_a_parser_reads_back_what_was_written(metrics: Metrics) -> None:
    """The reference parser finds every label value as it was given, odd characters included."""
    build = BuildInfo(
        version='odd "quoted" \\ one\n', market="M", chain_id=1, subaccount_id=1, dry_run=True
    )
    families = text_string_to_metric_families(Metrics(build).render().decode())
    found = {
        sample.labels["version"]
        for family in families
        for sample in family.samples
        if sample.name == "mm_bot_build_info"
    }
    assert found == {build.version}


@pytest.mark.parametrize("name", FOUNDING_NAMES)
def test_every_founding_name_is_there_from_the_start(metrics: Metrics, name: str) -> None:
    """Each required metric has samples under exactly its name at the first scrape."""
    assert any(sample == name for sample, _ in parts(metrics))


def test_every_label_is_there_from_the_start(metrics: Metrics) -> None:
    """Each value of each closed set exists with 0, so that a rate over it is defined."""
    samples = parts(metrics)
    for category in (each.value for each in CancelCategory):
        key = ("mm_bot_order_cancels_total_by_category", f'category="{category}"')
        assert samples[key] == 0
    for source in (each.value for each in ReferenceSource):
        assert samples["mm_bot_reference_source", f'source="{source}"'] == 0
    for halt in HaltReason:
        assert samples["mm_bot_halts_total", f'reason="{halt.value}"'] == 0
    for side in ("buy", "sell"):
        assert samples["mm_bot_fills_total", f'side="{side}"'] == 0
        assert samples["mm_bot_partial_fills_total", f'side="{side}"'] == 0
        assert samples["mm_bot_signed_liability", f'side="{side}"'] == 0
        for reason in (each.value for each in (*MissingReason, *declared().reasons)):
            labels = f'reason="{reason}",side="{side}"'
            assert samples["mm_bot_missing_quote_reason", labels] == 0


def test_the_set_of_series_never_grows(metrics: Metrics) -> None:
    """Whatever happens, no series appears that was not there at the start."""
    before = set(parts(metrics))
    exercise(metrics)
    assert set(parts(metrics)) == before


def test_a_label_outside_its_set_is_a_bug(metrics: Metrics) -> None:
    """Unknown label values are refused, not exported."""
    telemetry = telemetry_of(metrics)
    telemetry.cycle(decided(), Report(), running(), {"total": 1.0})
    odd = Gauge(name="a", help="b", labels={"side": ("buy",)}, read=lambda v: {("tea",): 1})
    assert odd.family(None).samples[0].value == 0
    with pytest.raises(KeyError):
        odd.family(telemetry.view)


def test_names_follow_the_conventions(metrics: Metrics) -> None:
    """Counters end in _total (one founding name aside), nothing else does, and no series holds the
    time of its own creation."""
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            assert not sample.name.endswith("_created")
    for line in metrics.render().decode().splitlines():
        if line.startswith("# TYPE mm_bot_"):
            name, kind = line.split()[2:]
            odd = name == "mm_bot_order_cancels_total_by_category"
            assert (kind == "counter") == (name.endswith("_total") or odd)


def test_build_facts_are_labels(metrics: Metrics) -> None:
    """Version and market are told by one series of value 1."""
    (labels,) = [labels for name, labels in parts(metrics) if name == "mm_bot_build_info"]
    assert 'version="0.1.0"' in labels
    assert 'market="USDCcNGN-SPOT"' in labels


def test_two_bots_in_one_process_do_not_share(metrics: Metrics) -> None:
    """Each `Metrics` has its own registry."""
    other = new_metrics()
    exercise(metrics)
    assert parts(other)["mm_bot_halted", ""] == 0
