"""What `mm-bot check` says of Derive, asked of the fake."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration_harness.venues.derive.server import DeriveServer
from mm_bot.clock import SystemClock
from mm_bot.settings import load
from mm_bot.venues.checks import Check, Result
from mm_bot.venues.derive.config import DeriveConfig
from mm_bot.venues.derive.venue import DeriveVenue
from tests.venues.derive.account import environment
from tests.venues.desk import found_by


def checked(server: DeriveServer, tmp_path: Path, **settings: str) -> dict[str, Check]:
    """What was found, by name, with these variables."""
    config = load({**environment(server, tmp_path), **settings}).venue_config
    assert isinstance(config, DeriveConfig)
    return found_by(lambda: DeriveVenue(config.for_command(500), SystemClock()))


@pytest.mark.parametrize(
    ("settings", "name", "said"),
    [
        (
            {"MM_SIGNER_PRIVATE_KEY": "0x" + "c3" * 32},
            "socket",
            "wallet header missing; is MM_S",
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


def test_a_tick_between_the_exchange_s_ends_with_2(server: DeriveServer, tmp_path: Path) -> None:
    """Every price of it would be refused; a multiple of the exchange's own is taken."""
    found = checked(server, tmp_path, MM_PRICE_TICK="0.015")["our market"]
    assert (found.result, found.code) == (Result.FAILED, 2), found
    assert found.detail == "MM_PRICE_TICK is 0.015: give a multiple of 0.01"
    assert checked(server, tmp_path, MM_PRICE_TICK="0.05")["our market"].result is Result.OK


def test_a_socket_that_is_down_is_no_fault_of_ours(server: DeriveServer, tmp_path: Path) -> None:
    """Exit code 4."""
    nobody = server.socket_url.replace("/v3/ws", "/v3/nothing")
    found = checked(server, tmp_path, MM_DERIVE_SOCKET_URL=nobody)["socket"]
    assert (found.result, found.code) == (Result.FAILED, 4)
