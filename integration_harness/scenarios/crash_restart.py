"""`crash_restart`: kill -9 at a random moment of a requote, again and again.

After each restart exactly the wanted orders are live; over all of it no nonce was used twice and
no fill was lost or counted twice.
"""

from __future__ import annotations

import time
from typing import Final

import httpx

from integration_harness.context import Context
from integration_harness.registry import Rounds, Scenario

_MOVE_BPS: Final = 60
_LATEST_SECONDS: Final = 0.25
"""A requote begins and ends within the poll interval and some round trips."""


def run(context: Context) -> None:
    """Killed at random moments of requotes, the bot repeats no nonce and loses no fill."""
    proxy = context.api_proxy()
    settings = {"MM_API_BASE_URL": proxy.url, "MM_MAX_CANCELS_PER_MINUTE": "0"}
    context.phase("starting the bot")
    bot = context.bot(**settings)
    ladder = context.ladder(bot)
    slowest, halfway = 0.0, 0
    for number in range(context.rounds):
        context.phase(f"requote and kill -9, {number + 1} of {context.rounds}")
        if number % 2:
            maker = context.random.choice(ladder)
            try:
                context.taker.send(maker, max(1, maker.remaining // 3))
            except httpx.HTTPStatusError:
                context.phase("the taker was refused")
        known = {order.order_id for order in ladder}
        context.move_reference(_MOVE_BPS if number % 2 else -_MOVE_BPS)
        time.sleep(context.random.uniform(0, _LATEST_SECONDS))
        bot.kill()
        left = {order.order_id for order in context.view.live(context.target.bot)}
        halfway += bool(left & known) and left != known
        began = time.monotonic()
        bot = context.bot(**settings)
        ladder = context.ladder(bot)
        slowest = max(slowest, time.monotonic() - began)
    context.figure("crashes", context.rounds)
    context.figure("crashes_halfway", halfway)
    context.figure("slowest_recovery_seconds", slowest)
    context.verified(f"after each of {context.rounds} crashes exactly the wanted orders are live")


SCENARIO = Scenario(name="crash_restart", run=run, own_anchor=True, rounds=Rounds(quick=3, full=20))
