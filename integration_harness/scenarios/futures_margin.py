"""`futures_margin`: selling opens a short within the margin; position and cash follow each fill."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

from integration_harness import checks
from integration_harness.bot_process import BotProcess
from integration_harness.context import Context
from integration_harness.registry import Rounds, Scenario
from integration_harness.scenarios import steps
from integration_harness.waiting import require, wait_until

_ONE: Final = 10**18
_CONTRACT_SIZE: Final = 10_000
_MARGIN_RATE: Final = Fraction(1, 5)
_FAR_TOO_MUCH: Final = "1000000"
_MOST_EXTRA: Final = 30


def run(context: Context) -> None:
    """Selling opens a short within the margin; position and cash agree with the chain."""
    context.phase("starting the bot")
    bot = context.bot()
    fills = 0
    while fills < context.rounds or steps.inventory(context) >= 0:
        require(fills < context.rounds + _MOST_EXTRA, "selling opens a short")
        maker = next(order for order in context.ladder(bot) if order.side == "sell")
        context.phase(f"taking {maker.order_id}, fill {fills + 1}")
        context.taker.take(maker)
        fills += 1
        _agrees(context, bot, maker.order_id)
    position, cash = _position(context), _cash(context)
    require(position < 0, "selling opened a short", position)
    context.figure("position", float(position))
    context.figure("cash", float(cash))
    context.verified(f"position and cash agreed with the chain after each of {fills} fills")

    bot.stop()
    context.phase("asking for far more than the margin allows")
    wanted = context.ask_what_it_wants(
        MM_ORDER_SIZE=_FAR_TOO_MUCH,
        MM_QUOTE_LEVELS="1",
        MM_MAX_LONG_INVENTORY=_FAR_TOO_MUCH,
        MM_MAX_SHORT_INVENTORY=f"-{_FAR_TOO_MUCH}",
    )
    for side in checks.SIDES:
        size = sum((level.size for level in wanted if level.side == side), Decimal(0))
        margin = Fraction(size) * _CONTRACT_SIZE * _MARGIN_RATE
        require(margin <= cash, f"the {side} side fits the cash {cash}", f"margin {margin}")
    context.verified("quotes are cut to what the cash can margin")


def _agrees(context: Context, bot: BotProcess, order_id: str) -> None:
    """The chain by the fills, the bot by the chain."""
    context.ladder(bot, without=(order_id,))
    context.agrees_with_chain()
    wanted = (_position(context), _cash(context))
    wait_until(
        f"the bot to know position and cash {wanted}",
        lambda: (
            Fraction(bot.status()["balances"]["base"]["total"]),
            Fraction(bot.status()["balances"]["quote"]["total"]),
        ),
        lambda known: known == wanted,
        context.limits,
        alive=bot.why_over,
    )
    position, cash = wanted
    used = abs(position) * _CONTRACT_SIZE * _MARGIN_RATE
    require(used <= cash, "the position is within the margin", f"{used} of {cash}")


def _position(context: Context) -> Fraction:
    return Fraction(checks.holdings(context.view, context.target.bot).asset, _ONE)


def _cash(context: Context) -> Fraction:
    return Fraction(checks.holdings(context.view, context.target.bot).cash, _ONE)


SCENARIO = Scenario(
    name="futures_margin",
    run=run,
    kinds=("future",),
    levels=(1, 3),
    rounds=Rounds(quick=2, full=5),
)
