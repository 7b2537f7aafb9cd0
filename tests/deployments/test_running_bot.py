"""Claims about a real bot: what rules, dashboard and runbook count on is what it really shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml

from integration_harness.demo.bots import BotProcess
from integration_harness.stack.up import LocalExchange
from tests.deployments.exported import (
    OF_STREAMS,
    exported_by_a_registry,
    exported_by_backtests,
    faults,
    read,
)
from tests.deployments.runbook import RUNBOOK

DEPLOYMENTS = Path(__file__).parents[2] / "deployments"


@pytest.fixture(scope="module")
def bot(exchange: LocalExchange, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotProcess]:
    """One that quotes both sides of the spot market, and cancels them when it ends."""
    spot, folder = exchange.spot.symbol, tmp_path_factory.mktemp("bot")
    environment = {
        **exchange.bot_environment(spot),
        "MM_STATE_FILE": str(folder / "state.json"),
        "MM_MAX_LONG_INVENTORY": "1000000",
        "MM_POLL_INTERVAL_MS": "200",
        "MM_ANCHOR_SOURCE_TYPE": "fixed",
        "MM_ANCHOR_FIXED_PRICE": "1600",
        "MM_CANCEL_ON_SHUTDOWN": "true",
    }
    running = BotProcess(market=spot, environment=environment, log_path=folder / "log")
    running.start()
    try:
        running.wait_until_ready()
        yield running
    finally:
        assert running.stop() == 0, running.log_tail()


def expressions() -> list[str]:
    """Every expression of the rules and of the dashboard."""
    rules = yaml.safe_load((DEPLOYMENTS / "prometheus" / "alerts.yml").read_text())
    dashboard = json.loads((DEPLOYMENTS / "grafana" / "mm-bot.json").read_text())
    return [
        *(rule["expr"] for group in rules["groups"] for rule in group["rules"]),
        *(t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", [])),
    ]


def test_a_running_bot_exports_everything_that_is_counted_on(bot: BotProcess) -> None:
    """Against the exposition of a live process no expression has a fault; and it has the names and
    labels of a new registry, which the other tests use, but for what only a bot with a stream of
    prices has."""
    page = httpx.get(f"http://127.0.0.1:{bot.port}/metrics").text
    exported, new = read(page), exported_by_a_registry()
    streams = {name: new[name] for name in OF_STREAMS}
    counted_on = {**exported, **exported_by_backtests(), **streams}
    assert {e: f for e in expressions() if (f := faults(e, counted_on))} == {}
    assert {name: set(labels) for name, labels in exported.items()} == {
        name: set(labels) for name, labels in new.items() if name not in OF_STREAMS
    }


def test_the_runbooks_questions_have_answers(bot: BotProcess) -> None:
    """Each `jq` path of the runbook is there in a real /status, or in the page it is asked of."""
    asked = set(re.findall(r"(?:localhost:8080/(\w+) \| )?jq (\.[a-z_.]+)", RUNBOOK.read_text()))
    assert len(asked) >= 5
    for page, path in asked:
        part: Any = httpx.get(f"http://127.0.0.1:{bot.port}/{page or 'status'}").json()
        for key in path[1:].rstrip(".").split("."):
            assert key in part, f"/{page or 'status'} has no {path}"
            part = part[key]


def test_the_runbooks_sql_runs(bot: BotProcess, exchange: LocalExchange) -> None:
    """Each query is valid for the role that the bot uses, and shows this bot's two orders, one of
    them by its id, and the session that holds its lock."""
    maker, subaccount_id = exchange.account_for(exchange.spot)
    queries = re.findall(r"```sql\n(.*?)```", RUNBOOK.read_text(), re.S)
    assert len(queries) == 4
    live, one, fills, locks = queries
    variables = {"owner": maker.address.lower(), "subaccount": str(subaccount_id)}
    with psycopg.connect(exchange.database_url) as connection:

        def ask(query: str) -> list[tuple[Any, ...]]:
            places = re.sub(r":'(\w+)'", r"%(\1)s", query)
            return connection.execute(places.encode(), variables).fetchall()

        orders = [row[0] for row in ask(live)]
        mine = [order_id for order_id in orders if order_id.startswith(f"mm:{bot.market}:")]
        assert len(mine) == 2
        variables["order_id"] = mine[0]
        assert [row[0] for row in ask(one)] == [mine[0]]
        ask(fills)
        assert any(bot.market in str(row) or "mm" in str(row[1]) for row in ask(locks))
