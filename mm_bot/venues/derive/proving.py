"""What a start proves and `mm-bot check` shows: the market, the socket, the dead man, signing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any, Final

import orjson

from mm_bot.core.commands import NewOrder
from mm_bot.core.instrument import Instrument, Side
from mm_bot.errors import EdgeError
from mm_bot.venues.checks import Checks, compare_clocks, listed
from mm_bot.venues.derive import wire
from mm_bot.venues.derive.api import DeriveApi, RefusedError
from mm_bot.venues.derive.config import DeriveConfig
from mm_bot.venues.derive.orders import OrderEntry
from mm_bot.venues.derive.session import Session
from mm_bot.venues.derive.wire import read

_SCOPE: Final = "give the session key the scope to trade on everything, or arm it on the site"
_WHOSE_KEY: Final = (
    "is MM_SIGNER_PRIVATE_KEY a session key of MM_OWNER_ADDRESS that has not expired, may trade "
    "MM_SUBACCOUNT_ID and lists this machine's address?"
)


async def learn(api: DeriveApi, config: DeriveConfig, checks: Checks) -> Instrument | None:
    """The instrument; None where it was not told."""
    where = f"Derive at {config.http_url}"
    try:
        listing = await api.read("public/get_instrument", {"instrument_name": config.market_symbol})
    except RefusedError as error:
        told = f"MM_MARKET_SYMBOL={config.market_symbol}: {error.reason}; such as ETH-PERP"
        checks.wrong("API", "our market", told)
        return None
    except EdgeError as error:
        checks.silent("API", "our market", f"{where} does not answer: {error.reason}")
        return None

    def made() -> tuple[Instrument, Decimal]:
        tick, rate = config.price_tick, config.margin_rate
        market = wire.instrument(listing, price_tick=tick, margin_rate=rate)
        return market, read.step(read.members(listing, "instrument"), "tick_size", "instrument")

    market = listed(checks, "API", where, made)
    if market is not None and isinstance(listing, dict) and listing.get("is_active") is False:
        checks.note("API", "market state", "not active: every order is refused until it is")
    return market


async def socket(
    api: DeriveApi,
    config: DeriveConfig,
    checks: Checks,
    session: Session,
    begin: Callable[[], Coroutine[Any, Any, None]],
) -> bool:
    """Whether the socket comes up, and what its session has found."""
    api.start(begin)
    try:
        async with asyncio.timeout(config.reach_timeout_ms / 1000):
            await api.up.wait()
    except TimeoutError:
        told = f"the socket at {config.socket_url} does not come up: {api.problem}"
        if api.denied:
            checks.wrong("API", "socket", f"{told}; {_WHOSE_KEY}")
        else:
            checks.silent("API", "socket", told)
        return False
    whose = "answers; the API knows" if config.only_reads else "logged in as"
    checks.ok("API", "socket", f"{whose} {config.owner}")
    compare_clocks(checks, "API", session.clock.ahead_ms)
    if session.dead_man:
        checks.ok("API", "dead man", "cancel-on-disconnect is armed")
    elif config.only_reads:
        told = "cancel-on-disconnect is off: a start arms it, and ends with 3 where it cannot"
        checks.note("API", "dead man", told)
    else:
        checks.wrong("API", "dead man", f"cancel-on-disconnect cannot be armed: {_SCOPE}")
    allowed, ours = session.requests_per_minute, config.requests_per_minute
    if allowed is not None and allowed < ours:
        told = f"the account may send {allowed} requests a minute; MM_DERIVE_REQUESTS_PER_MINUTE"
        checks.note("API", "rate", f"{told} is {ours}: {allowed} are kept to")
    elif allowed is not None:
        checks.ok("API", "rate", f"{ours} of {allowed} requests a minute are ours")
    return True


async def signing(
    api: DeriveApi, entry: OrderEntry, market: Instrument, now_ms: int, checks: Checks
) -> None:
    """The exchange's own word on our signing, by an order it only looks at."""
    price, size = market.price_tick, market.least_size or market.size_step
    probe = entry.prepare(
        NewOrder(
            order_id=f"mm:{market.symbol}:buy:{now_ms}000000",
            side=Side.BUY,
            price=price,
            size=size,
            notional=market.notional(price, size),
            nonce=now_ms * 1_000_000,
            expiry_s=now_ms // 1000 + 600,
        ),
        market,
    )
    answer = await checks.answer(
        "API",
        "signing",
        api.read("private/order_debug", orjson.loads(probe.body)),
        "order_debug",
    )
    if not isinstance(answer, dict):
        return
    theirs, ours = answer.get("domain_separator"), entry.separator
    recovered = str(answer.get("recovered_signer", "")).lower()
    if theirs != ours:
        told = f"the domain separator is {theirs}, we sign for {ours}: is MM_DERIVE_NETWORK right?"
        checks.wrong("API", "signing", told)
    elif recovered and recovered != entry.signer:
        told = f"the exchange recovers {recovered}, not {entry.signer}: do not trade, tell us"
        checks.wrong("API", "signing", told)
    else:
        checks.ok("API", "signing", "domain and signer are as the exchange sees them")
