"""Every scenario there is, by its name."""

from __future__ import annotations

from typing import Final

from integration_harness.registry import Scenario
from integration_harness.scenarios import (
    blink,
    breaker,
    crash_restart,
    drift,
    duplicate_startup,
    expiry_renewal,
    futures_margin,
    happy,
    kill_switch,
    ladder_restart,
    lost_reply,
    outage,
    partial_fill,
    restart_under_open_order,
    shock,
    stale_sources,
    stale_startup,
    two_writers,
)

_ALL: Final = (
    happy.SCENARIO,
    partial_fill.SCENARIO,
    restart_under_open_order.SCENARIO,
    stale_startup.SCENARIO,
    duplicate_startup.SCENARIO,
    ladder_restart.SCENARIO,
    kill_switch.SCENARIO,
    crash_restart.SCENARIO,
    blink.SCENARIO,
    lost_reply.SCENARIO,
    stale_sources.SCENARIO,
    outage.SCENARIO,
    expiry_renewal.SCENARIO,
    two_writers.SCENARIO,
    futures_margin.SCENARIO,
    drift.SCENARIO,
    shock.SCENARIO,
    breaker.SCENARIO,
)

SCENARIOS: Final[dict[str, Scenario]] = {scenario.name: scenario for scenario in _ALL}
