"""What `mm-bot check` says of Coinbase, asked of the fake; and its sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from integration_harness.venues.coinbase import CoinbaseServer
from mm_bot.clock import SystemClock
from mm_bot.venues.checks import Check, Result
from mm_bot.venues.coinbase.config import CoinbaseConfig
from mm_bot.venues.coinbase.stream import Event, Socket
from mm_bot.venues.coinbase.token import Tokens
from mm_bot.venues.coinbase.venue import CoinbaseVenue
from tests.venues.coinbase.test_token import SCALAR, VECTORS
from tests.venues.desk import found_by


@pytest.fixture
def server() -> Iterator[CoinbaseServer]:
    running = CoinbaseServer(VECTORS["key_name"], VECTORS["public_key_pem"])
    running.start()
    yield running
    running.close()


def settings(server: CoinbaseServer, tmp_path: Path) -> CoinbaseConfig:
    return CoinbaseConfig(
        rest_url=server.rest_url,
        market_socket_url=server.socket_url("market"),
        user_socket_url=server.socket_url("user"),
        key_name=VECTORS["key_name"],
        key=SCALAR,
        portfolio="",
        market_symbol="BTC-USD",
        price_tick=None,
        protected_prefixes=("manual:",),
        lock_file=tmp_path / "lock",
        requests_per_hour=100_000,
        resend=False,
        dry_run=False,
        wait_for_lock=False,
        request_timeout_ms=10_000,
    )


def checked(given: CoinbaseConfig) -> dict[str, Check]:
    """What was found, by name."""
    return found_by(lambda: CoinbaseVenue(given, SystemClock()))


def test_a_good_key_passes_and_is_told_its_fee(server: CoinbaseServer, tmp_path: Path) -> None:
    """Everything is ok, the maker's fee is a note, and nothing is sent."""
    found = checked(settings(server, tmp_path))
    assert {name for name, check in found.items() if check.result is not Result.OK} == {"fees"}
    assert "60 bps" in found["fees"].detail
    assert not server.received


Break = Callable[[CoinbaseServer, CoinbaseConfig], CoinbaseConfig]


def may_transfer(server: CoinbaseServer, given: CoinbaseConfig) -> CoinbaseConfig:
    server.faults.can_transfer = True
    return given


def other_portfolio(server: CoinbaseServer, given: CoinbaseConfig) -> CoinbaseConfig:
    return replace(given, portfolio="22222222-2222-4333-8444-555555555555")


def stopped(server: CoinbaseServer, given: CoinbaseConfig) -> CoinbaseConfig:
    server.faults.cancel_only = True
    return given


def other_market(server: CoinbaseServer, given: CoinbaseConfig) -> CoinbaseConfig:
    return replace(given, market_symbol="ETH-USD")


@pytest.mark.parametrize(
    ("broken", "name", "said"),
    [
        (may_transfer, "key", "it may transfer"),
        (other_portfolio, "key", "MM_COINBASE_PORTFOLIO says 2222"),
        (stopped, "trading", "cancel_only"),
        (other_market, "our market", "ETH-USD at Coinbase"),
    ],
)
def test_what_is_wrong_is_named_with_exit_code_3(
    server: CoinbaseServer, tmp_path: Path, broken: Break, name: str, said: str
) -> None:
    """Thing, value and remedy."""
    found = checked(broken(server, settings(server, tmp_path)))[name]
    assert (found.result, found.code) == (Result.FAILED, 3)
    assert said in found.detail


def test_another_key_is_told_by_the_first_answer(server: CoinbaseServer, tmp_path: Path) -> None:
    """The exchange refuses every token: exit code 3, with the status, and what to look at."""
    found = checked(replace(settings(server, tmp_path), key=b"\x05" * 32))["our market"]
    assert (found.result, found.code) == (Result.FAILED, 3)
    assert "401 Unauthorized; is MM_COINBASE_KEY_NAME the name of" in found.detail


def test_a_lost_message_makes_the_connection_anew(server: CoinbaseServer) -> None:
    """A gap in the sequence is seen at the next message, whatever channel it is of, and told; the
    new connection begins with a snapshot. Repetitions are ignored."""

    async def whole() -> None:
        snapshots = 0

        def heard(channel: str, event: Event) -> None:
            nonlocal snapshots
            snapshots += channel == "l2_data" and event.get("type") == "snapshot"

        socket = Socket(
            server.socket_url("market"),
            ("heartbeats", "market_trades", "level2"),
            server.symbol,
            Tokens(VECTORS["key_name"], SCALAR),
            heard,
            first="l2_data",
            timeout_s=5,
        )
        server.faults.duplicate_pushes = True
        socket.start()
        try:
            await _until(socket.up.is_set)
            assert (socket.sessions, snapshots) == (1, 1)
            server.faults.lost_messages = 1
            for price in ("2000", "2001"):
                await asyncio.to_thread(server.rest, "buy", price, "1")
            await _until(lambda: socket.sessions == 2)
            assert snapshots == 2
        finally:
            await socket.aclose()

    asyncio.run(whole())


async def _until(holds: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < give_up_at
        await asyncio.sleep(0.02)
