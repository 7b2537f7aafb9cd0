"""Are we who and where the settings say? Asked at every start, and shown by `mm-bot check`.

`prove` is what a start must know before anything is placed or cancelled: the three services answer,
the node is of our chain, the contracts are there, of our domain, and hold our subaccounts. Each
check has its own words, which name the thing, the value and the remedy. What stops no start is in
`survey.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from mm_bot.core.instrument import Instrument
from mm_bot.errors import SettingsError
from mm_bot.io.errors import redact
from mm_bot.io.tasks import in_order
from mm_bot.venues.checks import Checks, compare_clocks
from mm_bot.venues.numo import wire
from mm_bot.venues.numo.chain import CallRevertedError
from mm_bot.venues.numo.config import NumoConfig
from mm_bot.venues.numo.reach import Parts, reach
from mm_bot.venues.numo.rights import RIGHTS, TABLES, rights
from mm_bot.venues.signing import Domain

_NO_ADDRESS: Final = "0x" + "0" * 40
_A_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What `prove` learned; None is what it could not, in a list that is not strict."""

    listings: tuple[wire.Listing, ...] | None = None
    listing: wire.Listing | None = None
    cash: str | None = None
    """The asset that the trade module settles in."""
    postgres: bool = False


async def prove(parts: Parts, checks: Checks) -> Proven:
    """Services, chain, contracts and subaccounts, what can be asked at once at once. Of several
    faults the one that explains the others is told: the chain's before Postgres', the contracts'
    before a subaccount's."""
    chain, postgres = await in_order(_on_chain(parts, checks), _postgres(parts, checks))
    return replace(chain, postgres=postgres)


async def _on_chain(parts: Parts, checks: Checks) -> Proven:
    """What API and node tell; the contracts are those of the listing."""
    listings, chain_id = await in_order(
        reach_api(parts, checks),
        reach(parts, checks, "node", "chain id", parts.chain.chain_id, parts.node_name),
    )
    listing = None if listings is None else find_listing(parts, checks, listings)
    ours = chain_id is not None and _chain(parts, checks, chain_id)
    cash = await _contracts(parts, checks, listing) if ours else None
    if not ours:
        checks.skipped("contracts", "all", "no node of our chain answers")
    return Proven(listings=listings, listing=listing, cash=cash)


async def reach_api(parts: Parts, checks: Checks) -> tuple[wire.Listing, ...] | None:
    """The listed markets."""
    ask = parts.data.listings
    listings = await reach(parts, checks, "API", "markets", ask, parts.api_name)
    if listings is not None:
        checks.ok("API", "markets", f"{len(listings)} at {redact(parts.config.api_base_url)}")
    return listings


def find_listing(
    parts: Parts, checks: Checks, listings: tuple[wire.Listing, ...]
) -> wire.Listing | None:
    """Our market among those that are listed, by its exact symbol."""
    symbol = parts.config.market_symbol
    for listing in listings:
        if listing.symbol == symbol:
            found = f"{listing.symbol}, {listing.kind.value}, asset {listing.asset}"
            checks.ok("API", "our market", found)
            return listing
    known = ", ".join(sorted(listing.symbol for listing in listings)) or "none"
    checks.wrong("API", "our market", f"market {symbol!r} is not listed; listed are: {known}")
    return None


def _chain(parts: Parts, checks: Checks, chain_id: int) -> bool:
    where = redact(parts.config.rpc_url)
    if chain_id == parts.config.chain_id:
        checks.ok("node", "chain id", f"{chain_id} at {where}")
        return True
    checks.wrong(
        "node",
        "chain id",
        f"the node at {where} is of chain {chain_id}, not {parts.config.chain_id} (MM_CHAIN_ID)",
    )
    return False


async def _contracts(parts: Parts, checks: Checks, listing: wire.Listing | None) -> str | None:
    """Gives the cash asset; None where a contract is missing or does not tell."""
    config, chain = parts.config, parts.chain
    contracts = {
        "Matching": config.matching,
        "the trade module": config.trade,
        "SubAccounts": config.sub_accounts,
    }
    if listing is not None:
        contracts[f"the asset of {listing.symbol}"] = listing.asset
    ask = partial(reach, parts, checks, who=parts.node_name)
    asked = (
        ask("contracts", name, partial(chain.has_code, address))
        for name, address in contracts.items()
    )
    there = await in_order(*asked)
    missing = []
    for (name, address), code in zip(contracts.items(), there, strict=True):
        if code:
            checks.ok("contracts", name, address)
        elif code is not None:
            missing.append(f"{name} at {address}")
    if missing:
        detail = f"no contract on chain {config.chain_id}: {', '.join(missing)}"
        checks.wrong("contracts", "addresses", f"{detail}: is each address the right one?")
    if not all(there):
        checks.skipped("contracts", "domain and subaccounts", "not all contracts are there")
        return None
    accounts = {"subaccount": config.subaccount_id}
    if config.recipient_id != config.subaccount_id:
        accounts["recipient subaccount"] = config.recipient_id
    *_, cash = await in_order(
        _domain(parts, checks),
        *(_subaccount(parts, checks, what, number) for what, number in accounts.items()),
        _session_key(parts, checks),
        ask("contracts", "cash asset", partial(chain.quote_asset, config.trade)),
    )
    return cash


