"""`partial_fill`: a part of a quote is taken, the rest stays sane, and no second order appears."""

from __future__ import annotations

from typing import Final

from integration_harness.checks import check_resting
from integration_harness.context import Context
from integration_harness.registry import Scenario
from integration_harness.scenarios import steps
from integration_harness.stack.quantities import Side
from integration_harness.waiting import require

_TAKEN_PERCENT: Final = 40
_LIFETIME_SECONDS: Final = 3


def run(context: Context) -> None:
    """A part of a quote is taken, the rest stays sane, and no second order appears."""
    context.phase("starting the bot")
    # Young quotes are not replaced, so that what is left of one can be looked at.
    bot = context.bot(MM_MIN_QUOTE_LIFETIME_SECONDS=str(_LIFETIME_SECONDS))
    before = steps.inventory(context)
    sides: tuple[Side, Side] = ("buy", "sell")
    for side in sides:
        ladder = context.ladder(bot)
        maker = next(order for order in ladder if order.side == side)
        taken = max(1, maker.desired * _TAKEN_PERCENT // 100)
        context.phase(f"taking {taken} of {maker.desired} steps of {maker.order_id}")
        context.taker.take(maker, taken)
        rows = {row.order_id: row for row in context.view.orders(context.target.bot)}
        row = rows[maker.order_id]
        require(row.filled == taken, f"{taken} steps of the order are filled", row)
        require(row.live or row.status == "cancelled", "what is left of it is live or gone", row)
        check_resting(context.view.live(context.target.bot), context.levels)
        steps.trade_is_public(context, maker, taken)
        context.verified(f"a {side} order was filled in part, and what is left of it is sane")
    steps.fill_metrics(context, bot, buys=1, sells=1, partial=2)
    steps.inventory_moved(context, bot, before)
    context.phase("waiting for the full size to be quoted again")
    touched = {fill.order_id for fill in context.bot_fills()}
    context.ladder(bot, without=touched)
    context.verified("the remainders were replaced by whole quotes")


SCENARIO = Scenario(name="partial_fill", run=run)
