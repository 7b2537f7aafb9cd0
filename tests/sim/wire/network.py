"""The connections of one process: bytes to the services and back, late, cut, garbled, or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
from websockets.asyncio.client import ClientConnection

from mm_bot.io.http_connection import Connection
from tests.sim.model import Model
from tests.sim.virtual_time import Host
from tests.sim.wire import answers, sockets
from tests.sim.wire.answers import Answer, Request
from tests.sim.wire.api import Api
from tests.sim.wire.database import Database, Link
from tests.sim.wire.feed import Feed
from tests.sim.wire.listening import Listener
from tests.sim.wire.mishaps import Mishap, Mishaps
from tests.sim.wire.node import Node, refusal

_SITES = {
    "/v1/orders": "place",
    "/v1/orders/cancel": "cancel",
    "/v1/book": "book",
    "/v1/trades": "trades",
}
_API_PORT = 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What all processes speak to."""

    model: Model
    api: Api
    node: Node
    database: Database
    feed: Feed


class Network:
    def __init__(self, services: Services, mishaps: Mishaps, host: Host, writer: int) -> None:
        self.services = services
        self.mishaps = mishaps
        self.host = host
        self._writer = writer
        self._kept: dict[str, Answer] = {}
        self._frozen_until_ms: dict[str, int] = {}
        self._held_ms: int | None = None
        self.outside = Context()
        """What runs in it belongs to no process."""

    async def connect(self, scheme: str, host: str, port: int) -> Connection:
        """See `mm_bot.io.http.Connect`."""
        await asyncio.sleep(self.mishaps.delay_ms() / 1000)
        if self.mishaps.refused():
            raise ConnectionRefusedError(111, "Connection refused")
        connection = Connection()
        connection.connection_made(_Socket(connection, self, api=port == _API_PORT))
        return connection

    async def opens(self, url: str, where: Mapping[str, Any], name: str) -> Link:
        """See `mm_bot.io.postgres_link.Opens`."""
        await asyncio.sleep(self.mishaps.delay_ms() / 1000)
        if self.mishaps.refused():
            if self.mishaps.random.random() < 0.5:
                raise psycopg.errors.TooManyConnections("too many clients already")
            raise psycopg.OperationalError("connection refused")
        database = self.services.database
        return Link(database, database.backend(self._writer), self.mishaps, self.host)

    async def listens(self, url: str, name: str) -> Listener:
        """See `mm_bot.io.postgres_link.Listens`."""
        feed = self.services.feed
        await asyncio.sleep(feed.soon_s())
        if feed.trouble():
            raise psycopg.OperationalError("connection refused")
        return Listener(feed, self.host)

    def sockets(
        self, url: str, *, open_timeout: float, ping_interval: float
    ) -> AbstractAsyncContextManager[ClientConnection]:
        """See `mm_bot.io.websocket.connecting`."""
        services = self.services
        return sockets.connecting(
            services.model,
            services.feed,
            self.host,
            url,
            open_timeout=open_timeout,
            ping_interval=ping_interval,
        )

    def break_all(self) -> None:
        """The process is dead: its sessions end with it."""
        for link in tuple(self.services.database.links):
            if link.backend.writer == self._writer:
                link.shut()

    def answer(self, site: str, request: Request, *, api: bool) -> Answer:
        """What the service says; where a source is frozen, what it said before."""
        now_ms, services = self.services.model.clock.now_ms(), self.services
        if not api:
            return services.node.answer(request, self._node_held_ms(now_ms))
        answer = services.api.answer(request)
        if site == "book":
            if self.mishaps.freezes(site):
                until_ms = now_ms + round(self.mishaps.random.uniform(500, 15_000))
                self._frozen_until_ms.setdefault(site, until_ms)
            if self.mishaps.weather.freezes and now_ms < self._frozen_until_ms.get(site, 0):
                return self._kept.setdefault(site, answer)
            self._frozen_until_ms.pop(site, None)
            self._kept[site] = answer
        return answer

    def _node_held_ms(self, now_ms: int) -> int | None:
        """Where the node stands still, the time of the block it stands at."""
        if self.mishaps.freezes("node"):
            until_ms = now_ms + round(self.mishaps.random.uniform(500, 15_000))
            self._frozen_until_ms.setdefault("node", until_ms)
            self._held_ms = self.services.model.chain.shown_ms()
        if not self.mishaps.weather.freezes or now_ms >= self._frozen_until_ms.get("node", 0):
            self._frozen_until_ms.pop("node", None)
            self._held_ms = None
        return self._held_ms


