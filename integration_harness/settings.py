"""What a run is told: the command line and the MM_INT_* variables, and a foreign stack's MM_*.

Every fault is listed at once, each with the variable's name and what would be valid. Keys never
appear in a message.
"""

from __future__ import annotations

import argparse
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import httpx
from eth_account import Account as EthAccount

import deployments
from integration_harness.registry import KINDS, Kind
from integration_harness.stack.chain import address_for
from integration_harness.stack.deployment import Account, Addresses, Deployment
from integration_harness.stack.instruments import Instrument
from integration_harness.target import Party, RefusedError, Target
from integration_harness.waiting import Limits

_DEFAULT_CHAIN_ID: Final = "8453"
_DEFAULT_MARKET: Final = "USDCcNGN-SPOT"
_POLL_MS: Final = "250"
_LOCAL_POLL_MS: Final = "20"
"""Nobody else is bothered there."""
_QUICK_SEED: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One run."""

    stack: Literal["local", "env"]
    scenarios: tuple[str, ...]
    everything: bool
    """Scenarios that cannot run on this stack are left out, not failed."""
    quick: bool
    rounds: int
    """How many times a scenario's own number of rounds."""
    kinds: tuple[Kind, ...] | None
    levels: tuple[int, ...] | None
    seed: int
    limits: Limits
    logs: Path | None


def read_options(
    arguments: Sequence[str], environment: Mapping[str, str], known: Sequence[str]
) -> Options:
    """The run that command line and environment ask for; ends the process where they make none."""
    parser = _parser(known)
    given = parser.parse_args(arguments)
    names = given.scenario or environment.get("MM_INT_SCENARIO", "").replace(",", " ").split()
    if not names:
        parser.error("name a scenario or `all`, or set MM_INT_SCENARIO")
    poll_ms = _LOCAL_POLL_MS if given.stack == "local" else _POLL_MS
    everything = "all" in names
    if everything:
        names = list(known)
    unknown = sorted(set(names) - set(known))
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}; there are: {', '.join(known)}")
    try:
        limits = Limits(
            timeout_seconds=_positive(environment, "MM_INT_TIMEOUT_SECONDS", "120"),
            poll_seconds=_positive(environment, "MM_INT_POLL_INTERVAL_MS", poll_ms) / 1000,
        )
    except ValueError as error:
        parser.error(str(error))
    return Options(
        stack=given.stack,
        scenarios=tuple(dict.fromkeys(names)),
        everything=everything,
        quick=given.quick,
        rounds=given.rounds,
        kinds=(given.market,) if given.market else None,
        levels=(given.levels,) if given.levels else None,
        seed=_seed(given.seed, quick=given.quick),
        limits=limits,
        logs=given.logs,
    )


def env_target(environment: Mapping[str, str]) -> Target:
    """A foreign exchange, from the environment its bot would get.

    Raises:
        RefusedError: naming every variable that is missing or makes no sense.
    """
    read = _Reader(environment)
    api_url = read.required("MM_API_BASE_URL")
    rpc_url = read.required("MM_RPC_URL")
    database_url = environment.get("MM_DATABASE_URL") or read.required("DATABASE_URL")
    bot = read.party("MM_", subaccount="MM_SUBACCOUNT_ID", name="bot")
    taker = read.party("MM_INT_TAKER_", subaccount="MM_INT_TAKER_SUBACCOUNT_ID", name="taker")
    if bot is not None and len(bot.subaccounts) > 1:
        read.faults.append(
            f"MM_RECIPIENT_ID={bot.recipient_id}: the scenarios look for what the bot buys in its "
            "own subaccount; leave it out"
        )
    deployment = read.deployment()
    if read.faults or bot is None or taker is None or deployment is None:
        faults = "\n  ".join(read.faults)
        raise RefusedError(f"the environment does not describe a stack:\n  {faults}")
    names = [name for name in environment if name.startswith("MM_")]
    bot_environment = {n: environment[n] for n in names if not n.startswith("MM_INT_")}
    bot_environment["MM_DATABASE_URL"] = database_url
    return Target(
        api_url=api_url.rstrip("/"),
        rpc_url=rpc_url,
        database_url=database_url,
        deployment=deployment,
        instrument=_instrument(api_url, environment.get("MM_MARKET_SYMBOL", _DEFAULT_MARKET)),
        bot=bot,
        taker=taker,
        bot_environment=bot_environment,
        local=False,
    )


