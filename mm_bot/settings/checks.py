"""What several settings must be together: who trades, on which contracts, how wide, how much.

Each function reads only sound variables, adds its faults to the reading and returns None where it
cannot resolve what it is asked for; a fault is then recorded. Local files are read, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import deployments
from mm_bot.core.exact import BPS, add, multiply, plain
from mm_bot.settings import table as t
from mm_bot.settings import table_run as r
from mm_bot.settings.keys import address_of, checksummed, parse_address, read_keystore
from mm_bot.settings.reading import Reading
from mm_bot.settings.variable import Variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The keys, and the addresses that follow from them in lower case."""

    owner_key: bytes = field(repr=False)
    owner_address: str
    signer_key: bytes = field(repr=False)
    signer_address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracts:
    """Addresses in lower case."""

    matching: str
    trade: str
    sub_accounts: str


def resolve_identity(reading: Reading) -> Identity | None:
    """The owner's key, and the signer's, which is the owner's where none is given."""
    owner_parts = (t.OWNER_PRIVATE_KEY, t.OWNER_KEYSTORE_FILE, t.OWNER_KEYSTORE_PASSWORD_FILE)
    signer_parts = (t.SIGNER_PRIVATE_KEY, t.SIGNER_KEYSTORE_FILE, t.SIGNER_KEYSTORE_PASSWORD_FILE)
    if not any(reading.is_set(part) for part in owner_parts):
        reading.fault(
            t.OWNER_PRIVATE_KEY,
            f"give the owner's key, or {t.OWNER_KEYSTORE_FILE.name} and "
            f"{t.OWNER_KEYSTORE_PASSWORD_FILE.name}",
        )
    owner_key = _key(reading, *owner_parts)
    own_signer = any(reading.is_set(part) for part in signer_parts)
    signer_key = _key(reading, *signer_parts) if own_signer else owner_key
    _check_address(reading, t.OWNER_ADDRESS, owner_key, "the owner's key")
    whose = "the signer's key" if own_signer else "the owner's key, which signs here"
    _check_address(reading, t.SIGNER_ADDRESS, signer_key, whose)
    if owner_key is None or signer_key is None:
        return None
    return Identity(
        owner_key=owner_key,
        owner_address=address_of(owner_key),
        signer_key=signer_key,
        signer_address=address_of(signer_key),
    )


def resolve_contracts(reading: Reading) -> Contracts | None:
    """An address that is given, else the one in the given folder's file, else the chain's own."""
    matching = _contract(reading, t.MATCHING_ADDRESS, t.MATCHING_REPO_PATH, "matching")
    trade = _contract(reading, t.TRADE_MODULE_ADDRESS, t.MATCHING_REPO_PATH, "trade")
    accounts = _contract(reading, t.SUBACCOUNTS_ADDRESS, t.RISK_CORE_REPO_PATH, "subAccounts")
    if matching is None or trade is None or accounts is None:
        return None
    return Contracts(matching=matching, trade=trade, sub_accounts=accounts)


def resolve_database(reading: Reading) -> str | None:
    """`MM_DATABASE_URL`, else `DATABASE_URL`."""
    variable = t.DATABASE if reading.is_set(t.DATABASE) else t.PLAIN_DATABASE
    if not reading.sound(variable):
        return None
    if not reading.is_set(variable):
        takes = t.DATABASE.kind.takes
        reading.fault(t.DATABASE, f"give {takes}, here or as {t.PLAIN_DATABASE.name}")
    return reading[variable]


def check_quotes(reading: Reading) -> None:
    """Bids stay above zero, levels apart, our own orders unprotected."""
    _check_levels(reading)
    if reading.sound(t.MARKET_SYMBOL, r.PROTECTED_PREFIXES):
        ours = f"mm:{reading[t.MARKET_SYMBOL]}:"
        for prefix in reading[r.PROTECTED_PREFIXES]:
            if ours.startswith(prefix) or prefix.startswith(ours):
                reading.fault(
                    r.PROTECTED_PREFIXES,
                    f"{prefix!r} would protect the bot's own orders, {ours!r}: take it out",
                )
    kill_switch = reading[r.KILL_SWITCH_FILE] if reading.sound(r.KILL_SWITCH_FILE) else None
    if kill_switch and reading.sound(r.STATE_FILE) and kill_switch == reading[r.STATE_FILE]:
        reading.fault(r.KILL_SWITCH_FILE, f"{r.STATE_FILE.name} is the same file: give another")


