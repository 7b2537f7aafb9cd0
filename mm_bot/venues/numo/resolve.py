"""From this exchange's variables to the adapter's configuration: `resolve`.

Local files are read, nothing else. What is broken is a fault of the reading.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import Secret

import deployments
from mm_bot.clock import Clock
from mm_bot.fields.keys import address_of, checksummed, parse_address, read_keystore
from mm_bot.fields.model import Reading, Section
from mm_bot.venues.base import LiveVenue
from mm_bot.venues.numo.config import NumoConfig
from mm_bot.venues.numo.settings import NumoSettings, addresses_in
from mm_bot.venues.prefixes import check_prefixes

REQUEST_TIMEOUT_MS = 2_000
SECTION = Section(model=NumoSettings)


def resolve(
    reading: Reading, given: NumoSettings, market_symbol: str | None, *, wait_for_lock: bool
) -> NumoConfig | None:
    """The adapter's configuration; None after a fault. Local files are read, nothing else."""
    database_url = reading.check(lambda: _database(reading, given))
    owner_key, signer_key = _keys(reading, given)
    where = [_contract(reading, given, *each) for each in _CONTRACTS]
    if market_symbol is not None:
        reading.check(lambda: check_prefixes(reading, given.protected_prefixes, market_symbol))
    if reading.faults:
        return None
    matching, trade, sub_accounts = where
    assert None not in where, "else a fault"
    assert database_url is not None, "else a fault"
    assert market_symbol is not None, "else a fault"
    assert owner_key is not None, "else a fault"
    assert signer_key is not None, "else a fault"
    return NumoConfig(
        api_base_url=given.api_base_url,
        rpc_url=given.rpc_url,
        database_url=database_url,
        chain_id=given.chain_id,
        matching=matching or "",
        trade=trade or "",
        sub_accounts=sub_accounts or "",
        owner_key=owner_key,
        signer_key=signer_key,
        owner=address_of(owner_key),
        signer=address_of(signer_key),
        subaccount_id=given.subaccount_id,
        recipient_id=given.recipient_id or given.subaccount_id,
        worst_fee=given.worst_fee,
        market_symbol=market_symbol,
        price_tick=given.price_tick,
        contract_size=given.contract_size,
        margin_rate=given.initial_margin_rate,
        protected_prefixes=given.protected_prefixes,
        service_name=given.service_name,
        dry_run=False,
        wait_for_lock=wait_for_lock,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


def build(config: NumoConfig, clock: Clock, *, dry_run: bool) -> LiveVenue:
    """The venue, nothing of it contacted yet."""
    from mm_bot.venues.numo.exchange import NumoVenue  # heavier than all the settings

    return NumoVenue(replace(config, dry_run=dry_run), clock)


def _database(reading: Reading, given: NumoSettings) -> str | None:
    name = "MM_DATABASE_URL"
    url = given.database_url if reading.is_set(name) else given.plain_database_url
    if url is None:
        reading.fault(name, f"give {reading.takes(name)}, here or as DATABASE_URL")
    return url


def _keys(reading: Reading, given: NumoSettings) -> tuple[bytes | None, bytes | None]:
    """The owner's key, and the signer's, which is the owner's where none is given."""
    if not _any_set(reading, "MM_OWNER"):
        reading.fault(
            "MM_OWNER_PRIVATE_KEY",
            "give the owner's key, or MM_OWNER_KEYSTORE_FILE and MM_OWNER_KEYSTORE_PASSWORD_FILE",
        )
    owner_key = reading.check(lambda: _key(reading, given, "owner"))
    own_signer = _any_set(reading, "MM_SIGNER")
    signer_key = reading.check(lambda: _key(reading, given, "signer")) if own_signer else owner_key
    whose = "the signer's key" if own_signer else "the owner's key, which signs here"
    for name, key, told in (
        ("owner", owner_key, "the owner's key"),
        ("signer", signer_key, whose),
    ):
        address = given.__dict__.get(f"{name}_address")
        if key is not None and address is not None and address != address_of(key):
            true = checksummed(address_of(key))
            remedy = f"the address of {told} is {true}: give that, or the other key"
            reading.fault(f"MM_{name.upper()}_ADDRESS", remedy)
    return owner_key, signer_key


def _any_set(reading: Reading, stem: str) -> bool:
    parts = ("PRIVATE_KEY", "KEYSTORE_FILE", "KEYSTORE_PASSWORD_FILE")
    return any(reading.is_set(f"{stem}_{part}") for part in parts)


def _key(reading: Reading, given: NumoSettings, who: str) -> bytes | None:
    stem = f"MM_{who.upper()}"
    plain, keystore, password = (
        f"{stem}_{part}" for part in ("PRIVATE_KEY", "KEYSTORE_FILE", "KEYSTORE_PASSWORD_FILE")
    )
    if reading.is_set(plain):
        if reading.is_set(keystore) or reading.is_set(password):
            reading.fault(plain, f"{keystore} or its password is set too: choose one")
        key: Secret[bytes] = getattr(given, f"{who}_private_key")
        return key.get_secret_value()
    file: Path | None = getattr(given, f"{who}_keystore_file")
    password_file: Path | None = getattr(given, f"{who}_keystore_password_file")
    if file is None or password_file is None:
        for name, other in ((keystore, password), (password, keystore)):
            if reading.is_set(other) and not reading.is_set(name):
                reading.fault(name, f"{other} is set and needs it: give a path")
        return None
    try:
        return read_keystore(file, password_file)
    except ValueError as error:
        reading.fault(keystore, str(error))
        return None


_CONTRACTS = (
    ("matching_address", "matching_repo_path", "matching"),
    ("trade_module_address", "matching_repo_path", "trade"),
    ("subaccounts_address", "risk_core_repo_path", "subAccounts"),
)


def _contract(
    reading: Reading, given: NumoSettings, field: str, folder: str, name: str
) -> str | None:
    """An address that is given, else the one in the given folder's file, else the chain's own."""

    def found() -> str | None:
        address: str | None = getattr(given, field)
        if address is not None:
            return address
        path: Path | None = getattr(given, folder)
        return parse_address(_deployed(path, given.chain_id, name))

    path = reading.check(lambda: getattr(given, folder))
    folder_name = f"MM_{folder.upper()}"
    try:
        return reading.check(found)
    except deployments.DeploymentError as error:
        if path is None:
            reading.fault(f"MM_{field.upper()}", f"{error}; give the address, or {folder_name}")
        else:
            reading.fault(folder_name, f"{error}; give the folder that has it below deployments")
    except ValueError as error:
        blamed = f"MM_{field.upper()}" if path is None else folder_name
        reading.fault(blamed, f"{name!r} in the deployment: {error}")
    return None


def _deployed(path: Path | None, chain_id: int, name: str) -> str:
    if path is None:
        known = deployments.load(chain_id)
        own = {"matching": known.matching, "trade": known.trade, "subAccounts": known.sub_accounts}
        return own[name]
    file = "core.json" if name == "subAccounts" else "matching.json"
    return addresses_in(path, chain_id, file, name)[name]
