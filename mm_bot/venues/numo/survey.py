"""What `mm-bot check` looks at beside what a start proves: clocks, rights, orders, balances."""

from __future__ import annotations

from typing import Final

from mm_bot.core.balances import holdings
from mm_bot.core.commands import Watch
from mm_bot.core.instrument import Instrument, Margin
from mm_bot.core.orders import Ownership
from mm_bot.core.snapshot import CLOCK_SKEW_MS, OwnOrders
from mm_bot.errors import EdgeError
from mm_bot.venues.checks import Checks, compare_clocks
from mm_bot.venues.numo.account import market_balances
from mm_bot.venues.numo.checks import Proven
from mm_bot.venues.numo.order_table import NOBODY, OrderTable
from mm_bot.venues.numo.reach import Parts

_ALL_LIVE: Final = Watch(order_ids=(), nonces=(), fills_after=None, include_unexpired=False)


async def survey(
    parts: Parts, checks: Checks, proven: Proven, instrument: Instrument, table: OrderTable
) -> None:
    """Clocks, market, orders and balances."""
    _api_clock(parts, checks)
    await _node_clock(parts, checks)
    await _market_data(parts, checks, instrument)
    orders = await _orders(checks, table) if proven.postgres else None
    if proven.cash is not None:
        await _balances(parts, checks, instrument, proven.cash, orders)


def _api_clock(parts: Parts, checks: Checks) -> None:
    if parts.data.clock is None:
        checks.note("API", "clock", "its answers carry no Date header")
    else:
        compare_clocks(checks, "API", parts.data.clock.ahead_ms)


async def _node_clock(parts: Parts, checks: Checks) -> None:
    block_s = await checks.answer("node", "block", parts.chain.block_time_s(), parts.node_name)
    if block_s is not None:
        age_ms = parts.now_ms() - block_s * 1000
        detail = f"the latest block is {age_ms / 1000:.1f} s old by this clock"
        far = age_ms < -CLOCK_SKEW_MS or age_ms > 30_000
        (checks.note if far else checks.ok)("node", "clock", detail)


async def _market_data(parts: Parts, checks: Checks, market: Instrument) -> None:
    # Both halt and are tried again in flight; at a start neither is fatal.
    try:
        book = await parts.data.book(market, parts.config.owner)
        trades = await parts.data.trades(market)
    except EdgeError as error:
        detail = f"{error}; the bot would halt until it reads them"
        checks.note("market", "book and trades", detail)
        return
    bids, asks = (sum(not o.ours for o in side) for side in (book.bids, book.asks))
    detail = f"{bids} bids and {asks} asks of others, {len(trades)} last trades"
    checks.ok("market", "book and trades", detail)
    if not market.is_open(parts.now_ms()):
        checks.wrong("market", "expiry", f"{market.symbol} has expired")


async def _orders(checks: Checks, table: OrderTable) -> OwnOrders | None:
    read = await checks.answer("Postgres", "own orders", table.read(_ALL_LIVE), "the order table")
    holder = await checks.answer("Postgres", "lock", table.lock_holder(), "the order table")
    if read is None or holder is None:
        return None
    if holder == NOBODY:
        checks.ok("Postgres", "one-writer lock", "free")
    else:
        checks.note("Postgres", "one-writer lock", f"held by {holder}")
    live = [row for row in read.orders.rows if row.live]
    managed = sum(row.ownership is Ownership.MANAGED for row in live)
    protected = sum(row.ownership is Ownership.PROTECTED for row in live)
    strangers = len(live) - managed - protected
    detail = f"{managed} of the bot, {protected} protected, {strangers} others of this subaccount"
    if strangers:
        checks.note("market", "own orders", f"{detail}: a start cancels those others")
    else:
        checks.ok("market", "own orders", detail)
    return read.orders


async def _balances(
    parts: Parts, checks: Checks, market: Instrument, cash: str, orders: OwnOrders | None
) -> None:
    config = parts.config
    question = parts.chain.balances(config.sub_accounts, config.subaccount_id)
    account = await checks.answer("market", "balances", question, parts.node_name)
    if account is None:
        return
    seen = market_balances(account, market, cash)
    funded = market.margin is Margin.FUNDED
    base, base_free, free = (market.base if funded else "contracts"), "", ""
    if orders is not None:
        money = holdings(market, seen, orders.reserved_elsewhere, orders.rows)
        free = f" (available {money.quote_available} for quotes)"
        base_free = f" (available {money.base_available} for quotes)" if funded else ""
    if funded and not seen.base:
        checks.note("market", f"{base} balance", f"0{base_free}: no ask can be quoted")
    else:
        checks.ok("market", f"{base} balance", f"{seen.base}{base_free}")
    name = f"{market.collateral} balance"
    if seen.quote.value <= 0:
        side = "no bid" if funded else "nothing"
        checks.note("market", name, f"{seen.quote}{free}: {side} can be quoted")
    else:
        checks.ok("market", name, f"{seen.quote}{free}")
