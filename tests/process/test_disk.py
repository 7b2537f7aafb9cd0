"""A disk that refuses: at the start, with a fill in flight, at the end."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from integration_harness.stack.orders import ExchangeClient, OrderTicket, Signer
from integration_harness.stack.up import LocalExchange
from tests.process.running import Running
from tests.process.starting import run

UNSAVED = "state file cannot be written"


@pytest.fixture
def environment(exchange: LocalExchange, tmp_path: Path) -> dict[str, str]:
    return {
        **exchange.bot_environment(exchange.spot.symbol),
        "MM_METRICS_ADDR": "127.0.0.1:0",
        "MM_STATE_FILE": str(tmp_path / "state.json"),
        "MM_MAX_LONG_INVENTORY": "1000000",
        "MM_POLL_INTERVAL_MS": "100",
        "MM_ANCHOR_SOURCE_TYPE": "fixed",
        "MM_ANCHOR_FIXED_PRICE": "1600",
        "MM_CANCEL_ON_SHUTDOWN": "true",
    }


def _take(exchange: LocalExchange, status: dict[str, Any]) -> None:
    """A taker buys a little of the bot's ask."""
    ask = next(order for order in status["live"] if order["side"] == "sell")
    ticket = OrderTicket(
        instrument=exchange.spot,
        side="buy",
        price=Decimal(ask["price"]) + 10,
        size=Decimal(10),
        lifetime_seconds=30,
    )
    with ExchangeClient(exchange.api_url) as client:
        deployment = exchange.deployment
        client.place(Signer(deployment, deployment.takers[0]).order_body(ticket))


def _resting(bot: Running, environment: dict[str, str]) -> dict[str, Any]:
    """Ready, and nothing left to write: the file names what rests, and several looks in a row find
    it as it was. Only then is a fill the first thing that a refusing disk meets."""
    path = Path(environment["MM_STATE_FILE"])
    looks: list[int] = []

    def settled(status: dict[str, Any]) -> bool:
        if not status["ready"] or not path.exists():
            return False
        looks.append(path.stat().st_mtime_ns)
        named = {order["order_id"] for order in json.loads(path.read_text())["live_orders"]}
        rests = {order["order_id"] for order in status["live"]}
        still = len(looks) >= 10 and len(set(looks[-10:])) == 1
        return len(rests) == 2 and named == rests and still

    return bot.until(settled, "resting with all of it written")


def _live(exchange: LocalExchange) -> int:
    with psycopg.connect(exchange.admin_database_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM active_orders WHERE order_id LIKE 'mm:%%'"
            " AND status IN ('active', 'matching') AND owner_address = %s",
            (exchange.deployment.maker.address.lower(),),
        ).fetchone()
    assert row is not None
    return int(row[0])


def _halted(status: dict[str, Any]) -> bool:
    return any(halt["reason"] == UNSAVED for halt in status["halts"]) and not status["live"]


def test_a_full_disk_and_a_fill_halt_by_name_and_heal(
    exchange: LocalExchange, environment: dict[str, str]
) -> None:
    """The fill is counted, what rests is cancelled, the process goes on; with room again it quotes
    by itself, and the books on disk have the fill once."""
    with Running(environment) as bot:
        ready = _resting(bot, environment)
        bot.refuse_writes()
        _take(exchange, ready)
        status = bot.until(_halted, "halted without a live order")
        assert not status["ready"]
        assert _live(exchange) == 0
        bot.allow_writes()
        bot.until_ready()
        ended = bot.stop()
    assert ended.exit_code == 0, ended.output
    state = json.loads(Path(environment["MM_STATE_FILE"]).read_text())
    assert state["books"]["sells"] == 1
    assert 10 <= Decimal(state["books"]["sold"]) < Decimal("10.1")


def test_a_stop_on_a_full_disk_names_it_and_the_next_start_counts_the_fill(
    exchange: LocalExchange, environment: dict[str, str]
) -> None:
    """Nothing rests, the summary is written, the exit is 2 with the file and the remedy. The next
    process finds the fill that the file lacks, once."""
    with Running(environment) as bot:
        ready = _resting(bot, environment)
        bot.refuse_writes()
        _take(exchange, ready)
        bot.until(_halted, "halted without a live order")
        ended = bot.stop()
    assert ended.exit_code == 2, ended.output
    assert "summary" in ended.output
    assert f"MM_STATE_FILE={environment['MM_STATE_FILE']}: cannot write" in ended.output
    assert "free space" in ended.output
    assert _live(exchange) == 0
    with Running(environment) as again:
        again.until_ready()
        assert again.stop().exit_code == 0
    state = json.loads(Path(environment["MM_STATE_FILE"]).read_text())
    assert state["books"]["sells"] == 1


def test_a_start_on_a_full_disk_ends_with_2(environment: dict[str, str]) -> None:
    """Before anything is placed, with the variable, the path and the remedy."""
    ended = run(environment, files_limit_bytes=0)
    assert ended.exit_code == 2, ended.output
    assert f"MM_STATE_FILE={environment['MM_STATE_FILE']}: cannot write" in ended.output
    assert "free space" in ended.output
    assert "order.place" not in ended.output


def test_a_connection_option_that_postgres_does_not_know_ends_with_2(
    environment: dict[str, str],
) -> None:
    """Other drivers take `schema` in the URL; the message names it, and nothing of the URL."""
    url = environment["MM_DATABASE_URL"] + "?schema=public"
    ended = run(environment | {"MM_DATABASE_URL": url})
    assert ended.exit_code == 2, ended.output
    assert "MM_DATABASE_URL: Postgres knows no connection option 'schema'" in ended.output
    assert "Traceback" not in ended.output
