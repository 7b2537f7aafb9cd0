"""What a user sees who starts the bot with something wrong: one message, one exit code."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from integration_harness.stack.evm_node import DEV_KEYS
from integration_harness.stack.supervisor import free_port
from integration_harness.stack.up import LocalExchange
from tests.process.starting import run, start, wait

STRANGER_KEY = DEV_KEYS[8][1]
SECRET = "hunter22secret"


@pytest.fixture
def environment(exchange: LocalExchange, tmp_path: Path) -> dict[str, str]:
    return {
        **exchange.bot_environment(exchange.spot.symbol),
        "MM_METRICS_ADDR": "127.0.0.1:0",
        "MM_STATE_FILE": str(tmp_path / "state.json"),
    }


def test_every_fault_is_told_at_once_and_nothing_is_contacted() -> None:
    """An empty environment names every variable that must be set, and exits with 2."""
    ended = run({})
    assert ended.exit_code == 2
    for name in (
        "MM_API_BASE_URL",
        "MM_RPC_URL",
        "MM_DATABASE_URL",
        "MM_OWNER_PRIVATE_KEY",
        "MM_SUBACCOUNT_ID",
    ):
        assert f"{name} is not set" in ended.output


def test_a_malformed_value_is_named_with_its_remedy(environment: dict[str, str]) -> None:
    """Each malformed variable comes with its value and what would be valid; a key never does."""
    ended = run(
        environment
        | {
            "MM_ORDER_SIZE": "-1",
            "MM_HALF_SPREADBPS": "3",
            "MM_OWNER_PRIVATE_KEY": SECRET,
        }
    )
    assert ended.exit_code == 2
    assert "MM_ORDER_SIZE is '-1'" in ended.output
    assert "did you mean MM_HALF_SPREAD_BPS?" in ended.output
    assert "MM_OWNER_PRIVATE_KEY" in ended.output
    assert SECRET not in ended.output


IDENTITY = {
    "unknown market": ({"MM_MARKET_SYMBOL": "USDCcNGN-SEP16-2026"}, "listed are: USDCcNGN-"),
    "no contract": ({"MM_MATCHING_ADDRESS": "0x" + "12" * 20}, "no contract on chain 31337"),
    "another owner's": ({"MM_SUBACCOUNT_ID": "5"}, "subaccount 5 belongs to 0x"),
    "no such subaccount": ({"MM_SUBACCOUNT_ID": "9999"}, "subaccount 9999 does not exist"),
    "not in custody": ({"MM_SUBACCOUNT_ID": "7"}, "not by Matching 0x"),
    "no session key": ({"MM_SIGNER_PRIVATE_KEY": STRANGER_KEY}, "no live session key"),
    "another's recipient": ({"MM_RECIPIENT_ID": "5"}, "recipient subaccount 5 belongs to 0x"),
}


@pytest.mark.parametrize("case", IDENTITY)
def test_a_wrong_identity_ends_with_3_before_any_order(
    case: str, environment: dict[str, str]
) -> None:
    """Market, contracts, subaccount, recipient and signer are proven first, each by name."""
    changed, message = IDENTITY[case]
    ended = run(environment | changed)
    assert ended.exit_code == 3, ended.output
    assert message in ended.output
    assert "order.place" not in ended.output


def test_a_node_of_another_chain_ends_with_3(
    exchange: LocalExchange, environment: dict[str, str]
) -> None:
    """A chain id that is not the node's is told with both ids."""
    addresses = exchange.deployment.addresses
    for name in ("MM_MATCHING_REPO_PATH", "MM_RISK_CORE_REPO_PATH"):
        del environment[name]
    ended = run(
        environment
        | {
            "MM_CHAIN_ID": "84532",
            "MM_MATCHING_ADDRESS": addresses.matching,
            "MM_TRADE_MODULE_ADDRESS": addresses.trade,
            "MM_SUBACCOUNTS_ADDRESS": addresses.sub_accounts,
        }
    )
    assert ended.exit_code == 3
    assert "31337" in ended.output
    assert "84532" in ended.output


def test_what_is_unreachable_is_named_without_credentials(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Postgres, API and node down each end with 4 and their address, never with a password."""
    nowhere = f"127.0.0.1:{free_port()}"
    down = {
        "Postgres": {"MM_DATABASE_URL": f"postgres://user:{SECRET}@{nowhere}/orders"},
        "markets API": {"MM_API_BASE_URL": f"http://user:{SECRET}@{nowhere}"},
        "chain node": {"MM_RPC_URL": f"http://{nowhere}/{SECRET}"},
    }
    running = {}
    for number, (name, changed) in enumerate(down.items()):
        state_file = {"MM_STATE_FILE": str(tmp_path / f"state-{number}.json")}
        running[name] = start(environment | changed | state_file)
    for name, ended in {name: wait(process) for name, process in running.items()}.items():
        assert ended.exit_code == 4, ended.output
        assert name in ended.output
        assert nowhere in ended.output
        assert SECRET not in ended.output


def test_a_taken_port_is_named(environment: dict[str, str]) -> None:
    """A port somebody listens on ends with 2 and the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run(environment | {"MM_METRICS_ADDR": address})
    assert ended.exit_code == 2
    assert f"MM_METRICS_ADDR={address}" in ended.output


def test_a_second_writer_is_refused_and_told_who_is_first(
    exchange: LocalExchange, environment: dict[str, str]
) -> None:
    """Two processes on one market and subaccount: the second exits with 3 and names the first."""
    port = free_port()
    # The spare subaccount: nothing of this test stays in the way of others.
    spare = str(exchange.deployment.maker.subaccount_ids[2])
    environment |= {"MM_SUBACCOUNT_ID": spare, "MM_OPERATOR_MODE": "pause"}
    first = start(environment | {"MM_METRICS_ADDR": f"127.0.0.1:{port}"})
    try:
        _wait_for_status(port)
        second = run(environment)
    finally:
        first.send_signal(signal.SIGTERM)
        ended = wait(first)
    assert second.exit_code == 3
    assert f"pid={first.pid}" in second.output
    assert ended.exit_code == 0, ended.output


def _wait_for_status(port: int) -> None:
    give_up_at = time.monotonic() + 10
    while time.monotonic() < give_up_at:
        try:
            if "mode" in httpx.get(f"http://127.0.0.1:{port}/status").json():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError("the first bot never finished a cycle")
