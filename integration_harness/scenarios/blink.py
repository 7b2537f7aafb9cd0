"""`blink`: a matcher that sets our orders `matching` and back without pause.

In the first half nothing may happen at all; in the second the reference moves, and every cancel
meets false 404s.
"""

from __future__ import annotations

import time
from typing import Final

from integration_harness.bot_process import BotProcess
from integration_harness.context import Context
from integration_harness.market_view import OrderRow
from integration_harness.registry import Rounds, Scenario
from integration_harness.scenarios import steps
from integration_harness.waiting import require

_POLL_MS: Final = "1"
_HOLD_MS: Final = "3"
_MOVE_BPS: Final = 60
_MOST_TRIES: Final = 25
"""Cancels sent for one order: more is a storm."""
_LEAST_BLINKS_A_SECOND: Final = 20
_LOOK_SECONDS: Final = 0.02


def run(context: Context) -> None:
    """Under a matcher that blinks without pause nothing is filled, doubled or stormed."""
    exchange = context.exchange
    exchange.stop("matcher")
    context.keep(lambda: _restore(context))
    exchange.start("matcher", STACK_MATCHER_POLL_MS=_POLL_MS, STACK_MATCHER_BLINK_HOLD_MS=_HOLD_MS)
    proxy = context.api_proxy()
    context.phase("starting the bot under a blinking matcher")
    bot = context.bot(MM_API_BASE_URL=proxy.url, MM_MAX_CANCELS_PER_MINUTE="0")
    ladder = context.ladder(bot)
    half = context.rounds / 2
    _quiet_half(context, bot, ladder, half)
    replaced, slowest = _moving_half(context, bot, ladder, half)
    tries: dict[str, int] = {}
    for sent in proxy.cancels():
        tries[sent.nonce] = tries.get(sent.nonce, 0) + 1
    context.figure("replaced", replaced)
    context.figure("cancels_sent", len(proxy.cancels()))
    context.figure("false_404", sum(sent.status == 404 for sent in proxy.cancels()))
    context.figure("slowest_requote_seconds", slowest)
    most = max(tries.values(), default=0)
    require(most <= _MOST_TRIES, f"at most {_MOST_TRIES} cancels for one order", most)
    context.verified("cancels that meet a blink are tried again, without a storm")
    steps.fill_metrics(context, bot, buys=0, sells=0, partial=0)
    _one_fill(context, bot)


def _quiet_half(
    context: Context, bot: BotProcess, ladder: tuple[OrderRow, ...], seconds: float
) -> None:
    context.phase(f"{seconds:g} s in which nothing may happen")
    seq = context.view.newest_event()
    assert seq is not None, "the local exchange keeps an event log"
    lacking = _lacking(bot, seconds)
    require(not lacking, "the bot sees its orders also while the matcher holds them", lacking)
    live = context.view.live(context.target.bot)
    require(steps.ids(live) == steps.ids(ladder), "the orders are the same", live)
    require(not bot.cancelled_ids(), "nothing was cancelled", bot.cancelled_ids())
    require(len(bot.placed_ids()) == len(ladder), "nothing was placed", bot.placed_ids())
    require(not context.bot_fills(), "nothing was filled")
    steps.fill_metrics(context, bot, buys=0, sells=0, partial=0)
    blinks = context.view.history(context.target.bot, seq, context.levels).blinks
    require(blinks >= seconds * _LEAST_BLINKS_A_SECOND, "the matcher did blink", blinks)
    context.figure("blinks_a_second", blinks / seconds)
    context.verified(f"{blinks} blinks caused no fill, no cancel and no order")


def _lacking(bot: BotProcess, seconds: float) -> set[str]:
    """What the bot missed in the order table meanwhile: its orders are all there, all the time."""
    until, found = time.monotonic() + seconds, set[str]()
    while time.monotonic() < until:
        contradictions = bot.status()["contradictions"]
        found.update(what for what in contradictions if what.startswith("orders lack "))
        time.sleep(_LOOK_SECONDS)
    return found


def _moving_half(
    context: Context, bot: BotProcess, ladder: tuple[OrderRow, ...], seconds: float
) -> tuple[int, float]:
    """How many orders were replaced, and how long the slowest of the requotes took."""
    until, moves, slowest = time.monotonic() + seconds, 0, 0.0
    while moves == 0 or time.monotonic() < until:
        context.phase(f"requote {moves + 1} under blinks")
        began = time.monotonic()
        context.move_reference(-_MOVE_BPS if moves % 2 else _MOVE_BPS)
        ladder = context.ladder(bot, without=steps.ids(ladder))
        slowest = max(slowest, time.monotonic() - began)
        moves += 1
    return moves * len(ladder), slowest


def _one_fill(context: Context, bot: BotProcess) -> None:
    context.phase("one real fill among the blinks")
    maker = context.ladder(bot)[0]
    context.taker.take(maker)
    bought = int(maker.side == "buy")
    steps.fill_metrics(context, bot, buys=bought, sells=1 - bought, partial=0)
    context.ladder(bot, without=(maker.order_id,))
    context.verified("a real fill is counted once")


def _restore(context: Context) -> None:
    context.exchange.stop("matcher")
    context.exchange.start("matcher")


SCENARIO = Scenario(
    name="blink",
    run=run,
    own_anchor=True,
    local_only=True,
    levels=(3,),
    rounds=Rounds(quick=6, full=60),
)
