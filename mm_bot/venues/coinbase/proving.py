"""What is looked at before the first order, for a start and for `mm-bot check`."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from typing import Final

from mm_bot.core.exact import plain
from mm_bot.core.instrument import Instrument
from mm_bot.core.snapshot import CLOCK_SKEW_MS
from mm_bot.errors import EdgeError
from mm_bot.venues.checks import Checks, listed
from mm_bot.venues.coinbase import wire
from mm_bot.venues.coinbase.api import CoinbaseApi, RefusedError
from mm_bot.venues.coinbase.config import CoinbaseConfig
from mm_bot.venues.coinbase.stream import Socket
from mm_bot.venues.coinbase.wire import listing, read

API: Final = "API"


async def clock_ahead_ms(api: CoinbaseApi) -> int:
    """How far the exchange's clock is ahead of this machine's; raises EdgeError."""
    began_ms = time.time_ns() // 1_000_000
    answer = read.members(await api.read("time"), "time")
    said = wire.time_ms(answer.get("iso"), "time.iso")
    return said - (began_ms + time.time_ns() // 1_000_000) // 2


async def clock(api: CoinbaseApi, checks: Checks) -> int | None:
    """How the clocks stand; None where the exchange does not answer."""
    ahead_ms = await checks.answer(API, "clock", clock_ahead_ms(api), "time")
    if ahead_ms is not None and abs(ahead_ms) > CLOCK_SKEW_MS:
        away = f"{abs(ahead_ms) / 1000:.1f} s {'behind' if ahead_ms > 0 else 'ahead of'}"
        checks.note(API, "clock", f"ours is {away} the exchange's: set this machine's clock")
    elif ahead_ms is not None:
        checks.ok(API, "clock", f"within {CLOCK_SKEW_MS // 1000} s of ours")
    return ahead_ms


async def learn(api: CoinbaseApi, config: CoinbaseConfig, checks: Checks) -> Instrument | None:
    """Our market as it is listed; None after a failure."""
    symbol, where = config.market_symbol, f"Coinbase at {config.rest_url}"
    try:
        product = await api.read(f"products/{symbol}")
    except RefusedError as error:
        checks.wrong(API, "our market", f"{symbol} at {where}: {error.reason}")
        return None
    except EdgeError as error:
        checks.unanswered(API, "our market", where, error)
        return None

    def made() -> tuple[Instrument, Decimal]:
        market = wire.instrument(product, price_tick=config.price_tick, resend_safe=config.resend)
        return market, read.step(read.members(product, "product"), "price_increment", "product")

    return listed(checks, API, where, made)


async def rights(api: CoinbaseApi, config: CoinbaseConfig, checks: Checks) -> None:
    """That the key may trade, may not move money, and is of the portfolio it should be."""
    answer = await checks.answer(API, "key", api.read("key_permissions"), "key_permissions")
    if not isinstance(answer, dict):
        return
    portfolio = str(answer.get("portfolio_uuid") or "").lower()
    if answer.get("can_transfer") is not False:
        checks.wrong(API, "key", "it may transfer: make one that can view and trade alone")
    elif not (answer.get("can_view") and (answer.get("can_trade") or config.dry_run)):
        checks.wrong(API, "key", "it may not view and trade: give it both rights")
    elif config.portfolio and portfolio != config.portfolio:
        what = f"its portfolio is {portfolio}, MM_COINBASE_PORTFOLIO says {config.portfolio}"
        checks.wrong(API, "key", what)
    else:
        checks.ok(API, "key", f"may view and trade in portfolio {portfolio}")


async def fees(api: CoinbaseApi, checks: Checks) -> None:
    """What a fill costs: a half-spread below it loses."""
    try:
        answer = read.members(await api.read("transaction_summary", product_type="SPOT"), "summary")
        tier = read.members(answer.get("fee_tier"), "fee_tier")
        maker = read.number(tier, "maker_fee_rate", "fee_tier")
    except EdgeError as error:
        checks.note(API, "fees", f"not told: {error.reason}")
        return
    bps = plain(maker * 10_000)
    checks.note(API, "fees", f"a maker pays {bps} bps: MM_HALF_SPREAD_BPS below it loses")


def trading(market: Instrument, checks: Checks) -> None:
    """Whether the market takes quotes now."""
    why = listing(market).stopped_by
    if why:
        checks.wrong(API, "trading", f"{market.symbol} is not to be quoted: {why}")
    else:
        checks.ok(API, "trading", f"{market.symbol} is online")


async def sockets(found: dict[str, Socket], config: CoinbaseConfig, checks: Checks) -> None:
    """Whether both come up; without them the bot polls."""
    for socket in found.values():
        socket.start()
    up = asyncio.gather(*(socket.up.wait() for socket in found.values()))
    try:
        await asyncio.wait_for(up, config.reach_timeout_ms / 1000)
    except TimeoutError:
        for name, socket in found.items():
            if not socket.up.is_set():
                why = f"{name}'s does not come up: {socket.problem}; the bot polls meanwhile"
                checks.note(API, "sockets", why)
        return
    checks.ok(API, "sockets", "the market's and our orders' are up")
