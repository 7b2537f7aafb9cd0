"""`breaker`: a taker after whom the price moves costs more than a day may, and the bot stops.

Killed and started again it holds as long as before and has no new budget; after its cooldown it
quotes with the second and last one, and a loss of that holds until the next day.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from integration_harness.bot_process import BotProcess
from integration_harness.context import Context
from integration_harness.registry import Scenario
from integration_harness.scenarios import steps
from integration_harness.waiting import require, wait_until

_COOLDOWN: Final = "breaker cooldown"
_DAY: Final = "daily loss limit"
_MOVE_BPS: Final = 100
_LOSS_BPS: Final = 40
"""Of the notional that is taken: less than the move takes, beyond what the spread brought."""


def run(context: Context) -> None:
    """A losing taker trips the breaker; kill -9 renews nothing; it resumes as configured."""
    settings = _settings(context)
    context.phase("starting the bot")
    bot = context.bot(**settings)
    context.ladder(bot)
    _lose(context, bot)
    context.halted(bot, _COOLDOWN)
    context.none_live(bot)
    first = _breaker(context, bot, trips=1)
    context.figure("lost_cngn", bot.metrics()["mm_bot_daily_pnl"])
    context.phase("kill -9 in the cooldown")
    bot.kill()
    bot = context.bot(**settings)
    context.ladder(bot)
    steps.still_halted(context, bot, _COOLDOWN, first["halted_until_ms"])
    context.verified("a loss trips the breaker; kill -9 and restart do not end its cooldown")
    require(_breaker(context, bot, trips=1)["base"] != first["base"], "a new budget, a new base")
    context.verified("after the cooldown it quotes again, with a new budget")
    _lose(context, bot)
    context.halted(bot, _DAY)
    context.phase("kill -9 after the last budget")
    bot.kill()
    bot = context.bot(**settings)
    context.halted(bot, _DAY)
    context.cycles(bot, 3)
    context.none_live(bot)
    _breaker(context, bot, trips=2)
    context.verified("the last budget of the day is not renewed by a restart")


def _settings(context: Context) -> dict[str, str]:
    """A limit of part of what a taken order loses when the price moves; the stock that is there is
    the target, so that it makes neither loss nor gain."""
    instrument = context.target.instrument
    size = Decimal(context.settings()["MM_ORDER_SIZE"])
    assert context.anchor is not None, "the scenario is registered with an anchor of its own"
    contract = 1 if instrument.is_spot else 10_000
    limit = size * contract * context.anchor.price * _LOSS_BPS / 10_000
    held = steps.inventory(context)
    return {
        "MM_MAX_DAILY_LOSS": f"{limit:.0f}",
        "MM_BREAKER_COOLDOWN_SECONDS": "5",
        "MM_BREAKER_RESUME": "cooldown",
        "MM_BREAKER_MAX_TRIPS": "2",
        # as fine as the variable takes it: a fill before may have left a longer rest
        "MM_TARGET_INVENTORY": f"{Decimal(held.numerator) / Decimal(held.denominator):.12f}",
        "MM_MAX_CANCELS_PER_MINUTE": "0",
    }


def _lose(context: Context, bot: BotProcess) -> None:
    """The best ask is taken, then the price rises."""
    asks = [order for order in context.ladder(bot) if order.side == "sell"]
    maker = min(asks, key=lambda order: order.price)
    context.phase(f"a taker buys {maker.order_id}, then the price rises by {_MOVE_BPS} bps")
    context.taker.take(maker)
    context.ladder(bot, without=(maker.order_id,))
    context.move_reference(_MOVE_BPS)


def _breaker(context: Context, bot: BotProcess, *, trips: int) -> dict[str, Any]:
    """What the state file says of it, once it has so many trips."""
    found: dict[str, Any] = wait_until(
        f"{trips} trips in the state file",
        lambda: bot.state().get("strategy", {}).get("breaker", {}),
        lambda breaker: breaker.get("trips") == trips,
        context.limits,
    )
    return {name: found[name] for name in ("trips", "halted_until_ms", "base")}


SCENARIO = Scenario(name="breaker", run=run, own_anchor=True)
