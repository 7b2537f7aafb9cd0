"""A foreign exchange, described by the MM_* and MM_INT_TAKER_* variables that its bot would get.

Every fault is told at once, each with the variable's name and what would be valid. Keys never
appear in a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import httpx
from eth_account import Account as EthAccount
from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo

import deployments
from integration_harness.stack.chain import address_for
from integration_harness.stack.deployment import Account, Addresses, Deployment
from integration_harness.stack.instruments import Instrument
from integration_harness.target import Party, RefusedError, Target
from integration_harness.variables import Reading, Variables


def _key(text: str) -> str:
    digits = text.removeprefix("0x")
    if not re.fullmatch("[0-9a-fA-F]{64}", digits):
        raise ValueError("give 32 bytes in hex")
    return f"0x{digits}"


Key = Annotated[SecretStr, BeforeValidator(_key)]
AccountId = Annotated[int, Field(ge=1)]


class _Stack(Variables):
    """MM_*: where a foreign exchange is, as its bot is told."""

    api_base_url: str = Field(description="the markets API's address")
    rpc_url: str = Field(description="a node's address")
    database_url: str = Field(description="the exchange's database (DATABASE_URL is read too)")
    market_symbol: str = "USDCcNGN-SPOT"
    chain_id: Annotated[int, Field(ge=1)] = 8453
    matching_repo_path: Path | None = None
    risk_core_repo_path: Path | None = None
    matching_address: str = ""
    trade_module_address: str = ""
    sub_accounts_address: str = Field("", alias="SUBACCOUNTS_ADDRESS")


class Subaccount(Variables):
    """MM_* and MM_INT_TAKER_*: what a party trades with."""

    subaccount_id: AccountId = Field(description="the number of its subaccount")
    recipient_id: AccountId | None = None


def _open(file: str, info: ValidationInfo) -> str:
    try:
        password = Path(info.data["keystore_password_file"] or "").read_text().rstrip("\r\n")
        return EthAccount.decrypt(json.loads(Path(file).read_text()), password).hex()
    except (OSError, ValueError, KeyError):
        raise ValueError("it cannot be opened with its password") from None


class Signer(Variables):
    """MM_OWNER_*, MM_SIGNER_* and the taker's: a key as it is, or out of a keystore."""

    private_key: Key | None = None
    keystore_password_file: Path | None = None
    keystore_key: Annotated[Key | None, BeforeValidator(_open)] = Field(None, alias="KEYSTORE_FILE")
    address: str = ""

    @property
    def key(self) -> str | None:
        """32 bytes in hex."""
        found = self.private_key or self.keystore_key
        return found.get_secret_value() if found else None


TAKER = "MM_INT_TAKER_"
TAKER_NAMES = (
    *Subaccount.names(TAKER).values(),
    *(name for who in ("OWNER_", "SIGNER_") for name in Signer.names(TAKER + who).values()),
)


def env_target(environment: Mapping[str, str]) -> Target:
    """A foreign exchange, from the environment its bot would get.

    Raises:
        RefusedError: naming every variable that is missing or makes no sense.
    """
    given = dict(environment)
    database_url = given.get("MM_DATABASE_URL") or given.get("DATABASE_URL", "")
    reading = Reading(given | {"MM_DATABASE_URL": database_url})
    stack = reading.read(_Stack, "MM_")
    bot = _party(reading, "MM_", "bot")
    taker = _party(reading, TAKER, "taker")
    if bot is not None and len(bot.subaccounts) > 1:
        reading.faults.append(
            f"MM_RECIPIENT_ID={bot.recipient_id}: the scenarios look for what the bot buys in its "
            "own subaccount; leave it out"
        )
    deployment = _deployment(reading, stack) if stack is not None else None
    if reading.faults or stack is None or bot is None or taker is None or deployment is None:
        faults = "\n  ".join(reading.faults)
        raise RefusedError(f"the environment does not describe a stack:\n  {faults}")
    names = [name for name in given if name.startswith("MM_") and not name.startswith("MM_INT_")]
    return Target(
        api_url=stack.api_base_url.rstrip("/"),
        rpc_url=stack.rpc_url,
        database_url=stack.database_url,
        deployment=deployment,
        instrument=_instrument(stack.api_base_url, stack.market_symbol),
        bot=bot,
        taker=taker,
        bot_environment={n: given[n] for n in names} | {"MM_DATABASE_URL": database_url},
        local=False,
    )


def _party(reading: Reading, prefix: str, name: str) -> Party | None:
    """An owner, its subaccount and its session key."""
    account = reading.read(Subaccount, prefix)
    owner = reading.read(Signer, f"{prefix}OWNER_")
    session = reading.read(Signer, f"{prefix}SIGNER_")
    if owner is None or session is None:
        return None
    if (key := owner.key) is None:
        reading.faults.append(f"{prefix}OWNER_PRIVATE_KEY is not set: give it or a keystore")
        return None
    for part, signs, who in (("OWNER", key, owner), ("SIGNER", session.key or key, session)):
        address = address_for(signs)
        if who.address and who.address.lower() != address.lower():
            reading.faults.append(f"{prefix}{part}_ADDRESS={who.address}: the key is of {address}")
    if account is None:
        return None
    return Party(
        account=Account(
            name=name,
            address=address_for(key),
            private_key=key,
            subaccount_ids=(account.subaccount_id,),
        ),
        subaccount_id=account.subaccount_id,
        recipient_id=account.recipient_id,
        session_private_key=session.key,
    )


def _deployment(reading: Reading, stack: _Stack) -> Deployment | None:
    """Where the contracts are, found as the bot finds them."""
    chain_id = stack.chain_id
    found: dict[str, str] = {}
    try:
        for folder, file, names in (
            (stack.matching_repo_path, "matching.json", ("matching", "trade")),
            (stack.risk_core_repo_path, "core.json", ("subAccounts",)),
        ):
            root = folder / "deployments" if folder else Path(deployments.__file__).parent
            found |= deployments.read_addresses(root / str(chain_id) / file, *names)
    except deployments.DeploymentError as error:
        reading.faults.append(f"MM_CHAIN_ID={chain_id}: {error}")
        return None
    unused = dict.fromkeys(("deposit", "withdrawal", "cash", "wrapped_cngn", "future"), "")
    return Deployment(
        chain_id=chain_id,
        addresses=Addresses(
            matching=stack.matching_address or found["matching"],
            trade=stack.trade_module_address or found["trade"],
            sub_accounts=stack.sub_accounts_address or found["subAccounts"],
            feed=found.get("cngnUsdFeed", ""),
            **unused,
        ),
        accounts={},
        fee_recipient_id=0,
        future_expiries=(),
    )


def _instrument(api_url: str, symbol: str) -> Instrument:
    """The market as the API lists it."""
    try:
        answer = httpx.get(f"{api_url.rstrip('/')}/v1/markets", timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        raise RefusedError(f"MM_API_BASE_URL: no list of markets ({error})") from None
    markets = {str(market["market"]): market for market in answer.json()}
    if symbol not in markets:
        listed = ", ".join(sorted(markets))
        raise RefusedError(f"MM_MARKET_SYMBOL={symbol}: not listed; there are: {listed}")
    market = markets[symbol]
    return Instrument(
        symbol=symbol,
        kind="spot" if market["contract_type"] == "spot" else "deliverable_fx_future",
        asset_address=str(market["asset_address"]).lower(),
        sub_id=int(market["sub_id"]),
    )