async def _domain(parts: Parts, checks: Checks) -> None:
    config = parts.config
    ours = Domain(chain_id=config.chain_id, matching=config.matching).separator
    try:
        theirs = await reach(
            parts,
            checks,
            "contracts",
            "signing domain",
            partial(parts.chain.domain_separator, config.matching),
            parts.node_name,
            refusal=CallRevertedError,
        )
    except CallRevertedError:
        theirs = b""
    if theirs is None:
        return
    if theirs == ours:
        checks.ok("contracts", "signing domain", "Matching 1.0, as we sign")
        return
    checks.wrong(
        "contracts",
        "signing domain",
        f"the contract at {config.matching} has another signing domain than Matching 1.0 on "
        f"chain {config.chain_id}: 0x{theirs.hex()}, not 0x{ours.hex()}",
    )


async def _subaccount(parts: Parts, checks: Checks, what: str, subaccount_id: int) -> None:
    config, chain, named = parts.config, parts.chain, f"{what} {subaccount_id}"

    def ask(question: Callable[[], Awaitable[str]]) -> Awaitable[str | None]:
        who = parts.node_name
        return reach(parts, checks, "contracts", named, question, who, refusal=CallRevertedError)

    try:
        holder, owner = await in_order(
            ask(partial(chain.owner_of, config.sub_accounts, subaccount_id)),
            ask(partial(chain.subaccount_owner, config.matching, subaccount_id)),
        )
    except CallRevertedError:
        checks.wrong("contracts", named, f"{named} does not exist")
        return
    if holder is None or owner is None:
        return
    if holder != config.matching:
        checks.wrong(
            "contracts",
            named,
            f"{named} is held by {holder}, not by Matching {config.matching}; deposit it there "
            "first",
        )
    elif owner != config.owner:
        shown = "nobody" if owner == _NO_ADDRESS else owner
        checks.wrong("contracts", named, f"{named} belongs to {shown}, not to {config.owner}")
    else:
        checks.ok("contracts", named, "held by Matching for our owner")


async def _session_key(parts: Parts, checks: Checks) -> None:
    config, chain = parts.config, parts.chain
    if config.signer == config.owner:
        checks.skipped("contracts", "session key", "the owner signs")
        return
    question = partial(chain.session_key_expiry_s, config.matching, config.signer, config.owner)
    ask = partial(reach, parts, checks, "contracts", "session key", who=parts.node_name)
    expiry_s, block_s = await in_order(ask(question), ask(chain.block_time_s))
    if expiry_s is None or block_s is None:
        return
    if expiry_s <= block_s:
        state = "was never registered" if expiry_s == 0 else f"ended at {expiry_s}"
        checks.wrong(
            "contracts",
            "session key",
            f"signer {config.signer} is no live session key of {config.owner}: it {state} "
            f"(block time {block_s}); register it with Matching or sign as the owner",
        )
        return
    left_s = expiry_s - block_s
    told = checks.note if left_s < _A_DAY_S else checks.ok
    told("contracts", "session key", f"{config.signer}, for another {left_s // 3600} h")


async def _postgres(parts: Parts, checks: Checks) -> bool:
    """Whether our role may log in and read what the bot reads."""
    ask = partial(parts.session.query, RIGHTS, {"tables": list(TABLES)}, once=True)
    before_ms = parts.now_ms()
    rows = await reach(parts, checks, "Postgres", "login", ask, parts.postgres_name)
    if rows is None:
        return False
    checks.ok("Postgres", "login", parts.session.address)
    if parts.session.unfit is not None and not parts.config.dry_run:
        checks.wrong("Postgres", "session", parts.session.unfit)
    theirs_ms, tables = rows[0]
    ours_ms = (before_ms + parts.now_ms()) // 2
    compare_clocks(checks, "Postgres", int(theirs_ms) - ours_ms)
    return rights(checks, tables)


def instrument_of(config: NumoConfig, checks: Checks, listing: wire.Listing) -> Instrument | None:
    """Our market; None where the price tick of the settings does not fit it."""
    try:
        return wire.to_market(
            listing,
            price_tick=config.price_tick,
            contract_size=config.contract_size,
            margin_rate=config.margin_rate,
        )
    except SettingsError as error:
        checks.unfit("market", "price tick", error.faults)
        return None
