"""The local exchange as a whole: quick to come up, complete, and gone without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import httpx
import psycopg
import pytest

from integration_harness.stack.chain import Chain
from integration_harness.stack.guardian import process_table
from integration_harness.stack.orders import ExchangeClient, OrderTicket, Signer
from integration_harness.stack.up import ExchangeOptions, LocalExchange, Part

REPOSITORY = Path(__file__).parents[2]


def our_processes(folder: Path) -> list[str]:
    """Command lines of running processes that mention a folder."""
    found = []
    for pid in process_table():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words:
            found.append(words.decode(errors="replace"))
    return found


def test_it_comes_up_phase_by_phase_and_leaves_nothing() -> None:
    """Every phase is told; after the block no process, port or file is left."""
    phases: dict[str, float] = {}
    with LocalExchange(progress=phases.__setitem__) as exchange:
        folder, api_url = exchange.folder, exchange.api_url
        assert our_processes(folder)
        assert httpx.get(f"{api_url}/healthz").json() == {"status": "ok"}
        symbols = {market["market"] for market in httpx.get(f"{api_url}/v1/markets").json()}
        assert symbols == {instrument.symbol for instrument in exchange.instruments}
    assert {"node", "contracts", "postgres", "schema", "api", "matcher", "ready"} == phases.keys()
    assert not folder.exists()
    assert our_processes(folder) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{api_url}/healthz")


def test_a_bot_finds_everything_in_its_environment() -> None:
    """For each market: an address book on disk, a key that owns the subaccount, and read only."""
    with LocalExchange(ExchangeOptions(chain_id=424242)) as exchange:
        for instrument in exchange.instruments:
            environment = exchange.bot_environment(instrument.symbol)
            for name, file in (
                ("MM_MATCHING_REPO_PATH", "matching.json"),
                ("MM_RISK_CORE_REPO_PATH", "core.json"),
            ):
                assert (Path(environment[name]) / "deployments" / "424242" / file).is_file()
            with Chain(environment["MM_RPC_URL"], exchange.deployment) as chain:
                owner = chain.subaccount_owner(int(environment["MM_SUBACCOUNT_ID"]))
                assert owner == exchange.deployment.maker.address.lower()
        with psycopg.connect(environment["MM_DATABASE_URL"], autocommit=True) as connection:
            for table in ("active_orders", "trade_fills", "market_events"):
                connection.execute(f"SELECT count(*) FROM {table}".encode())
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"DELETE FROM {table}".encode())
            connection.execute("LISTEN market_events")
            connection.execute("SELECT pg_try_advisory_lock(1)")


def test_the_feed_answers_the_price_it_is_set_to() -> None:
    """`set_price` takes cNGN per USDC; the feed says USD per cNGN with its own time."""
    with LocalExchange() as exchange, Chain(exchange.rpc_url, exchange.deployment) as chain:
        exchange.set_price(Decimal("1562.5"))
        assert chain.feed.latestRoundData().call()[1] == 64_000
        exchange.set_price_at(Decimal("1600"), 1_700_000_000)
        answer = chain.feed.latestRoundData().call()
        assert (answer[1], answer[3]) == (62_500, 1_700_000_000)


def test_each_part_can_go_away_and_come_back() -> None:
    """After an outage of any part, stopped or frozen, an order still fills."""
    with (
        LocalExchange(ExchangeOptions(matcher_poll_ms=20)) as exchange,
        ExchangeClient(exchange.api_url) as client,
    ):
        maker = Signer(exchange.deployment, exchange.deployment.maker)
        taker = Signer(exchange.deployment, exchange.deployment.takers[0])
        parts: tuple[Part, ...] = ("matcher", "api", "node", "postgres")
        for part in parts:
            exchange.stop(part)
            assert not exchange.running(part)
            exchange.start(part)
            exchange.freeze(part)
            time.sleep(0.05)
            exchange.thaw(part)
        sell = OrderTicket(
            instrument=exchange.spot, side="sell", price=Decimal(1600), size=Decimal(10)
        )
        buy = OrderTicket(
            instrument=exchange.spot, side="buy", price=Decimal(1600), size=Decimal(10)
        )
        client.place(maker.order_body(sell))
        order = client.place(taker.order_body(buy))
        give_up_at = time.monotonic() + 10
        while client.order(order["order_id"])["status"] != "filled":
            assert time.monotonic() < give_up_at, "nothing fills after the outages"
            time.sleep(0.02)


def test_the_command_line_prints_an_environment_and_ends_with_ctrl_c() -> None:
    """Standard output can be evaluated by a shell; an interrupt ends everything."""
    process = subprocess.Popen(
        [sys.executable, "-m", "integration_harness.stack"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    lines = [process.stdout.readline() for _ in range(11)]
    assert all(line.startswith("export MM_") for line in lines), lines
    variables = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
    folder = Path(variables["MM_MATCHING_REPO_PATH"])
    assert httpx.get(f"{variables['MM_API_BASE_URL']}/healthz").status_code == 200
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert "ready" in process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    assert not folder.exists()
    assert our_processes(folder) == []
