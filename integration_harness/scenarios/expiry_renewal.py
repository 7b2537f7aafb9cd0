"""`expiry_renewal`: quotes are renewed before they expire; a killed bot's are gone by then."""

from __future__ import annotations

import time
from typing import Final

from integration_harness.context import Context
from integration_harness.registry import Rounds, Scenario
from integration_harness.scenarios import steps
from integration_harness.starvation import Starvation
from integration_harness.waiting import Limits, require, wait_until

_EXPIRY_SECONDS: Final = 20
_QUICK_EXPIRY_SECONDS: Final = 10
_LONGEST_GAP_SECONDS: Final = 0.25
"""One round trip, from a cancel that took effect to the order that follows it; what a loaded
machine kept the bot or us waiting comes on top."""
_SLACK_SECONDS: Final = 2.0


def run(context: Context) -> None:
    """Quotes are renewed without a gap before they expire; a killed bot's are gone by then."""
    expiry = _QUICK_EXPIRY_SECONDS if context.quick else _EXPIRY_SECONDS
    context.phase(f"starting the bot with orders that live {expiry} s")
    bot = context.bot(MM_ORDER_EXPIRY_SECONDS=str(expiry))
    ladder = context.ladder(bot)
    starved = Starvation(bot.pid)
    seq = context.view.newest_event()
    for number in range(context.rounds):
        context.phase(f"waiting for renewal {number + 1} of {context.rounds}")
        ladder = context.ladder(bot, without=steps.ids(ladder))
    rows = context.view.orders(context.target.bot)[context.before.orders :]
    expired = [row for row in rows if row.status == "expired"]
    require(not expired, "no quote expires while the bot lives", expired)
    if seq is not None:
        gaps = context.view.history(context.target.bot, seq, context.levels).gaps_seconds
        longest = max(gaps.values())
        context.figure("longest_gap_ms", longest * 1000)
        require(
            longest - starved.seconds <= _LONGEST_GAP_SECONDS or not context.target.local,
            f"a side is never without a quote for more than {_LONGEST_GAP_SECONDS} s",
            f"{longest:.3f} s",
        )
        context.verified("the book is never without our quotes for more than one round trip")

    context.phase("killing it")
    bot.kill()
    killed_at = time.monotonic()
    require(len(context.view.all_live()) == len(ladder), "a killed bot's quotes rest at first")
    wait_until(
        f"the quotes of the killed bot to leave the book within {expiry} s",
        lambda: (*context.view.book().bids, *context.view.book().asks),
        lambda shown: not shown,
        Limits(timeout_seconds=expiry + _SLACK_SECONDS, poll_seconds=0.1),
    )
    context.figure("gone_after_seconds", time.monotonic() - killed_at)
    context.verified(f"a killed bot's quotes are gone within {expiry} s")


SCENARIO = Scenario(name="expiry_renewal", run=run, levels=(3,), rounds=Rounds(quick=1, full=3))
