"""LISTEN over the model: a connection that hears notifications, as driver and libpq give it."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import deque
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass

import psycopg
from psycopg.pq import ExecStatus

from mm_bot.io.postgres_link import Row
from mm_bot.venues.numo.events import LISTEN, NEWEST, SINCE, THERE
from tests.sim.virtual_time import Host, VirtualLoop
from tests.sim.wire.feed import Event, Feed

_NUMBERS = itertools.count(1_000)
"""Descriptors that no file stands behind."""
_TEXT = r"convert_from\('\\x([0-9a-f]*)', 'UTF8'\)"
_QUESTION = re.compile(
    rf"(?:SELECT pg_sleep\(([0-9.]+)\); )?EXECUTE since \((\d+), {_TEXT}, {_TEXT}\)"
)
GONE = "server closed the connection unexpectedly"


@dataclass(frozen=True, slots=True)
class Result:
    status: int
    values: tuple[bytes, ...] = ()
    error_message: bytes = b""

    def get_value(self, row: int, column: int, /) -> bytes | None:
        return self.values[column]


class Wire:
    """libpq's side of one connection: see `mm_bot.io.postgres_link.Libpq`."""

    def __init__(self, feed: Feed, host: Host) -> None:
        self.socket = next(_NUMBERS)
        self.gone = False
        self._feed = feed
        self._host = host
        self._inbox: list[Event | Result | None] = []
        self._results: deque[Result | None] = deque()
        self._notes: deque[Event] = deque()

    def send_query(self, command: bytes, /) -> None:
        self._still_there()
        asked = _QUESTION.fullmatch(command.decode())
        assert asked is not None, "the bot asks nothing else"
        if self._feed.random.random() < self._feed.weather.read_fails / 20:
            return  # nobody answers any more
        nap_s, after, *texts = asked.groups()
        key, ours = (bytes.fromhex(text).decode() for text in texts)
        soon_s = self._feed.soon_s() + float(nap_s or 0)
        self._later(soon_s, lambda: self._answer(int(after), key, ours, napped=nap_s is not None))

    def flush(self) -> int:
        return 0

    def consume_input(self) -> None:
        self._still_there()
        for each in self._inbox:
            if isinstance(each, Event):
                self._notes.append(each)
            else:
                self._results.append(each)
        self._inbox.clear()

    def is_busy(self) -> int:
        return not self._results

    def get_result(self) -> Result | None:
        return self._results.popleft() if self._results else None

    def notifies(self) -> Event | None:
        return self._notes.popleft() if self._notes else None

    def heard(self, each: Event | Result | None) -> None:
        """It arrives, or the connection breaks instead; None ends the results of a question."""
        if self._feed.trouble():
            self.gone = True
        self._inbox.append(each)
        self._host.deliver(self._readable)

    def _answer(self, after: int, key: str, ours: str, *, napped: bool) -> None:
        if self._feed.trouble():
            self.heard(Result(ExecStatus.FATAL_ERROR, error_message=b"canceling statement"))
            self.heard(None)
            return
        fresh = self._feed.after(after)
        matters = any(
            event.market_key == key
            and (event.channel == "trades" or not event.order_id.startswith(ours))
            for event in fresh
        )
        newest = max((event.seq for event in fresh), default=after)
        midway = self._feed.random.random() < 0.5  # the matcher's blinks are no events here
        told = (str(newest).encode(), *(b"t" if each else b"f" for each in (matters, midway)))
        if napped:
            self.heard(Result(ExecStatus.TUPLES_OK))
        self.heard(Result(ExecStatus.TUPLES_OK, told))
        self.heard(None)

    def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.has_read(self.socket)

    def _still_there(self) -> None:
        if self.gone:
            raise psycopg.OperationalError(GONE)

    def _later(self, delay_s: float, do: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_later(delay_s, do, context=Context())


class Listener:
    """See `mm_bot.io.postgres_link.Listener`."""

    def __init__(self, feed: Feed, host: Host) -> None:
        self.libpq = Wire(feed, host)
        self._feed = feed

    async def run(self, sql: bytes) -> Row | None:
        feed = self._feed
        await asyncio.sleep(feed.soon_s())
        if feed.trouble():
            self.libpq.gone = True
        if self.libpq.gone:
            raise psycopg.OperationalError(GONE)
        if sql == THERE:
            return (feed.has_table, True)
        if sql == NEWEST:
            return (max((event.seq for event in feed.committed), default=0),)
        if sql == LISTEN:
            feed.ears.append(self.libpq.heard)
        else:
            assert sql == SINCE, "the bot runs no other statement"
        return None

    async def close(self) -> None:
        self.libpq.gone = True
        if self.libpq.heard in self._feed.ears:
            self._feed.ears.remove(self.libpq.heard)
