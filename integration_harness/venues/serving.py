"""What every fake exchange of this folder is: an HTTP and WebSocket server on a loopback port, in a
thread of its own, whose exchange is only ever touched on that thread's loop."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, TypeVar

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from integration_harness.stack.supervisor import free_port


@dataclass(slots=True)
class CommonFaults:
    """What goes wrong on every fake exchange, until it is turned off again."""

    lose_replies: int = 0
    """So many orders are taken, and nobody is told."""
    swallowed: int = 0
    """So many orders are neither taken nor answered in words of the exchange."""
    rate_limited: int = 0
    """So many requests are refused as too many."""
    filled_before_cancel: int = 0
    """So many cancels come just after a part of their order was filled."""
    reply_delay_s: float = 0.0
    mute: bool = False
    """Nothing is answered, and nothing taken."""
    no_pushes: bool = False
    duplicate_pushes: bool = False
    reversed_pushes: bool = False
    refused_channel: str = ""
    clock_ahead_s: float = 0.0
    """How far the exchange's clock is ahead of the machine's."""


@dataclass(slots=True, kw_only=True)
class CommonOrder:
    """What every fake exchange knows of an order."""

    order_id: str
    subaccount_id: int
    direction: str
    price: Decimal
    amount: Decimal
    label: str
    """What its owner calls it."""
    created_ms: int
    filled: Decimal = Decimal(0)

    @property
    def left(self) -> Decimal:
        return self.amount - self.filled


@dataclass(eq=False, slots=True)
class Client:
    """One open socket, and what it is still to be sent."""

    socket: WebSocket
    outbox: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)

    def push(self, message: bytes, *, twice: bool, backwards: bool) -> None:
        """Send it; twice, or before all that still waits, where a fault says so."""
        for _ in range(2 if twice else 1):
            self.outbox.put_nowait(message)
        if backwards:
            waiting = [self.outbox.get_nowait() for _ in range(self.outbox.qsize())]
            for each in reversed(waiting):
                self.outbox.put_nowait(each)


C = TypeVar("C", bound=Client)
T = TypeVar("T")


class FakeServer(ABC, Generic[C]):
    """`start` returns once it listens; `close` ends it."""

    log_level = "critical"

    def __init__(self) -> None:
        self._clients: set[C] = set()
        self.opened = 0
        """Sockets that were opened so far."""
        self._port = free_port()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @abstractmethod
    def _routes(self) -> Sequence[BaseRoute]:
        """What it answers."""

    @abstractmethod
    def _client(self, socket: WebSocket) -> C:
        """A new connection."""

    @abstractmethod
    async def _heard(self, client: C, request: Any) -> None:
        """One message of a connection."""

    async def _live(self) -> None:
        """What goes on by itself while it serves; cancelled at the end."""

    def _left(self, client: C) -> None:
        """A connection has ended."""
        self._clients.discard(client)

    @property
    def connections(self) -> int:
        """Sockets that are open now."""
        return len(self._clients)

    def start(self) -> None:
        config = uvicorn.Config(
            Starlette(routes=self._routes()),
            host="127.0.0.1",
            port=self._port,
            log_level=self.log_level,
            lifespan="off",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        while not self._server.started or self._loop is None:
            if not self._thread.is_alive():
                raise RuntimeError(f"nothing can listen on port {self._port}: it was taken since")
            time.sleep(0.01)

    def close(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._server.force_exit = True
            self._thread.join(10)

    def drop_sockets(self, code: int = 1000) -> None:
        """Every socket ends, with that code."""

        def end_all() -> None:
            for client in list(self._clients):
                self._hang_up(client, code)

        self._do(end_all)

    def _hang_up(self, client: C, code: int) -> None:
        task = asyncio.ensure_future(client.socket.close(code))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _do(self, work: Callable[[], T]) -> T:
        """Run on the server's loop, so that nothing interleaves."""
        assert self._loop is not None, "not started"

        async def run() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def _run(self) -> None:
        async def serve() -> None:
            assert self._server is not None, "start made it"
            self._loop = asyncio.get_running_loop()
            living = asyncio.create_task(self._live())
            await self._server.serve()
            living.cancel()

        asyncio.run(serve())

    async def _socket(self, socket: WebSocket) -> None:
        """One connection, from its first message to its end."""
        await socket.accept()
        client = self._client(socket)
        self._clients.add(client)
        self.opened += 1
        sending = asyncio.create_task(self._send(client))
        try:
            while True:
                await self._heard(client, orjson.loads(await socket.receive_text()))
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            sending.cancel()
            self._left(client)

    async def _send(self, client: C) -> None:
        while True:
            await client.socket.send_text((await client.outbox.get()).decode())
