"""Steps that several scenarios take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from integration_harness.bot_process import BotProcess, LogLine
from integration_harness.context import Context
from integration_harness.market_view import OrderRow
from integration_harness.stack.orders import OrderTicket
from integration_harness.stack.quantities import Side
from integration_harness.waiting import require, wait_until

_ONE: Final = 10**18
_QUIET_CYCLES: Final = 5
_NONCE_BITS: Final = 20


def inventory(context: Context) -> Fraction:
    """What the chain says the bot holds of the base side: USDC, or contracts."""
    instrument, chain = context.target.instrument, context.view.chain
    asset, sub_id = instrument.asset_address, instrument.sub_id
    if instrument.is_spot:
        asset, sub_id = chain.cash_asset(), 0
    return Fraction(chain.balance(context.target.bot.subaccount_id, asset, sub_id), _ONE)


def inventory_moved(context: Context, bot: BotProcess, before: Fraction) -> None:
    """The chain's inventory moved by the fills, and the bot knows the new one."""
    moved = sum(
        (
            fill.base_size(context.target.instrument) * (1 if fill.side == "buy" else -1)
            for fill in context.bot_fills()
        ),
        Fraction(0),
    )
    now = wait_until(
        f"the inventory on chain to move by {moved} from {before}",
        lambda: inventory(context),
        lambda seen: seen == before + moved,
        context.limits,
    )
    wait_until(
        f"the bot to know its inventory of {float(now)}",
        lambda: Fraction(bot.status()["balances"]["base"]["total"]),
        lambda known: known == now,
        context.limits,
        alive=bot.why_over,
    )
    context.verified("the inventory moved on chain by exactly the fills, and the bot knows it")


def trade_is_public(context: Context, maker: OrderRow, size: int) -> None:
    """The API shows the trade, with the bot's order as its maker."""
    found = wait_until(
        f"the trade of {maker.order_id} at /v1/trades",
        lambda: [
            trade
            for trade in context.view.api.trades(context.target.instrument.symbol)
            if trade["maker_order_id"] == maker.order_id
        ],
        bool,
        context.limits,
    )
    require(int(found[0]["size"]) == size, f"one trade of {size} steps", found[0])


def fill_metrics(context: Context, bot: BotProcess, *, buys: int, sells: int, partial: int) -> None:
    """The bot counts what `trade_fills` has, by the side of its own order."""

    def look() -> tuple[float, float, float]:
        seen = bot.metrics()
        partials = sum(
            seen[f'mm_bot_partial_fills_total{{side="{side}"}}'] for side in ("buy", "sell")
        )
        return (
            seen['mm_bot_fills_total{side="buy"}'],
            seen['mm_bot_fills_total{side="sell"}'],
            partials,
        )

    wanted = (buys, sells, partial)
    wait_until(
        f"fills of {wanted} (buy, sell, partial) in /metrics",
        look,
        lambda seen: seen == wanted,
        context.limits,
        alive=bot.why_over,
    )
    context.verified("mm_bot_fills_total counts the rows of trade_fills")


def stopped_cleanly(context: Context, bot: BotProcess) -> None:
    """SIGTERM: exit code 0, a summary in the log, and the quotes stay."""
    before = ids(context.view.live(context.target.bot))
    code = bot.stop()
    require(code == 0, "a stopped bot exits with 0", f"{code}\n{bot.log_tail()}")
    require(bool(bot.log("summary")), "a stopped bot logs its summary")
    left = ids(context.view.live(context.target.bot))
    require(left == before, "quotes survive a clean stop", (before, left))
    context.verified("a clean stop leaves the quotes resting")


def restart_adopts(context: Context, ladder: Sequence[OrderRow]) -> BotProcess:
    """A new process adopts every resting order, and the next cycles change nothing."""
    bot = context.bot()
    after = context.ladder(bot)
    wanted = ids(ladder)
    require(ids(after) == wanted, "a restart keeps every order", (wanted, ids(after)))
    startup = context.startup(bot)
    require(sorted(startup.adopted) == wanted, "every order is adopted", startup)
    require(not startup.canceled, "none is cancelled", startup)
    context.cycles(bot, _QUIET_CYCLES)
    require(not bot.placed_ids(), "nothing is placed after the adoption", bot.placed_ids())
    require(not bot.cancelled_ids(), "nothing is cancelled after it", bot.cancelled_ids())
    require(ids(context.view.live(context.target.bot)) == wanted, "the orders are the same")
    context.verified(f"a restart adopts all {len(wanted)} orders, and nothing churns")
    return bot


def still_halted(context: Context, bot: BotProcess, reason: str, until_ms: int) -> None:
    """The first cycle of a new process halts by that reason, and it places nothing before
    `until_ms`; where it came up later than that, it need not."""
    (first, *_) = wait_until(
        "the start-up reconciliation in the log",
        lambda: bot.log("startup"),
        bool,
        context.limits,
        alive=bot.why_over,
    )
    late = _logged_ms(first) >= until_ms
    require(late or reason in first.fields["halts"], f"it starts halted by {reason!r}", first)
    early = [line for line in bot.log("order.place") if _logged_ms(line) < until_ms]
    require(not early, f"nothing is placed before {until_ms}", early)


def _logged_ms(line: LogLine) -> float:
    return datetime.fromisoformat(line.fields["time"]).timestamp() * 1000


def cancels_by_category(bot: BotProcess) -> dict[str, int]:
    """Acknowledged cancels as `/metrics` has them."""
    stem = 'mm_bot_order_cancels_total_by_category{category="'
    return {
        name.removeprefix(stem).removesuffix('"}'): int(value)
        for name, value in bot.metrics().items()
        if name.startswith(stem)
    }


def seed_order(context: Context, side: Side, price: Decimal, size: Decimal) -> str:
    """Place an order as the bot itself would name, number and sign it; its id."""
    # Above the clock, as the bot's own: a foreign owner's nonces must not jump ahead by years.
    nonce = (time.time_ns() // 500_000 << _NONCE_BITS) | context.random.getrandbits(_NONCE_BITS)
    order_id = f"mm:{context.target.instrument.symbol}:{side}:{nonce}"
    ticket = OrderTicket(
        instrument=context.target.instrument,
        side=side,
        price=price,
        size=size,
        nonce=nonce,
        order_id=order_id,
    )
    signer = context.target.bot.signer(context.target.deployment)
    context.view.api.place(signer.order_body(ticket))
    return order_id


def ids(orders: Sequence[OrderRow]) -> list[str]:
    """Order ids, sorted."""
    return sorted(order.order_id for order in orders)


def apart(price: Decimal, bps: int, tick: Decimal) -> Decimal:
    """A price so many basis points away (negative is below), on the market's grid."""
    raw = price * (10_000 + bps) / 10_000
    return (raw / tick).to_integral_value() * tick
