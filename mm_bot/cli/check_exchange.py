"""What `check` asks the exchange: API, node, contracts, Postgres, then what needs all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from email.utils import parsedate_to_datetime
from typing import Final

from mm_bot.cli.check_contracts import check_contracts
from mm_bot.cli.check_lines import Lines
from mm_bot.cli.orders import ALL_LIVE
from mm_bot.cli.reach import Reach, in_time, now_ms, reaching
from mm_bot.core.balances import funds
from mm_bot.core.instrument import Instrument
from mm_bot.core.orders import Ownership
from mm_bot.core.snapshot import OwnOrders
from mm_bot.errors import BotError, EdgeError, IdentityError, UnreachableError
from mm_bot.host.clock import SystemClock
from mm_bot.io.errors import edge
from mm_bot.io.postgres import Statement
from mm_bot.prices_from_settings import build_anchors
from mm_bot.settings import Settings
from mm_bot.venues.numo import startup, wire
from mm_bot.venues.numo.chain import market_balances
from mm_bot.venues.numo.order_rows import Desk

NOBODY: Final = "nobody any more"
"""What the order table calls the holder of a lock that nobody holds."""
SKEW_MS: Final = 2_000
"""More than this between two clocks is worth a look: expiries and freshness compare them."""
_TABLES: Final = ("active_orders", "trade_fills")
_POSTGRES: Final = Statement.of("""
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint,
           (SELECT json_object_agg(name, json_build_object(
                'there', to_regclass(name) IS NOT NULL,
                'reads', coalesce(has_table_privilege(to_regclass(name), 'SELECT'), false),
                'writes', coalesce(
                    has_table_privilege(to_regclass(name), 'INSERT, UPDATE, DELETE'), false)))
            FROM unnest(%(tables)s::text[]) AS name)
