"""`restart_under_open_order`: quotes survive a clean stop, and a restart adopts them."""

from __future__ import annotations

from integration_harness.context import Context
from integration_harness.registry import Scenario
from integration_harness.scenarios import steps


def run(context: Context) -> None:
    """Quotes survive a clean stop, a restart adopts them, and the next cycles do not churn."""
    context.phase("starting the bot")
    bot = context.bot()
    ladder = context.ladder(bot)
    context.phase("stopping it under its open orders")
    steps.stopped_cleanly(context, bot)
    context.phase("starting it again")
    steps.restart_adopts(context, ladder)


SCENARIO = Scenario(name="restart_under_open_order", run=run)
