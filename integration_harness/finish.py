"""What holds at the end of every scenario, over everything since it began."""

from __future__ import annotations

from integration_harness import checks
from integration_harness.context import Context
from integration_harness.waiting import require, wait_until


def compare(context: Context) -> None:
    """The bot's fills against its books, its metrics and the chain; its nonces; its slots.

    Raises:
        CheckError: at the first that differs, with both sides.
    """
    context.phase("comparing fills, books, chain, nonces and slots")
    _fills(context)
    _chain(context)
    _nonces(context)
    blinks = checks.check_slots(context.view, context.levels, *context.slots_since)
    context.verified("never more than one live order a slot")
    context.findings.figures.setdefault("blinks", blinks)


def _fills(context: Context) -> None:
    fills = context.bot_fills()
    if context.bots:
        last = context.bots[-1]
        wait_until(
            "every fill to be in the books of the state file exactly once",
            lambda: checks.books_fault(context.view, last.state().get("books", {}), fills),
            lambda fault: fault is None,
            context.limits,
        )
        context.verified(f"all {len(fills)} fills are in the bot's books exactly once")
    if len(context.bots) == 1 and context.bots[0].running:
        seen = context.bots[0].metrics()
        counted = sum(seen[f'mm_bot_fills_total{{side="{s}"}}'] for s in checks.SIDES)
        require(counted == len(fills), f"/metrics counts {len(fills)} fills", counted)
    context.findings.figures.setdefault("fills", len(fills))


def _chain(context: Context) -> None:
    view, target, before = context.view, context.target, context.before
    context.agrees_with_chain()
    taken = view.fills(target.taker, before.trade_id)
    checks.check_chain(view, "taker", target.taker, before.taker, taken, context.limits)
    what = "balances" if checks.compares_cash(view) else "positions"
    context.verified(f"the {what} on chain moved by exactly the fills")


def _nonces(context: Context) -> None:
    rows = context.view.orders(context.target.bot)[context.before.orders :]
    placed = [order_id for bot in context.bots for order_id in bot.placed_ids()]
    checks.check_nonces(rows, placed, [each for p in context.proxies for each in p.orders()])
    context.verified(f"no nonce was used twice ({len(placed)} orders)")
    context.findings.figures.setdefault("orders_placed", len(placed))