class _Socket(asyncio.Transport):
    """The service's end of one connection, in place of the machine's."""

    def __init__(self, connection: Connection, network: Network, *, api: bool) -> None:
        super().__init__()
        self._connection = connection
        self._network = network
        self._api = api
        self._closed = False
        """By either side."""
        self._gone = False
        """By the service: what arrives later is not served."""

    # What the connection asks of it.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed:
            return
        request = Request.of(bytes(data))
        site = _SITES.get(request.path, "start") if self._api else "node"
        mishaps = self._network.mishaps
        mishap, there_ms = mishaps.of(site), mishaps.delay_ms()
        if mishap is Mishap.LATE:
            there_ms += mishaps.random.uniform(1_000, 4_000)
        if mishap is not Mishap.LOST:
            self._later(there_ms, lambda: self._arrive(request, site, mishap))

    def abort(self) -> None:
        self._closed = True

    def close(self) -> None:
        self._closed = True

    def is_closing(self) -> bool:
        return self._closed

    # What happens to it.

    def _arrive(self, request: Request, site: str, mishap: Mishap | None) -> None:
        mishaps = self._network.mishaps
        if self._gone:
            return
        if mishap is Mishap.CUT_UNSERVED:
            self._cut()
            return
        back_ms, random = mishaps.delay_ms(), mishaps.random
        if mishap is Mishap.TURNED_AWAY:
            self._answer(back_ms, random.choice(answers.REFUSALS + answers.GATEWAYS))
            return
        if mishap is Mishap.OVERTAKEN:
            self._answer(back_ms, random.choice(answers.GATEWAYS))
            late_ms = random.uniform(100, 4_000)
            self._later(late_ms, lambda: self._network.answer(site, request, api=self._api))
            return
        answer = self._network.answer(site, request, api=self._api)
        match mishap:
            case Mishap.SILENT | Mishap.LATE:
                return
            case Mishap.CUT:
                self._later(back_ms, self._cut)
                return
            case Mishap.CUT_HALF:
                half = self._encoded(answer)[: random.randrange(1, 400)]
                self._later(back_ms, lambda: self._deliver(half))
                self._later(back_ms, self._cut)
                return
            case Mishap.MISREPORTED:
                answer = self._misreported(answer)
            case Mishap.GARBLED:
                answer = answers.garbled(answer, random)
        self._answer(back_ms, answer)
        if mishaps.ends_idle():
            self._later(back_ms + random.uniform(0, 3_000), self._cut)

    def _misreported(self, answer: Answer) -> Answer:
        random = self._network.mishaps.random
        return random.choice(answers.GATEWAYS) if self._api else refusal(answer, random)

    def _answer(self, back_ms: float, answer: Answer) -> None:
        self._later(back_ms, lambda: self._deliver(self._encoded(answer)))

    def _encoded(self, answer: Answer) -> bytes:
        return answer.encoded(self._network.services.model.clock.now_ms())

    def _deliver(self, data: bytes) -> None:
        """In two pieces, as a network may."""
        middle = len(data) // 3
        for piece in (data[:middle], data[middle:]):
            self._network.host.deliver(partial(self._heard, piece))

    def _heard(self, piece: bytes) -> None:
        if not self._closed and piece:
            self._connection.data_received(piece)

    def _cut(self) -> None:
        self._gone = True
        self._network.host.deliver(self._lost)

    def _lost(self) -> None:
        if not self._closed:
            self._closed = True
            self._connection.connection_lost(ConnectionResetError(104, "reset by peer"))

    def _later(self, delay_ms: float, do: Callable[[], object]) -> None:
        """Happens whether or not its process lives, or runs."""
        loop = asyncio.get_running_loop()
        loop.call_later(delay_ms / 1000, do, context=self._network.outside)
