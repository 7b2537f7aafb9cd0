"""What is checked before anything is quoted: are we who and where the settings say?

Each check has its own message, which names the thing, the value and the remedy. A dependency that
does not answer in time is an `UnreachableError`, whatever does not fit an
`IdentityError`. Nothing is placed or cancelled before all of it has passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from mm_bot.errors import EdgeError, IdentityError, UnreachableError
from mm_bot.io.errors import redact
from mm_bot.io.postgres import Session, Statement, login_is_refused
from mm_bot.venues.numo import wire
from mm_bot.venues.numo.chain import CallRevertedError, Chain
from mm_bot.venues.numo.config import VenueConfig
from mm_bot.venues.numo.market_data import MarketData
from mm_bot.venues.numo.signing import Domain

_RETRY_S: Final = 0.2
_NOBODY: Final = "0x" + "0" * 40

T = TypeVar("T")


async def reach_all(
    config: VenueConfig, data: MarketData, chain: Chain, session: Session
) -> tuple[wire.Listing, ...]:
    """All three dependencies answer, the node for our chain; gives the listed markets."""
    listings, chain_id, _ = await asyncio.gather(
        reach_api(config, data),
        _reach(config, chain.chain_id, "chain node", redact(config.rpc_url)),
        _reach_postgres(config, session),
    )
    if chain_id != config.chain_id:
        raise IdentityError(
            f"the node at {redact(config.rpc_url)} is of chain {chain_id}, not {config.chain_id}"
        )
    return listings


async def reach_api(config: VenueConfig, data: MarketData) -> tuple[wire.Listing, ...]:
    """The listed markets; raises UnreachableError where the API does not answer."""
    return await _reach(config, data.listings, "markets API", redact(config.api_base_url))


def find_listing(listings: tuple[wire.Listing, ...], symbol: str) -> wire.Listing:
    """Our market among those that are listed, by its exact symbol."""
    for listing in listings:
        if listing.symbol == symbol:
            return listing
    known = ", ".join(sorted(listing.symbol for listing in listings)) or "none"
    raise IdentityError(f"market {symbol!r} is not listed; listed are: {known}")


async def check_identity(config: VenueConfig, chain: Chain, listing: wire.Listing) -> str:
    """Contracts, domain, subaccounts and session key are as configured; gives the cash asset."""
    try:
        await _check_code(config, chain, listing)
        await _check_domain(config, chain)
        await _check_subaccount(config, chain, config.subaccount_id, "subaccount")
        if config.recipient_id != config.subaccount_id:
            await _check_subaccount(config, chain, config.recipient_id, "recipient subaccount")
        await _check_session_key(config, chain)
        await chain.balances(config.sub_accounts, config.subaccount_id)  # can be read at all
        return await chain.quote_asset(config.trade)
    except EdgeError as error:
        address = redact(config.rpc_url)
        raise UnreachableError(f"the chain node at {address} failed: {error.reason}") from None


async def _check_code(config: VenueConfig, chain: Chain, listing: wire.Listing) -> None:
    contracts = {
        "Matching": config.matching,
        "the trade module": config.trade,
        "SubAccounts": config.sub_accounts,
        f"the asset of {listing.symbol}": listing.asset,
    }
    found = await asyncio.gather(*map(chain.has_code, contracts.values()))
    missing = [
        f"{n} at {a}" for (n, a), code in zip(contracts.items(), found, strict=True) if not code
    ]
    if missing:
        raise IdentityError(f"no contract on chain {config.chain_id}: {', '.join(missing)}")


async def _check_domain(config: VenueConfig, chain: Chain) -> None:
    ours = Domain(chain_id=config.chain_id, matching=config.matching).separator
    try:
        theirs = await chain.domain_separator(config.matching)
    except CallRevertedError:
        theirs = b""
    if theirs != ours:
        raise IdentityError(
            f"the contract at {config.matching} has another signing domain than Matching 1.0 on "
            f"chain {config.chain_id}: 0x{theirs.hex()}, not 0x{ours.hex()}"
        )


async def _check_subaccount(
    config: VenueConfig, chain: Chain, subaccount_id: int, what: str
) -> None:
    try:
        holder = await chain.owner_of(config.sub_accounts, subaccount_id)
    except CallRevertedError:
        raise IdentityError(f"{what} {subaccount_id} does not exist") from None
    if holder != config.matching:
        raise IdentityError(
            f"{what} {subaccount_id} is held by {holder}, not by Matching {config.matching}; "
            "deposit it there first"
        )
    owner = await chain.subaccount_owner(config.matching, subaccount_id)
    if owner != config.owner:
        shown = "nobody" if owner == _NOBODY else owner
        raise IdentityError(f"{what} {subaccount_id} belongs to {shown}, not to {config.owner}")


async def _check_session_key(config: VenueConfig, chain: Chain) -> None:
    if config.signer == config.owner:
        return
    expiry_s, now_s = await asyncio.gather(
        chain.session_key_expiry_s(config.matching, config.signer, config.owner),
        chain.block_time_s(),
    )
    if expiry_s <= now_s:
        state = "was never registered" if expiry_s == 0 else f"ended at {expiry_s}"
        raise IdentityError(
            f"signer {config.signer} is no live session key of {config.owner}: it {state} "
            f"(block time {now_s}); register it with Matching or sign as the owner"
        )


async def _reach_postgres(config: VenueConfig, session: Session) -> None:
    try:
        await _reach(
            config, lambda: session.query(Statement.of("SELECT 1"), {}), "Postgres", session.address
        )
    except UnreachableError as error:
        if await login_is_refused(config.database_url, 1.0):
            remedy = "something listens there: check user, password and database name"
            raise UnreachableError(f"{error}; {remedy}") from None
        raise


async def _reach(config: VenueConfig, ask: Callable[[], Awaitable[T]], what: str, where: str) -> T:
    """The answer, asked for again and again for as long as a dependency may take to come up."""
    loop = asyncio.get_running_loop()
    limit_s = config.reach_timeout_ms / 1000
    deadline = loop.time() + limit_s
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                return await ask()
        except (EdgeError, TimeoutError) as error:
            if loop.time() + _RETRY_S >= deadline:
                reason = error.reason if isinstance(error, EdgeError) else "no answer"
                raise UnreachableError(
                    f"{what} at {where} is unreachable: {reason} for {limit_s:g} s"
                ) from None
        await asyncio.sleep(_RETRY_S)