""")


async def check_exchange(settings: Settings, lines: Lines, timeout_s: float) -> None:
    async with reaching(settings, timeout_s) as reach:
        listings, no_chain, postgres_there = await asyncio.gather(
            _api(reach, lines), _node(reach, lines), _postgres(reach, lines)
        )
        listing = _listing(reach, lines, listings)
        cash = None
        if no_chain:
            lines.skipped("contracts", "all", no_chain)
        else:
            cash = await check_contracts(reach, lines, listing)
        if listing is None or listings is None:
            lines.skipped("market", "orders and balances", "the market is not known")
            return
        try:
            market = reach.market(listing)
        except BotError as error:
            lines.failed("market", "price tick", str(error), error.exit_code)
            return
        await _market_data(reach, lines, market)
        orders = await _orders(reach, lines) if postgres_there else None
        if cash is not None:
            await _balances(reach, lines, market, cash, orders)
        await _anchors(settings, reach, lines, market)


async def _api(reach: Reach, lines: Lines) -> tuple[wire.Listing, ...] | None:
    listings = await lines.answer("API", "markets", reach.data.listings(), reach.api_address)
    if listings is None:
        return None
    lines.ok("API", "markets", f"{len(listings)} at {reach.api_address}")
    before_ms = now_ms()
    date = await lines.answer("API", "clock", _date(reach), reach.api_address)
    if date == "":
        lines.note("API", "clock", "its answers carry no Date header")
    elif date is not None:
        # A Date has whole seconds, cut; half of one is its mean error.
        theirs_ms = int(parsedate_to_datetime(date).timestamp() * 1000) + 500
        _clock(lines, "API", theirs_ms, (before_ms + now_ms()) // 2, tolerance_ms=SKEW_MS + 500)
    return listings


async def _date(reach: Reach) -> str:
    with edge(wire.API):
        answer = await reach.api.get("/v1/markets")
    return str(answer.headers.get("date", ""))


async def _node(reach: Reach, lines: Lines) -> str:
    """Why its contracts cannot be asked; empty where they can."""
    chain_id = await lines.answer("node", "chain id", reach.chain.chain_id(), reach.node_address)
    if chain_id is None:
        return "the node does not answer"
    if chain_id != reach.config.chain_id:
        detail = f"{reach.node_address} is of chain {chain_id}, MM_CHAIN_ID {reach.config.chain_id}"
        lines.failed("node", "chain id", detail, IdentityError.exit_code)
    else:
        lines.ok("node", "chain id", f"{chain_id} at {reach.node_address}")
    block_s = await lines.answer("node", "block", reach.chain.block_time_s(), reach.node_address)
    if block_s is not None:
        age_ms = now_ms() - block_s * 1000
        detail = f"the latest block is {age_ms / 1000:.1f} s old by this clock"
        far = age_ms < -SKEW_MS or age_ms > 30_000
        (lines.note if far else lines.ok)("node", "clock", detail)
    return "" if chain_id == reach.config.chain_id else "the node is of another chain"


async def _postgres(reach: Reach, lines: Lines) -> bool:
    before_ms = now_ms()
    rows = await lines.answer(
        "Postgres",
        "login",
        reach.session.query(_POSTGRES, {"tables": list(_TABLES)}),
        "MM_DATABASE_URL",
    )
    if rows is None:
        return False
    took_ms = now_ms() - before_ms
    lines.ok("Postgres", "login", f"{reach.session.address}, answered within {took_ms} ms")
    theirs_ms, tables = rows[0]
    _clock(lines, "Postgres", int(theirs_ms), now_ms(), tolerance_ms=SKEW_MS)
    return _permissions(lines, tables)


def _permissions(lines: Lines, tables: Mapping[str, Mapping[str, bool]]) -> bool:
    code = IdentityError.exit_code
    absent = [name for name in _TABLES if not tables[name]["there"]]
    unread = [name for name in _TABLES if tables[name]["there"] and not tables[name]["reads"]]
    if absent:
        detail = f"no table {', '.join(absent)}: is this the exchange's database?"
        lines.failed("Postgres", "permission", detail, code)
    if unread:
        detail = f"this role may not read {', '.join(unread)}: GRANT SELECT on it"
        lines.failed("Postgres", "permission", detail, code)
    if absent or unread:
        return False
    writes = [name for name in _TABLES if tables[name]["writes"]]
    if writes:
        detail = f"may also write {', '.join(writes)}; the bot only reads: a reader's role is safer"
        lines.note("Postgres", "permission", detail)
    else:
        lines.ok("Postgres", "permission", f"reads {', '.join(_TABLES)}, writes neither")
    return True


def _clock(lines: Lines, area: str, theirs_ms: int, ours_ms: int, *, tolerance_ms: int) -> None:
    skew_ms = theirs_ms - ours_ms
    way = "ahead of" if skew_ms > 0 else "behind"
    detail = f"{abs(skew_ms) / 1000:.1f} s {way} ours"
    if abs(skew_ms) > tolerance_ms:
        lines.note(area, "clock", f"{detail}: set both by NTP; ages and expiries compare them")
    else:
        lines.ok(area, "clock", detail)


def _listing(
    reach: Reach, lines: Lines, listings: tuple[wire.Listing, ...] | None
) -> wire.Listing | None:
    if listings is None:
        return None
    try:
        listing = startup.find_listing(listings, reach.config.market_symbol)
    except IdentityError as error:
        lines.failed("API", "our market", str(error), error.exit_code)
        return None
    lines.ok("API", "our market", f"{listing.symbol}, {listing.kind.value}, asset {listing.asset}")
    return listing


async def _market_data(reach: Reach, lines: Lines, market: Instrument) -> None:
    # Both halt and are tried again in flight; at a start neither is fatal.
    try:
        book = await reach.data.book(market, reach.config.owner)
        trades = await reach.data.trades(market)
    except EdgeError as error:
        lines.note("market", "book and trades", f"{error}; the bot would halt until it reads them")
        return
    bids, asks = (sum(not o.ours for o in side) for side in (book.bids, book.asks))
    detail = f"{bids} bids and {asks} asks of others, {len(trades)} last trades"
    lines.ok("market", "book and trades", detail)
    if not market.is_open(now_ms()):
        lines.failed("market", "expiry", f"{market.symbol} has expired", IdentityError.exit_code)


async def _orders(reach: Reach, lines: Lines) -> OwnOrders | None:
    try:
        desk: Desk = await reach.desk()
        table = reach.table(desk)
        read = await table.read(ALL_LIVE)
        holder = await table.lock_holder()
    except (EdgeError, UnreachableError) as error:
        lines.failed("Postgres", "own orders", str(error), UnreachableError.exit_code)
        return None
    if holder == NOBODY:
        lines.ok("Postgres", "one-writer lock", "free")
    else:
        lines.note("Postgres", "one-writer lock", f"held by {holder}")
    live = [row for row in read.orders.rows if row.live]
    managed = sum(row.ownership is Ownership.MANAGED for row in live)
    protected = sum(row.ownership is Ownership.PROTECTED for row in live)
    strangers = len(live) - managed - protected
    detail = f"{managed} of the bot, {protected} protected, {strangers} others of this subaccount"
    if strangers:
        lines.note("market", "own orders", f"{detail}: a start cancels those others")
    else:
        lines.ok("market", "own orders", detail)
    return read.orders


async def _balances(
    reach: Reach, lines: Lines, market: Instrument, cash: str, orders: OwnOrders | None
) -> None:
    config = reach.config
    account = await lines.answer(
        "market",
        "balances",
        reach.chain.balances(config.sub_accounts, config.subaccount_id),
        reach.node_address,
    )
    if account is None:
        return
    seen = market_balances(account, market, cash)
    base, quote = ("USDC", "cNGN") if market.is_spot else ("contracts", "USDC")
    free = ""
    if orders is not None:
        money = funds(market, seen, orders.reserved_elsewhere, orders.rows)
        free = f" (available {money.quote_available} for quotes)"
        base_free = f" (available {money.base_available} for quotes)" if market.is_spot else ""
    else:
        base_free = ""
    if market.is_spot and not seen.base:
        lines.note("market", f"{base} balance", f"0{base_free}: no ask can be quoted")
    else:
        lines.ok("market", f"{base} balance", f"{seen.base}{base_free}")
    if seen.quote.value <= 0:
        side = "no bid" if market.is_spot else "nothing"
        lines.note("market", f"{quote} balance", f"{seen.quote}{free}: {side} can be quoted")
    else:
        lines.ok("market", f"{quote} balance", f"{seen.quote}{free}")


async def _anchors(settings: Settings, reach: Reach, lines: Lines, market: Instrument) -> None:
    async with AsyncExitStack() as cleanup:
        pair = build_anchors(settings, market, reach.chain.eth_call, SystemClock(), cleanup)
        for name, runner in zip(("anchor", "bootstrap anchor"), pair, strict=True):
            if runner is None:
                lines.skipped("anchor", name, "off")
                continue
            runner.start()
            cleanup.push_async_callback(runner.aclose)
            try:
                quote = await in_time(runner.first_reading(5_000), 6.0, name)
            except EdgeError as error:
                lines.note("anchor", name, str(error))
                continue
            if quote.price is None:
                lines.note("anchor", name, f"{quote.source}: no price: {quote.error or 'too slow'}")
            else:
                age_s = None if quote.as_of_ms is None else (now_ms() - quote.as_of_ms) // 1000
                age = "" if age_s is None else f", {age_s} s old"
                lines.ok("anchor", name, f"{quote.price} from {quote.source}{age}")
