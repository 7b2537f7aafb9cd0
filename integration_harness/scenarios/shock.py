"""`shock`: the price jumps by 3 %, every quote goes, and quoting resumes at the new level.

The time measured is from the moment the anchor says the new price to the first look that shows no
order of before it; what a loaded machine kept the bot or us waiting is not held against it. In the
pause the bot is killed and started again: the pause holds.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Final

from integration_harness.bot_process import BotProcess
from integration_harness.context import Context
from integration_harness.registry import Rounds, Scenario
from integration_harness.scenarios import steps
from integration_harness.starvation import Starvation
from integration_harness.waiting import require, wait_until

_REASON: Final = "price shock"
_JUMP_BPS: Final = 300
_GONE_SECONDS: Final = 0.5
_PAUSE_SECONDS: Final = 5
_SETTINGS: Final = {
    "MM_SHOCK_BPS": "200",
    "MM_SHOCK_WINDOW_SECONDS": "10",
    "MM_SHOCK_PAUSE_SECONDS": str(_PAUSE_SECONDS),
    "MM_MAX_CANCELS_PER_MINUTE": "0",
}


def run(context: Context) -> None:
    """A jump of the price takes every quote away at once; quoting resumes at the new level."""
    context.phase("starting the bot")
    bot = context.bot(**_SETTINGS)
    slowest = 0.0
    for number in range(context.rounds):
        old = context.ladder(bot)
        jump = -_JUMP_BPS if number % 2 else _JUMP_BPS
        context.phase(f"the price jumps by {jump} bps, {number + 1} of {context.rounds}")
        slowest = max(slowest, _gone_after_jump(context, bot, steps.ids(old), jump))
        context.halted(bot, _REASON)
        until_ms = _pause_ends_ms(context, bot)
        context.phase("kill -9 in the pause")
        bot.kill()
        bot = context.bot(**_SETTINGS)
        context.ladder(bot, without=steps.ids(old))
        steps.still_halted(context, bot, _REASON, until_ms)
        assert context.anchor is not None, "the scenario is registered with an anchor of its own"
        reference = Decimal(bot.status()["reference"]["price"])
        require(reference == context.anchor.price, "the reference is the new price", reference)
    context.figure("slowest_gone_ms", slowest * 1000)
    context.verified(
        f"no quote rests at the old price {_GONE_SECONDS * 1000:.0f} ms after it moved"
    )
    context.verified("the pause outlives a kill -9, and quoting resumes at the new level")


def _gone_after_jump(context: Context, bot: BotProcess, old: list[str], jump: int) -> float:
    """Seconds until no order of `old` rests."""
    starved, moved_at = Starvation(bot.pid), time.monotonic()
    context.move_reference(jump)
    while True:
        looked_at = time.monotonic() - moved_at - starved.seconds
        left = set(old) & set(steps.ids(context.view.live(context.target.bot)))
        if not left:
            return time.monotonic() - moved_at
        require(looked_at <= _GONE_SECONDS, f"no old quote after {_GONE_SECONDS} s", sorted(left))
        time.sleep(0.01)


def _pause_ends_ms(context: Context, bot: BotProcess) -> int:
    """By the state file, unix milliseconds."""
    found = wait_until(
        "the end of the pause in the state file",
        lambda: bot.state().get("strategy", {}).get("shock"),
        lambda until_ms: until_ms is not None,
        context.limits,
    )
    assert isinstance(found, int)
    return found


SCENARIO = Scenario(name="shock", run=run, own_anchor=True, rounds=Rounds(quick=1, full=4))