class _Reader:
    """Reads an environment and collects its faults."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.faults: list[str] = []
        self._environment = environment

    def required(self, name: str) -> str:
        value = self._environment.get(name, "")
        if not value:
            self.faults.append(f"{name} is not set")
        return value

    def party(self, prefix: str, *, subaccount: str, name: str) -> Party | None:
        """An owner, its subaccount and its session key."""
        key = self._key(f"{prefix}OWNER", needed=True)
        session = self._key(f"{prefix}SIGNER", needed=False)
        account_id = self._account_id(subaccount, self.required(subaccount))
        recipient = f"{prefix}RECIPIENT_ID"
        recipient_id = self._account_id(recipient, self._environment.get(recipient, ""))
        if not key or account_id is None:
            return None
        address = self._address(f"{prefix}OWNER", key)
        self._address(f"{prefix}SIGNER", session or key)
        account = Account(name=name, address=address, private_key=key, subaccount_ids=(account_id,))
        return Party(
            account=account,
            subaccount_id=account_id,
            recipient_id=recipient_id,
            session_private_key=session or None,
        )

    def _address(self, stem: str, key: str) -> str:
        """The address of a key, compared with the one that was given, if one was."""
        address = address_for(key)
        given = self._environment.get(f"{stem}_ADDRESS", "")
        if given and given.lower() != address.lower():
            self.faults.append(f"{stem}_ADDRESS={given}: the key is of {address}")
        return address

    def _account_id(self, variable: str, text: str) -> int | None:
        if text.isascii() and text.isdigit() and int(text) > 0:
            return int(text)
        if text:
            self.faults.append(f"{variable}={text!r}: give a whole number, at least 1")
        return None

    def deployment(self) -> Deployment | None:
        """Where the contracts are, found as the bot finds them."""
        text = self._environment.get("MM_CHAIN_ID", _DEFAULT_CHAIN_ID)
        if not text.isdigit():
            self.faults.append(f"MM_CHAIN_ID={text!r}: give a whole number")
            return None
        chain_id = int(text)
        found: dict[str, str] = {}
        try:
            for variable, file, names in (
                ("MM_MATCHING_REPO_PATH", "matching.json", ("matching", "trade")),
                ("MM_RISK_CORE_REPO_PATH", "core.json", ("subAccounts",)),
            ):
                folder = self._environment.get(variable)
                root = Path(folder) / "deployments" if folder else Path(deployments.__file__).parent
                found |= deployments.read_addresses(root / text / file, *names)
        except deployments.DeploymentError as error:
            self.faults.append(f"MM_CHAIN_ID={chain_id}: {error}")
            return None
        where = {
            "matching": self._environment.get("MM_MATCHING_ADDRESS") or found["matching"],
            "trade": self._environment.get("MM_TRADE_MODULE_ADDRESS") or found["trade"],
            "sub_accounts": self._environment.get("MM_SUBACCOUNTS_ADDRESS") or found["subAccounts"],
        }
        unused = dict.fromkeys(("deposit", "withdrawal", "cash", "wrapped_cngn", "future"), "")
        return Deployment(
            chain_id=chain_id,
            addresses=Addresses(**where, **unused, feed=found.get("cngnUsdFeed", "")),
            accounts={},
            fee_recipient_id=0,
            future_expiries=(),
        )

    def _key(self, stem: str, *, needed: bool) -> str:
        """A private key as it is, or out of a keystore."""
        key = self._environment.get(f"{stem}_PRIVATE_KEY", "")
        keystore = self._environment.get(f"{stem}_KEYSTORE_FILE", "")
        if not key and keystore:
            password = self._environment.get(f"{stem}_KEYSTORE_PASSWORD_FILE", "")
            try:
                secret = Path(password).read_text().rstrip("\r\n")
                key = EthAccount.decrypt(json.loads(Path(keystore).read_text()), secret).hex()
            except (OSError, ValueError, KeyError):
                self.faults.append(f"{stem}_KEYSTORE_FILE: it cannot be opened with its password")
                return ""
        if not key:
            if needed:
                self.faults.append(f"{stem}_PRIVATE_KEY is not set")
            return ""
        try:
            if len(bytes.fromhex(key.removeprefix("0x"))) != 32:
                raise ValueError
        except ValueError:
            self.faults.append(f"{stem}_PRIVATE_KEY: give 32 bytes in hex")
            return ""
        return key if key.startswith("0x") else f"0x{key}"


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


def _seed(given: int | None, *, quick: bool) -> int:
    if given is not None:
        return given
    return _QUICK_SEED if quick else secrets.randbelow(10**6)


def _positive(environment: Mapping[str, str], name: str, default: str) -> float:
    text = environment.get(name, default)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError(f"{name}={text!r}: give a positive number")
    return value


def _whole(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("give a whole number above 0")
    return value


def _parser(known: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mm-bot-integration",
        description="Run live scenarios against a real exchange stack.",
        epilog=f"Scenarios: {', '.join(known)}.",
    )
    parser.add_argument("scenario", nargs="*", help="names, or `all`; else MM_INT_SCENARIO")
    parser.add_argument(
        "--stack",
        choices=("local", "env"),
        default="local",
        help="an embedded exchange (default), or the one of MM_* and MM_INT_*",
    )
    parser.add_argument(
        "--quick", action="store_true", help="one market and depth each, few rounds, short times"
    )
    parser.add_argument(
        "--rounds", type=_whole, default=1, help="so many times the rounds of each scenario"
    )
    parser.add_argument("--market", choices=KINDS, help="only on this kind (local stack)")
    parser.add_argument("--levels", type=_whole, help="only with so many levels")
    parser.add_argument("--seed", type=int, help="of everything random; a full run draws one")
    parser.add_argument("--logs", type=Path, help="folder to keep the bots' logs in")
    return parser
