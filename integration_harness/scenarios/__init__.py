"""Every scenario there is, by its name."""

from __future__ import annotations

from typing import Final

from integration_harness.registry import Scenario
from integration_harness.scenarios import (
    duplicate_startup,
    happy,
    partial_fill,
    restart_under_open_order,
    stale_startup,
)

_ALL: Final = (
    happy.SCENARIO,
    partial_fill.SCENARIO,
    restart_under_open_order.SCENARIO,
    stale_startup.SCENARIO,
    duplicate_startup.SCENARIO,
)

SCENARIOS: Final[dict[str, Scenario]] = {scenario.name: scenario for scenario in _ALL}
