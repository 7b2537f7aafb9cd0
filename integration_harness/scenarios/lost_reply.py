"""`lost_reply`: replies of the API are lost after it acted, requests and replies come seconds late.

There are never two live orders in a slot, no order is replaced under a new nonce while its fate is
unknown, and in the end all of it is resolved.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

from integration_harness.api_proxy import PLACE, Fault, faithful
from integration_harness.context import Context
from integration_harness.registry import Rounds, Scenario
from integration_harness.scenarios import steps
from integration_harness.waiting import require, wait_until

_MOVE_BPS: Final = 60


def run(context: Context) -> None:
    """Lost replies and late requests never put two live orders into a slot; all are resolved."""
    proxy = context.api_proxy()
    delays = context.random

    def rule(path: str, number: int) -> Fault:
        # Every third order and every fourth cancel, so that each round has some of each.
        every = 3 if path == PLACE else 4
        if number % every == 1:
            return Fault(lost=True)
        if number % every == 2:
            # Past the bot's patience: it has to decide before the order is there.
            return Fault(held_seconds=delays.uniform(1, 4))
        if number % every == 3:
            return Fault(delay_seconds=delays.uniform(1, 3))
        return Fault()

    proxy.rule = rule
    context.phase("starting the bot behind a proxy that loses and delays")
    bot = context.bot(MM_API_BASE_URL=proxy.url, MM_MAX_CANCELS_PER_MINUTE="0")
    ladder = context.ladder(bot)
    slowest = 0.0
    for number in range(context.rounds):
        context.phase(f"requote {number + 1} of {context.rounds}")
        began = time.monotonic()
        context.move_reference(-_MOVE_BPS if number % 2 else _MOVE_BPS)
        ladder = context.ladder(bot, without=steps.ids(ladder))
        slowest = max(slowest, time.monotonic() - began)
    proxy.rule = faithful
    context.ladder(bot)
    wait_until(
        "no order to be unknown",
        lambda: bot.metrics()["mm_bot_unknown_orders_open"],
        lambda count: count == 0,
        context.limits,
        alive=bot.why_over,
    )
    lost = [sent for sent in proxy.record if sent.lost]
    require(any(sent.path == PLACE for sent in lost), "some order's reply was lost")
    sent = Counter(each.nonce for each in proxy.orders())
    context.figure("replies_lost", len(lost))
    context.figure("orders_sent_again", sum(count > 1 for count in sent.values()))
    context.figure("slowest_requote_seconds", slowest)
    context.verified(f"{len(lost)} lost replies were resolved, and nothing is unknown")


SCENARIO = Scenario(name="lost_reply", run=run, own_anchor=True, rounds=Rounds(quick=2, full=8))
