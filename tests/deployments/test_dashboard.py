"""Claims about the dashboard: it can be imported, and shows numbers that exist."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.deployments.exported import exported_by_a_registry, faults, labels_of, uses

FILE = Path(__file__).parents[2] / "deployments" / "grafana" / "mm-bot.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text())
PANELS: list[dict[str, Any]] = [p for p in DASHBOARD["panels"] if p["type"] != "row"]
EXPORTED = exported_by_a_registry()
SHOWN_ELSEWHERE = {
    "mm_bot_open_bid_present": "mm_bot_live_orders",
    "mm_bot_open_ask_present": "mm_bot_live_orders",
    "mm_bot_kill_switch_active": "mm_bot_halt_reason",
    "mm_bot_external_anchor_present": "mm_bot_external_anchor_price",
    "mm_bot_order_cancels_total": "mm_bot_order_cancels_total_by_category",
    "mm_bot_mirror_failures_total": "mm_bot_mirror_up",
}
"""What the dashboard leaves out, and what of the same it shows."""


def expressions(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def shown() -> set[str]:
    return {use.name for panel in PANELS for each in expressions(panel) for use in uses(each)}


def test_it_can_be_imported() -> None:
    """It has an identity of its own and none of a database, a version of the format, and asks for
    its data source and its markets by variables instead of naming one."""
    assert DASHBOARD["id"] is None
    assert DASHBOARD["uid"] == "mm-bot"
    assert DASHBOARD["schemaVersion"] >= 36
    source, market = DASHBOARD["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    assert (market["name"], market["type"], market["allValue"]) == ("market", "query", ".*")
    (metric,) = re.findall(r"label_values\((\w+), market\)", market["query"]["query"])
    assert metric in EXPORTED
    named = set(re.findall(r'"uid": "([^"]*)"', FILE.read_text()))
    assert named == {"mm-bot", "${datasource}"}


def test_panels_neither_overlap_nor_leave_the_grid() -> None:
    """Each panel has a number of its own and a place of its own within the 24 columns."""
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, f"{one} and {other}"


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_a_panel_shows_what_is_exported(panel: dict[str, Any]) -> None:
    """Every expression parses; its metrics, labels and label values exist; it asks for the chosen
    markets only; its legend names labels that the result has; and the panel explains itself."""
    assert len(panel["description"]) > 8
    assert panel["datasource"]["uid"] == "${datasource}"
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references) > 0
    for target in panel["targets"]:
        expression = target["expr"]
        assert faults(expression, EXPORTED) == []
        for use in uses(expression):
            assert ("market", "=~", "$market") in use.matchers
            assert ("job", "=", "mm-bot") in use.matchers
        legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert legend <= labels_of(expression, EXPORTED)


def test_annotations_count_on_what_is_exported() -> None:
    """The marks on the time axis are made from real metrics too."""
    for each in DASHBOARD["annotations"]["list"]:
        assert faults(each["expr"], EXPORTED) == []


def test_everything_that_the_bot_tells_is_shown() -> None:
    """Each mm_bot metric is on the dashboard, or another one of the same meaning is."""
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in EXPORTED}
    on_it = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown()}
    missing = {name for name in names if name.startswith("mm_bot_")} - on_it
    assert missing == set(SHOWN_ELSEWHERE)
    assert set(SHOWN_ELSEWHERE.values()) <= on_it