def _check_levels(reading: Reading) -> None:
    widths = (t.HALF_SPREAD_BPS, t.INVENTORY_SKEW_BPS, t.LEVEL_SPREAD_STEP_BPS, t.QUOTE_LEVELS)
    if not reading.sound(*widths):
        return
    levels, step = reading[t.QUOTE_LEVELS], reading[t.LEVEL_SPREAD_STEP_BPS]
    if levels > 1 and not step:
        reading.fault(
            t.LEVEL_SPREAD_STEP_BPS,
            f"with {t.QUOTE_LEVELS.name}={levels} give basis points above 0",
        )
    spread = add(reading[t.HALF_SPREAD_BPS], multiply(Decimal(levels - 1), step))
    if reading.sound(r.EXTERNAL_SPREAD_MULTIPLIER) and external_wanted(reading):
        spread = multiply(spread, reading[r.EXTERNAL_SPREAD_MULTIPLIER])
    furthest = add(spread, reading[t.INVENTORY_SKEW_BPS])
    if furthest >= BPS:
        reading.fault(
            t.HALF_SPREAD_BPS,
            f"with {t.INVENTORY_SKEW_BPS.name}, {t.LEVEL_SPREAD_STEP_BPS.name} and the external "
            f"anchor's multiplier the lowest bid would be {plain(furthest)} basis points below "
            "the reference: keep the sum below 10000",
        )


def external_wanted(reading: Reading) -> bool:
    """Whether the bootstrap anchor is on and this is its market."""
    return (
        reading.sound(r.EXTERNAL_ENABLED, t.MARKET_SYMBOL)
        and reading[r.EXTERNAL_ENABLED]
        and reading[t.MARKET_SYMBOL] == r.BOOTSTRAP_MARKET
    )


def deployed_feed(reading: Reading, chain_id: int) -> str | None:
    """The chain's cNGN/USD feed where a local file names it."""
    try:
        if reading.sound(t.RISK_CORE_REPO_PATH) and (path := reading[t.RISK_CORE_REPO_PATH]):
            found = _addresses(path, chain_id, "core.json").get("cngnUsdFeed")
        else:
            found = deployments.load(chain_id).feed
        return None if found is None else parse_address(found)
    except ValueError:
        return None  # the caller names the variable to set


def feed_address(reading: Reading, chain_id: int, setting: str) -> str | None:
    """The feed that `setting` needs: the given one, else the chain's own."""
    if reading.is_set(r.ANCHOR_ORACLE_ADDRESS):
        given = r.ANCHOR_ORACLE_ADDRESS
        return reading[given] if reading.sound(given) else None
    found = deployed_feed(reading, chain_id)
    if found is None:
        takes = r.ANCHOR_ORACLE_ADDRESS.kind.takes
        reading.fault(
            r.ANCHOR_ORACLE_ADDRESS,
            f"{setting} needs it, as no feed is known on chain {chain_id}: give {takes}",
        )
    return found


def _key(
    reading: Reading,
    plain_key: Variable[bytes | None],
    keystore: Variable[Path | None],
    password: Variable[Path | None],
) -> bytes | None:
    if reading.is_set(plain_key):
        if reading.is_set(keystore) or reading.is_set(password):
            reading.fault(plain_key, f"{keystore.name} or its password is set too: choose one")
        return reading[plain_key] if reading.sound(plain_key) else None
    if not reading.sound(keystore, password):
        return None
    file, password_file = reading[keystore], reading[password]
    if file is None or password_file is None:
        for variable, other in ((keystore, password), (password, keystore)):
            if reading.is_set(other) and not reading.is_set(variable):
                reading.fault(variable, f"{other.name} is set and needs it: give a path")
        return None
    try:
        return read_keystore(file, password_file)
    except ValueError as error:
        reading.fault(keystore, str(error))
        return None


def _check_address(
    reading: Reading, variable: Variable[str | None], key: bytes | None, whose: str
) -> None:
    if key is None or not reading.sound(variable) or reading[variable] is None:
        return
    if reading[variable] != address_of(key):
        true = checksummed(address_of(key))
        reading.fault(variable, f"the address of {whose} is {true}: give that, or the other key")


def _contract(
    reading: Reading, override: Variable[str | None], folder: Variable[Path | None], name: str
) -> str | None:
    if reading.is_set(override):
        return reading[override] if reading.sound(override) else None
    if not reading.sound(folder, t.CHAIN_ID):
        return None
    chain_id, path = reading[t.CHAIN_ID], reading[folder]
    variable: Variable[str | None] | Variable[Path | None] = override
    try:
        if path is None:
            known = deployments.load(chain_id)
            found = {
                "matching": known.matching,
                "trade": known.trade,
                "subAccounts": known.sub_accounts,
            }
        else:
            variable = folder
            file = "core.json" if name == "subAccounts" else "matching.json"
            found = dict(_addresses(path, chain_id, file, name))
        return parse_address(found[name])
    except deployments.DeploymentError as error:
        remedy = f"give the address, or {folder.name}"
        if path is not None:
            remedy = "give the folder that has it below deployments"
        reading.fault(variable, f"{error}; {remedy}")
    except ValueError as error:
        reading.fault(variable, f"{name!r} in the deployment: {error}")
    return None


def _addresses(path: Path, chain_id: int, file: str, *needed: str) -> Mapping[str, str]:
    return deployments.read_addresses(path / "deployments" / str(chain_id) / file, *needed)
