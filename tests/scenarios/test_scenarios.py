"""Every live scenario passes on the local stack, markets and depths alternating."""

from __future__ import annotations

import orjson
import pytest

from integration_harness.registry import Scenario
from integration_harness.report import Findings
from integration_harness.run import Runner
from integration_harness.scenarios import SCENARIOS

FIELDS = {
    "adopted_bid_order_id",
    "adopted_ask_order_id",
    "canceled_order_ids",
    "rejection_reasons",
    "scenario",
    "market",
    "passed",
    "figures",
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_the_bot_passes(scenario: Scenario, runner: Runner) -> None:
    """The scenario passes in its place of this session, and its summary is one line of JSON."""
    turn = list(SCENARIOS).index(scenario.name)
    (variant,) = runner.variants(scenario, turn)
    findings: Findings = runner.run(scenario, variant)
    assert findings.passed, findings.error
    summary = orjson.loads(findings.to_json())
    assert summary.keys() >= FIELDS
    assert findings.verified


def test_markets_and_depths_alternate(runner: Runner) -> None:
    """A quick run of all sees both markets and both one and several levels."""
    seen = [
        variant
        for turn, scenario in enumerate(SCENARIOS.values())
        for variant in runner.variants(scenario, turn)
    ]
    assert len(seen) == len(SCENARIOS)
    assert {variant.kind for variant in seen} == {"spot", "future"}
    assert {1, 3} <= {variant.levels for variant in seen}
