"""`ladder_restart`: restarts, clean or not, adopt every level, and nothing churns."""

from __future__ import annotations

from integration_harness.context import Context
from integration_harness.registry import Rounds, Scenario
from integration_harness.scenarios import steps


def run(context: Context) -> None:
    """Restarts, clean or not, adopt every level, and nothing churns."""
    context.phase(f"starting the bot with {context.levels} levels")
    bot = context.bot()
    ladder = context.ladder(bot)
    for number in range(context.rounds):
        if number % 2:
            context.phase("killing it, and starting it again")
            bot.kill()
        else:
            context.phase("stopping it, and starting it again")
            steps.stopped_cleanly(context, bot)
        bot = steps.restart_adopts(context, ladder)
    context.figure("restarts", context.rounds)


SCENARIO = Scenario(name="ladder_restart", run=run, levels=(3, 5), rounds=Rounds(quick=2, full=4))
