"""The log tells what a step of the strategy does for a while: when it begins and when it ends."""

from __future__ import annotations

import io
from dataclasses import replace

from mm_bot.core.exact import Size
from mm_bot.core.remember import Report
from mm_bot.observe.log import Level, Log
from mm_bot.observe.telemetry import Telemetry
from mm_bot.observe.totals import Totals
from tests.core.builders import (
    NOW_MS,
    POLICY,
    SPOT,
    balances,
    observation,
    own_orders,
    running,
    snapshot,
)
from tests.core.decisions import decided
from tests.observe.metrics_helpers import External, new_metrics
from tests.observe.test_log import json_lines

LEAST = replace(POLICY, risk=replace(POLICY.risk, min_base=Size.of(1_000), degrade=True))


def test_what_lasts_is_told_when_it_begins_and_when_it_ends() -> None:
    """A low balance takes the asks away for three cycles of a second; the numbers of the first are
    told, and nothing between. Without a reference nothing is known of it."""
    stream = io.StringIO()
    log = Log(level=Level.INFO, stream=stream)
    telemetry = Telemetry(metrics=new_metrics(), log=log, totals=Totals(0.0))
    telemetry.begin(SPOT, External())
    memory = running()
    for second, held in enumerate(("5000", "999", "998", None, "997", "1200")):
        venue = observation(own_orders(), at_ms=NOW_MS + second * 1_000)
        part = replace(venue.balances, value=None if held is None else balances(held))
        world = snapshot(venue=replace(venue, balances=part), now_ms=NOW_MS + second * 1_000)
        decision = decided(world, memory, LEAST)
        telemetry.cycle(decision, Report(), memory, {"total": 1.0})
        memory = replace(memory, degraded=decision.degraded)
    told = [line for line in json_lines(stream) if str(line["event"]).startswith("strategy.")]
    assert [(line["event"], line["step"]) for line in told] == [
        ("strategy.begins", "degraded"),
        ("strategy.ends", "degraded"),
    ]
    assert told[0]["says"] == "base balance low, so no asks: available 999, limit 1000"
    assert told[1]["lasted_ms"] == 4_000
