"""What `check` asks the contracts: are they there, of this domain, and are the subaccounts ours?"""

from __future__ import annotations

from mm_bot.cli.check_lines import Lines
from mm_bot.cli.reach import Reach
from mm_bot.errors import EdgeError, IdentityError
from mm_bot.settings.keys import checksummed
from mm_bot.venues.numo import wire
from mm_bot.venues.numo.chain import CallRevertedError
from mm_bot.venues.numo.signing import Domain

_CODE = IdentityError.exit_code
_NOBODY = "0x" + "0" * 40


async def check_contracts(reach: Reach, lines: Lines, listing: wire.Listing | None) -> str | None:
    """Gives the cash asset; None where the trade module does not tell it."""
    config = reach.config
    contracts = {"Matching": config.matching, "trade": config.trade}
    contracts["SubAccounts"] = config.sub_accounts
    if listing is not None:
        contracts["asset"] = listing.asset
    there = True
    for name, address in contracts.items():
        code = await lines.answer(
            "contracts", name, reach.chain.has_code(address), reach.node_address
        )
        if code:
            lines.ok("contracts", name, checksummed(address))
        elif code is not None:
            detail = f"no contract at {checksummed(address)} on chain {config.chain_id}"
            lines.failed("contracts", name, f"{detail}: is its address the right one?", _CODE)
        there = there and bool(code)
    if not there:
        lines.skipped("contracts", "domain and subaccounts", "not all contracts are there")
        return None
    await _domain(reach, lines)
    accounts = {"subaccount": config.subaccount_id}
    if config.recipient_id != config.subaccount_id:
        accounts["recipient"] = config.recipient_id
    for what, subaccount_id in accounts.items():
        await _subaccount(reach, lines, what, subaccount_id)
    await _session_key(reach, lines)
    try:
        return await reach.chain.quote_asset(config.trade)
    except EdgeError as error:
        detail = f"{error}: is the trade module's address right?"
        lines.failed("contracts", "cash asset", detail, _CODE)
        return None


async def _domain(reach: Reach, lines: Lines) -> None:
    config = reach.config
    ours = Domain(chain_id=config.chain_id, matching=config.matching).separator
    try:
        theirs = await reach.chain.domain_separator(config.matching)
    except EdgeError as error:
        lines.failed("contracts", "signing domain", f"Matching does not tell it: {error}", _CODE)
        return
    if theirs == ours:
        lines.ok("contracts", "signing domain", "Matching 1.0, as we sign")
    else:
        detail = f"0x{theirs.hex()[:16]}…, we sign for 0x{ours.hex()[:16]}…: none would settle"
        lines.failed("contracts", "signing domain", detail, _CODE)


async def _subaccount(reach: Reach, lines: Lines, what: str, subaccount_id: int) -> None:
    config = reach.config
    check = f"{what} {subaccount_id}"
    try:
        holder = await reach.chain.owner_of(config.sub_accounts, subaccount_id)
        owner = await reach.chain.subaccount_owner(config.matching, subaccount_id)
    except CallRevertedError:
        lines.failed("contracts", check, "it does not exist", _CODE)
        return
    except EdgeError as error:
        lines.failed("contracts", check, str(error), 4)
        return
    if holder != config.matching:
        detail = f"held by {checksummed(holder)}, not by Matching: deposit it there first"
        lines.failed("contracts", check, detail, _CODE)
    elif owner != config.owner:
        shown = "nobody" if owner == _NOBODY else checksummed(owner)
        detail = f"belongs to {shown}, not to {checksummed(config.owner)}"
        lines.failed("contracts", check, detail, _CODE)
    else:
        lines.ok("contracts", check, "held by Matching for our owner")


async def _session_key(reach: Reach, lines: Lines) -> None:
    config = reach.config
    if config.signer == config.owner:
        lines.skipped("contracts", "session key", "the owner signs")
        return
    question = reach.chain.session_key_expiry_s(config.matching, config.signer, config.owner)
    where = reach.node_address
    expiry_s = await lines.answer("contracts", "session key", question, where)
    block_s = await lines.answer("contracts", "session key", reach.chain.block_time_s(), where)
    if expiry_s is None or block_s is None:
        return
    if expiry_s <= block_s:
        state = "was never registered" if expiry_s == 0 else f"ended {block_s - expiry_s} s ago"
        detail = (
            f"{checksummed(config.signer)} {state}: register it with Matching, or sign as owner"
        )
        lines.failed("contracts", "session key", detail, _CODE)
        return
    left_s = expiry_s - block_s
    told = lines.note if left_s < 86_400 else lines.ok
    told(
        "contracts", "session key", f"{checksummed(config.signer)}, for another {left_s // 3600} h"
    )
