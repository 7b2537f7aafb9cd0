"""What `mm-bot check` says of an exchange, asked of the fake."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from integration_harness.venues.ethereal import EtherealServer
from mm_bot.clock import SystemClock
from mm_bot.venues.checks import Check, Result
from mm_bot.venues.ethereal.config import NETWORKS, EtherealConfig
from mm_bot.venues.ethereal.venue import EtherealVenue
from mm_bot.venues.signing import Signer
from tests.venues.desk import found_by
from tests.venues.ethereal.test_vectors import VECTORS, config, word

LINKED = word(VECTORS["linked_signer_private_key"])


@pytest.fixture
def server() -> Iterator[EtherealServer]:
    running = EtherealServer()
    running.add_trader(VECTORS["owner"], 7, VECTORS["linked_signer"])
    running.start()
    yield running
    running.close()


def settings(server: EtherealServer, tmp_path: Path) -> EtherealConfig:
    """The owner's account on the test network, by its linked signer."""
    network = NETWORKS["testnet"]
    return replace(
        config(tmp_path),
        rest_url=server.rest_url,
        socket_url=server.socket_url,
        chain_id=network.chain_id,
        contract=network.contract,
        signer_key=LINKED,
        signer=Signer(LINKED).address,
        market_symbol="ETHUSD",
        request_timeout_ms=10_000,
    )


def checked(given: EtherealConfig) -> dict[str, Check]:
    """What was found, by name."""
    return found_by(lambda: EtherealVenue(given, SystemClock()))


def test_a_good_account_passes_and_is_told_what_it_holds(
    server: EtherealServer, tmp_path: Path
) -> None:
    """Everything is ok, our signature is proven by a cancel of nothing, and no order is sent."""
    found = checked(settings(server, tmp_path))
    assert {check.result for check in found.values()} == {Result.OK}, found
    assert "may sign" in found["signing"].detail
    assert re.search(r"ends in (89|90) days", found["link"].detail)
    assert [path for path, _ in server.received] == ["order/cancel"]
    assert not server.orders


Break = Callable[[EtherealServer, EtherealConfig], EtherealConfig]


def stranger_s_key(server: EtherealServer, given: EtherealConfig) -> EtherealConfig:
    key = b"\x05" * 32
    return replace(given, signer_key=key, signer=Signer(key).address)


def other_case(server: EtherealServer, given: EtherealConfig) -> EtherealConfig:
    return replace(given, subaccount="Primary")


def other_contract(server: EtherealServer, given: EtherealConfig) -> EtherealConfig:
    server.faults.foreign_contract = True
    return given


def not_traded(server: EtherealServer, given: EtherealConfig) -> EtherealConfig:
    server.faults.inactive = True
    return given


def unconfirmed(server: EtherealServer, given: EtherealConfig) -> EtherealConfig:
    server.traders[7].link_status = "PENDING"
    return given


def revoked(server: EtherealServer, given: EtherealConfig) -> EtherealConfig:
    server.traders[7].link_status = "REVOKED"
    return given


def ended(server: EtherealServer, given: EtherealConfig) -> EtherealConfig:
    server.traders[7].link_ends_ms -= 91 * 86_400_000
    return given


@pytest.mark.parametrize(
    ("broken", "name", "said"),
    [
        (unconfirmed, "link", "is PENDING: wait until the chain has confirmed it"),
        (revoked, "link", "is REVOKED: link another signer"),
        (ended, "link", "ended 24 h ago: extend it on the site"),
        (ended, "signing", "InvalidSigner"),
        (stranger_s_key, "signing", "InvalidSigner; is it linked to this account"),
        (other_case, "subaccount", "no subaccount 'Primary'; it has 'primary'"),
        (other_contract, "domain", "verifyingContract is '0xabab"),
        (not_traded, "trading", "not ACTIVE"),
    ],
)
def test_what_is_wrong_is_named_with_exit_code_3(
    server: EtherealServer, tmp_path: Path, broken: Break, name: str, said: str
) -> None:
    """Thing, value and remedy of each identity that is not ours."""
    found = checked(broken(server, settings(server, tmp_path)))[name]
    assert (found.result, found.code) == (Result.FAILED, 3)
    assert said in found.detail


def test_a_suspended_exchange_is_no_fault_of_our_key(
    server: EtherealServer, tmp_path: Path
) -> None:
    """Exit code 4, and to try again later."""
    server.faults.suspended = True
    found = checked(settings(server, tmp_path))["signing"]
    assert (found.result, found.code) == (Result.FAILED, 4)
    assert "ExchangeSuspended; the exchange takes nothing now" in found.detail


def test_a_clock_a_socket_and_maintenance_are_notes(server: EtherealServer, tmp_path: Path) -> None:
    """None ends the check: times are put right, the book is polled, maintenance ends. All are
    told."""
    server.faults.clock_ahead_s = 60
    server.faults.refused_channel = "L2Book"
    server.faults.maintenance = True
    given = replace(settings(server, tmp_path), reach_timeout_ms=2_000)
    found = checked(given)
    assert found["clock"].result is Result.NOTE
    assert "60.0 s behind the exchange's" in found["clock"].detail
    assert found["socket"].result is Result.NOTE
    assert "SUBSCRIPTION_LIMIT_EXCEEDED" in found["socket"].detail
    assert found["maintenance"].result is Result.NOTE
    assert "takes no orders" in found["maintenance"].detail
