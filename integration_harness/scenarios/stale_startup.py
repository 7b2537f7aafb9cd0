"""`stale_startup`: stale orders of the bot's own are cancelled at start-up; fresh ones follow."""

from __future__ import annotations

from typing import Final

from integration_harness.context import Context
from integration_harness.registry import Scenario
from integration_harness.scenarios import steps
from integration_harness.waiting import require

_AWAY_BPS: Final = 200
"""Further than any level and any threshold, on the side that cannot trade."""


def run(context: Context) -> None:
    """Stale orders of the bot's own are cancelled at start-up, and fresh ones placed."""
    context.phase("asking the bot what it would quote")
    wanted = context.ask_what_it_wants()
    tick = context.target.price_tick
    stale = []
    for level in wanted:
        bps = -_AWAY_BPS if level.side == "buy" else _AWAY_BPS
        price = steps.apart(level.price, bps, tick)
        stale.append(steps.seed_order(context, level.side, price, level.size))
    context.watch_slots()
    context.phase(f"starting the bot over {len(stale)} stale orders")
    bot = context.bot()
    ladder = context.ladder(bot, without=stale)
    startup = context.startup(bot)
    require(not startup.adopted, "no stale order is adopted", startup)
    reasons = {order_id: startup.canceled.get(order_id) for order_id in stale}
    require(
        set(reasons.values()) == {"price_too_far_from_target"},
        "each stale order is cancelled as too far from its target",
        reasons,
    )
    rows = {row.order_id: row for row in context.view.orders(context.target.bot)}
    ended = {order_id: rows[order_id].status for order_id in stale}
    require(set(ended.values()) == {"cancelled"}, "the exchange has cancelled each", ended)
    require(not set(stale) & set(steps.ids(ladder)), "the quotes are fresh ones", ladder)
    count = steps.cancels_by_category(bot)["startup_reconciliation"]
    require(count == len(stale), "they count as startup_reconciliation", count)
    context.figure("stale_orders", len(stale))
    context.verified(f"{len(stale)} stale orders were cancelled and fresh quotes placed")


SCENARIO = Scenario(name="stale_startup", run=run)
