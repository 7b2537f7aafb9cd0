"""A fleet as its users run it: one parent, two markets on the local exchange."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from integration_harness.market_view import MarketView
from integration_harness.stack.supervisor import Supervisor, free_port
from integration_harness.stack.up import LocalExchange
from integration_harness.target import local_target

_WITHIN_S = 40


@pytest.fixture
def file(exchange: LocalExchange, tmp_path: Path) -> Path:
    """Spot and the first future."""
    lines = ["[fleet]", f'metrics_addr = "127.0.0.1:{free_port()}"', "[environment]"]
    lines += ['MM_ANCHOR_SOURCE_TYPE = "fixed"', 'MM_ANCHOR_FIXED_PRICE = "1600"']
    lines += ["MM_POLL_INTERVAL_MS = 200"]
    for market, size in ((exchange.spot, "10"), (exchange.futures[0], "0.1")):
        environment = exchange.bot_environment(market.symbol)
        del environment["MM_STATE_FILE"]
        lines.append(f'[market."{market.symbol}"]')
        lines += [f'{name} = "{text}"' for name, text in environment.items()]
        lines += [f'MM_ORDER_SIZE = "{size}"', f'MM_METRICS_ADDR = "127.0.0.1:{free_port()}"']
        lines += ['MM_MAX_LONG_INVENTORY = "1000000"', 'MM_MAX_SHORT_INVENTORY = "-1000000"']
    written = tmp_path / "fleet.toml"
    written.write_text("\n".join(lines))
    return written


@pytest.fixture
def views(exchange: LocalExchange) -> Iterator[dict[str, MarketView]]:
    """Of the same two markets."""
    with ExitStack() as cleanup:
        found = {}
        for market in (exchange.spot, exchange.futures[0]):
            view = MarketView(local_target(exchange, market))
            cleanup.callback(view.close)
            found[market.symbol] = view
        yield found


def command(file: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": os.environ.get("PATH", "")}
    words = ("fleet", *words, str(file), "--json")
    return subprocess.run(
        [sys.executable, "-m", "mm_bot", *words], env=environment, capture_output=True, check=False
    )


def test_two_markets_live_and_end_as_one(
    file: Path, views: dict[str, MarketView], tmp_path: Path
) -> None:
    """Both quote under one parent; one that is killed comes back, adopts what rests and is counted;
    one scrape has both. A parent that is killed takes them with it, proven; the next one finds
    nothing that rests, and a SIGTERM ends it and all markets, proven: nothing is live, exit 0."""
    checked = orjson.loads(command(file, "check").stdout)
    assert checked["exit_code"] == 0, checked
    assert "no [[budget]]" in checked["notes"][0]
    with Supervisor("mm-bot-fleet-") as supervisor:
        words = (sys.executable, "-m", "mm_bot", "fleet", str(file))
        environment = {"PATH": os.environ.get("PATH", "")}
        parent = supervisor.spawn("parent", words, environment=environment)

        def told() -> dict[str, dict[str, Any]]:
            assert parent.running, parent.log_tail()
            try:
                found = httpx.get(_url(file) + "/status").json()["markets"]
            except httpx.TransportError:
                return {}
            return {each["market"]: each for each in found}

        def until(holds: Callable[[dict[str, dict[str, Any]]], bool]) -> dict[str, dict[str, Any]]:
            give_up_at = time.monotonic() + _WITHIN_S
            while not holds(found := told()):
                assert time.monotonic() < give_up_at, f"{found}\n{parent.log_tail()}"
                time.sleep(0.05)
            return found

        before = until(lambda found: bool(found) and all(e["ready"] for e in found.values()))
        listed = orjson.loads(command(file, "status").stdout)["markets"]
        assert {each["market"] for each in listed} == set(before) == set(views)
        live = {name: {o.order_id for o in v.live(v.target.bot)} for name, v in views.items()}
        assert [len(orders) for orders in live.values()] == [2, 2]
        name = next(iter(before))
        os.kill(before[name]["pid"], signal.SIGKILL)
        after = until(lambda found: found[name]["restarts"] == 1 and found[name]["ready"] is True)
        assert after[name]["pid"] != before[name]["pid"]
        view = views[name]
        assert {o.order_id for o in view.live(view.target.bot)} == live[name]
        samples = {f'mm_bot_ready{{market="{each}"}} 1.0' for each in views}
        samples.add(f'mm_fleet_restarts_total{{market="{name}"}} 1')
        # A child that does not answer in time is left out of one scrape.
        until(lambda _: all(each in httpx.get(_url(file) + "/metrics").text for each in samples))
        until(lambda _: httpx.get(_url(file) + "/readyz").status_code == 200)
        os.kill(parent.pid, signal.SIGKILL)
        for child in after.values():
            _until_gone(child["pid"])
        assert not any(view.live(view.target.bot) for view in views.values())
        parent = supervisor.spawn("next parent", words, environment=environment)
        until(lambda found: bool(found) and all(e["ready"] for e in found.values()))
        parent.stop(grace_seconds=40)
        assert parent.exit_code == 0, parent.log_tail()
    for view in views.values():
        assert not view.live(view.target.bot)


def _until_gone(pid: int) -> None:
    """Until a process that is no child of ours has ended."""
    give_up_at = time.monotonic() + _WITHIN_S
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < give_up_at, pid
        time.sleep(0.05)


def _url(file: Path) -> str:
    return "http://" + file.read_text().split('"')[1]
