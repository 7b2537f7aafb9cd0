"""`duplicate_startup`: several orders in one slot; start-up leaves one order a slot."""

from __future__ import annotations

from integration_harness.context import Context
from integration_harness.registry import Scenario
from integration_harness.scenarios import steps
from integration_harness.stack.quantities import Side
from integration_harness.waiting import require


def run(context: Context) -> None:
    """Duplicates on a side are cancelled at start-up, which converges to one order a slot."""
    context.phase("asking the bot what it would quote")
    wanted = context.ask_what_it_wants()
    side: Side = context.random.choice(("buy", "sell"))
    mine = [level for level in wanted if level.side == side]
    seeds = [steps.seed_order(context, side, level.price, level.size) for level in mine]
    best = mine[0]
    seeds += [steps.seed_order(context, side, best.price, best.size) for _ in range(2)]
    context.phase(f"starting the bot over {len(seeds)} orders on the {side} side")
    bot = context.bot()
    context.ladder(bot)
    startup = context.startup(bot)
    duplicates = [i for i, reason in startup.canceled.items() if reason == "duplicate_side"]
    if context.levels == 1:
        require(not startup.adopted, "none of several orders on a side is adopted", startup)
        require(sorted(duplicates) == sorted(seeds), "all are cancelled as duplicates", startup)
    else:
        # One of the best level's three, and the others of the ladder.
        count = len(startup.adopted)
        require(count == context.levels, "one order a slot is adopted", startup)
        require(len(duplicates) == 2, "the surplus ones are cancelled as duplicates", startup)
        require(set(startup.adopted) | set(duplicates) == set(seeds), "no others", startup)
    rows = {row.order_id: row.status for row in context.view.orders(context.target.bot)}
    ended = {order_id: rows[order_id] for order_id in duplicates}
    require(set(ended.values()) == {"cancelled"}, "the exchange has cancelled each", ended)
    context.watch_slots()
    context.cycles(bot, 5)
    context.figure("duplicates", len(duplicates))
    context.verified(f"{len(duplicates)} duplicates were cancelled; one order a slot is left")


SCENARIO = Scenario(name="duplicate_startup", run=run)
