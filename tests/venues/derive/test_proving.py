"""What `mm-bot check` says of Derive, asked of the fake."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account

from integration_harness.venues.derive.server import DeriveServer
from mm_bot.clock import SystemClock
from mm_bot.settings import load
from mm_bot.venues.checks import Check, Result
from mm_bot.venues.derive.config import DeriveConfig
from mm_bot.venues.derive.venue import DeriveVenue

_OWNER = Account.from_key("0x" + "a1" * 32).address
_KEY = "0x" + "b2" * 32


@pytest.fixture
def server() -> Iterator[DeriveServer]:
    running = DeriveServer()
    running.add_trader(_OWNER, 75723, Account.from_key(_KEY).address)
    running.start()
    yield running
    running.close()


def checked(server: DeriveServer, tmp_path: Path, **settings: str) -> dict[str, Check]:
    """What was found, by name, with these variables."""
    environment = {
        "MM_VENUE": "derive",
        "MM_DERIVE_NETWORK": "testnet",
        "MM_DERIVE_SOCKET_URL": server.socket_url,
        "MM_DERIVE_HTTP_URL": server.http_url,
        "MM_DERIVE_LOCK_FILE": str(tmp_path / "lock"),
        "MM_OWNER_ADDRESS": _OWNER,
        "MM_SIGNER_PRIVATE_KEY": _KEY,
        "MM_SUBACCOUNT_ID": "75723",
        "MM_MARKET_SYMBOL": server.symbol,
        "MM_ANCHOR_SOURCE_TYPE": "fixed",
        "MM_ANCHOR_FIXED_PRICE": "3000",
        "MM_ANCHOR_MIN_PRICE": "100",
        "MM_ANCHOR_MAX_PRICE": "100000",
        **settings,
    }
    config = load(environment).venue_config
    assert isinstance(config, DeriveConfig)

    async def run() -> dict[str, Check]:
        venue = DeriveVenue(config.for_command(500), SystemClock())
        try:
            return {check.name: check for check in await venue.check()}
        finally:
            await venue.aclose()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("settings", "name", "said"),
    [
        (
            {"MM_SIGNER_PRIVATE_KEY": "0x" + "c3" * 32},
            "socket",
            "14014: invalid signature; is MM_S",
        ),
        ({"MM_SUBACCOUNT_ID": "1"}, "socket", "10003: subaccount 1 is none of this wallet's: [75"),
        ({"MM_DERIVE_NETWORK": "mainnet"}, "signing", "is MM_DERIVE_NETWORK right?"),
        ({"MM_MARKET_SYMBOL": "NOPE-PERP"}, "our market", "MM_MARKET_SYMBOL=NOPE-PERP: 12001"),
    ],
)
def test_what_is_wrong_is_named_with_exit_code_3(
    server: DeriveServer, tmp_path: Path, settings: dict[str, str], name: str, said: str
) -> None:
    """Thing, value and remedy of each identity that is not ours."""
    found = checked(server, tmp_path, **settings)[name]
    assert (found.result, found.code) == (Result.FAILED, 3), found
    assert said in found.detail


def test_a_socket_that_is_down_is_no_fault_of_ours(server: DeriveServer, tmp_path: Path) -> None:
    """Exit code 4."""
    nobody = server.socket_url.replace("/v3/ws", "/v3/nothing")
    found = checked(server, tmp_path, MM_DERIVE_SOCKET_URL=nobody)["socket"]
    assert (found.result, found.code) == (Result.FAILED, 4)
