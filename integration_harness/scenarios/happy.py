"""`happy`: quotes appear, one is taken whole, it is quoted again, and a restart adopts it all."""

from __future__ import annotations

from integration_harness.context import Context
from integration_harness.market_view import OrderRow
from integration_harness.registry import Scenario
from integration_harness.scenarios import steps
from integration_harness.waiting import require


def run(context: Context) -> None:
    """Quotes appear, one is taken whole, it is quoted again, and a restart adopts it all."""
    context.phase("starting the bot")
    bot = context.bot()
    ladder = context.ladder(bot)
    _check_book(context, ladder)
    context.verified(f"{context.levels} bids and {context.levels} asks rest in the book")

    before = steps.inventory(context)
    for side in ("sell", "buy"):
        maker = next(order for order in ladder if order.side == side)
        context.phase(f"taking all of {maker.order_id} at {maker.price}")
        context.taker.take(maker)
        steps.trade_is_public(context, maker, maker.remaining)
        ladder = context.ladder(bot, without=(maker.order_id,))
        context.verified(f"the {side} order was filled whole, reported and quoted again")
    fills = context.bot_fills()
    require(len(fills) == 2, "two fills, one a side", fills)
    steps.inventory_moved(context, bot, before)
    steps.fill_metrics(context, bot, buys=1, sells=1, partial=0)

    context.phase("stopping it, and starting it again")
    ladder = context.ladder(bot)
    steps.stopped_cleanly(context, bot)
    steps.restart_adopts(context, ladder)


def _check_book(context: Context, ladder: tuple[OrderRow, ...]) -> None:
    book = context.view.book()
    shown = {level.order_id for level in (*book.bids, *book.asks)}
    # The matcher may hold one of them at this very moment: then the book leaves it out.
    require(
        shown <= {order.order_id for order in ladder} and len(shown) >= len(ladder) - 2,
        "the book shows our orders and no others",
        shown,
    )


SCENARIO = Scenario(name="happy", run=run)
