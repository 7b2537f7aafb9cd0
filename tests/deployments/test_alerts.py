"""Claims about the alert rules: they can be loaded, and fire on numbers that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

from mm_bot.core.risk import HaltReason
from mm_bot.settings import VARIABLES
from tests.deployments.exported import (
    TARGET_LABELS,
    exported_by_a_registry,
    exported_by_backtests,
    faults,
    labels_of,
    uses,
)
from tests.deployments.runbook import sections

FOLDER = Path(__file__).parents[2] / "deployments" / "prometheus"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
BY_NAME = {rule["alert"]: rule for rule in RULES}
EXPORTED = {**exported_by_a_registry(), **exported_by_backtests()}
TEMPLATE = re.compile(
    r"\{\{ \$(?:labels\.([a-z_]+)|value)(?: \| (?:humanize|humanizeDuration|humanizePercentage|"
    r"humanize1024))? \}\}"
)
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))


@pytest.mark.parametrize("words", [("check", "alerts.yml"), ("test", "alerts.test.yml")])
def test_prometheus_takes_the_rules_and_they_fire(words: tuple[str, str]) -> None:
    """`promtool` loads every rule, and what they do on sample numbers is what their own tests
    say."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not here")
    command, file = words
    done = subprocess.run(
        [promtool, command, "rules", str(FOLDER / file)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@each_rule
def test_a_rule_leads_to_somebody_and_to_help(rule: dict[str, Any]) -> None:
    """It has a severity that routes it, and a section of the runbook that exists."""
    assert rule["labels"]["severity"] in ("page", "ticket", "info")
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert file == "docs/runbook.md"
    assert sections()[anchor].strip()


@each_rule
def test_a_rule_counts_on_nothing_that_is_not_exported(rule: dict[str, Any]) -> None:
    """Every expression parses with the right types, and every metric, label and label value in it
    is one of the bot's or of its scrape target's."""
    assert faults(rule["expr"], EXPORTED) == []


@each_rule
def test_a_rule_says_what_it_fires_for(rule: dict[str, Any]) -> None:
    """Texts are filled in from labels that the expression has, and name the market."""
    texts = rule["annotations"]["summary"] + rule["annotations"]["description"]
    labels = {label for label in TEMPLATE.findall(texts) if label}
    assert labels <= labels_of(rule["expr"], EXPORTED)
    assert "{{" not in TEMPLATE.sub("", texts)
    assert "market" in labels or "absent(" in rule["expr"]


def test_no_name_is_used_twice() -> None:
    """Each alert has one rule."""
    assert len(BY_NAME) == len(RULES)


def test_every_halt_reason_raises_an_alert() -> None:
    """The two alerts for halts share the fourteen reasons, none in both and none in neither."""
    (others,) = uses(BY_NAME["MmBotHalted"]["expr"])
    (stops,) = uses(BY_NAME["MmBotStoppedByOperator"]["expr"])
    ((label, operator, left_out),) = others.matchers
    assert (label, operator) == ("reason", "!~")
    assert stops.matchers == (("reason", "=~", left_out),)
    assert set(left_out.split("|")) == {
        HaltReason.OPERATOR_PAUSE.value,
        HaltReason.KILL_SWITCH.value,
    }


@pytest.mark.parametrize(
    ("alert", "default"),
    [
        ("MmBotMarketDataAgeing", VARIABLES["MM_STALE_MARKET_DATA_TIMEOUT_SECONDS"].default_text),
        ("MmBotBalancesAgeing", VARIABLES["MM_STALE_BALANCE_TIMEOUT_SECONDS"].default_text),
        ("MmBotAnchorAgeing", VARIABLES["MM_STALE_ANCHOR_TIMEOUT_SECONDS"].default_text),
        ("MmBotAnchorDeviationHigh", VARIABLES["MM_MAX_ANCHOR_DEVIATION_BPS"].default_text),
        ("MmBotCancelStorm", VARIABLES["MM_MAX_CANCELS_PER_MINUTE"].default_text),
        ("MmBotInventoryNearLimit", VARIABLES["MM_MAX_LONG_INVENTORY"].default_text),
        ("MmBotQuoteAgeHigh", VARIABLES["MM_ORDER_EXPIRY_SECONDS"].default_text),
    ],
)
def test_warnings_come_before_the_halt(alert: str, default: str | None) -> None:
    """What warns of a limit fires between half of its default and all of it."""
    assert default is not None
    comparison = promql.parse(BY_NAME[alert]["expr"])
    assert isinstance(comparison, promql.BinaryExpr)
    assert isinstance(comparison.rhs, promql.NumberLiteral)
    threshold, limit = Decimal(str(comparison.rhs)), Decimal(default)
    assert limit / 2 < threshold < limit


def test_the_sample_scrape_gives_the_labels_that_rules_count_on() -> None:
    """Both jobs of the sample put job mm-bot and a market on every series, and load the rules."""
    config = yaml.safe_load((FOLDER / "scrape.yml").read_text())
    assert config["rule_files"] == ["alerts.yml"]
    hosts, pods = config["scrape_configs"]
    assert hosts["job_name"] == "mm-bot"
    for target in hosts["static_configs"]:
        assert set(target["labels"]) | {"job", "instance"} == TARGET_LABELS
    written = {each.get("target_label"): each for each in pods["relabel_configs"]}
    assert written["job"]["replacement"] == "mm-bot"
    assert {*TARGET_LABELS} <= set(written)


def test_the_rules_own_tests_are_about_real_series() -> None:
    """The input series for promtool are series that a bot exports."""
    tests = yaml.safe_load((FOLDER / "alerts.test.yml").read_text())["tests"]
    for series in (each["series"] for test in tests for each in test["input_series"]):
        assert faults(series, EXPORTED) == []
    for sample in (each["expr"] for test in tests for each in test["promql_expr_test"]):
        named = set(re.findall(r'alertname="(\w+)"', sample))
        assert named <= set(BY_NAME)
