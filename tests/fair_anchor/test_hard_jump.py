"""The service as a process, whose source changes its unit: what no repetition confirms."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.fair_anchor.scenario import against, price, until
from tests.fair_anchor.support import Service
from tests.prices.servers import RawServer, json_answer

RIGHT, THOUSANDFOLD = json_answer("1600"), json_answer("1600000")
UNCONFIRMED = "unconfirmed jump"


async def refused(server: RawServer, service: Service) -> str:
    """Why four readings in a row are no price, more than confirm a smaller jump."""
    before = len(server.requests)
    while len(server.requests) < before + 4:
        told = await price(service)
        assert told.status == 502, told.body
        await asyncio.sleep(0.02)
    reason = told.tried()["http"]
    assert reason.startswith(f"{UNCONFIRMED}: 1600 -> "), reason
    return reason


def accept(*words: str, state_file: Path | None) -> subprocess.CompletedProcess[str]:
    """`fair-anchor accept-reference`, as the operator calls it."""
    given = {} if state_file is None else {"FAIR_ANCHOR_STATE_FILE": str(state_file)}
    return subprocess.run(
        [sys.executable, "-m", "fair_anchor", "accept-reference", *words],
        env={
            "PATH": os.environ.get("PATH", ""),
            "FAIR_ANCHOR_API_BASE_URL": "http://127.0.0.1:9",
            "FAIR_ANCHOR_MAX_SPOT_PRICE": "10000000",
            **given,
        },
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_a_thousandfold_price_is_refused_in_flight_and_after_a_restart(tmp_path: Path) -> None:
    """However often it is said, and also where it is the first that the next process hears; only
    the operator's word takes it, without a restart, and a right price needs none."""
    state = tmp_path / "spot.json"

    async def in_flight(server: RawServer, service: Service) -> None:
        assert (await price(service)).body["spot"] == 1600
        server.answer(THOUSANDFOLD)
        await asyncio.sleep(0.05)
        assert "fair-anchor accept-reference 1600000" in await refused(server, service)
        server.answer(RIGHT)
        assert (await until(service, 200)).body["spot"] == 1600
        assert await asyncio.to_thread(service.stop) == 0
        assert json.loads(state.read_text())["accepted_prices"]["http"]["price"] == "1600"

    async def restarted(server: RawServer, service: Service) -> None:
        await refused(server, service)
        done = await asyncio.to_thread(accept, "1600000", state_file=state)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert (await until(service, 200)).body["spot"] == 1_600_000

    wide = {"MAX_SPOT_PRICE": "10000000", "STATE_FILE": str(state)}
    against(tmp_path, RIGHT, in_flight, **wide)
    against(tmp_path, THOUSANDFOLD, restarted, **wide)


def test_a_second_source_confirms_what_it_says_too(tmp_path: Path) -> None:
    """A true move of a quarter is believed where another source says so as well; and without a
    state file the remedy is one that works without."""

    async def scenario(server: RawServer, service: Service) -> None:
        assert (await price(service)).body["source"] == "http"
        server.answer(json_answer("2000"))
        for _ in range(500):
            told = await until(service, 200)
            found = (told.body["source"], int(told.body["spot"]))
            if found == ("http", 2000):
                return
            assert found in {("http", 1600), ("fixed", 2000)}, found
            await asyncio.sleep(0.02)
        raise AssertionError("never confirmed")

    against(tmp_path, RIGHT, scenario, SPOT_SOURCES="http,fixed", FIXED_PRICE="2000", CACHE_MS="10")
    assert accept("2000", state_file=None).returncode == 2
    assert accept("no price", state_file=tmp_path / "spot.json").returncode == 2


def test_a_state_file_that_cannot_be_used_costs_a_warning_and_no_price(tmp_path: Path) -> None:
    """Whether it is torn, a folder, or where nothing can be written: prices go on."""
    (tmp_path / "torn.json").write_text('{"accepted_prices": {"http": {"price": -1}}')
    (tmp_path / "folder").mkdir()

    async def scenario(server: RawServer, service: Service) -> None:
        assert (await price(service)).body["spot"] == 1600
        assert await asyncio.to_thread(service.stop) == 0
        assert '"event":"state"' in service.log_path.read_text().splitlines()[0]
        service.log_path.unlink()

    for name in ("torn.json", "folder"):
        against(tmp_path, RIGHT, scenario, STATE_FILE=str(tmp_path / name))

    async def unwritable(server: RawServer, service: Service) -> None:
        assert (await price(service)).body["spot"] == 1600
        assert await asyncio.to_thread(service.stop) == 0
        assert "cannot write" in service.log_path.read_text()

    against(tmp_path, RIGHT, unwritable, STATE_FILE=str(tmp_path / "nowhere" / "spot.json"))
