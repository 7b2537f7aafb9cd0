"""A small HTTP/1.1 server whose answers may take a while: bounded, JSON throughout.

The sibling of `mm_bot.ops.http_server`, whose pages answer at once from memory; here an answer may
wait for the sources of a price.

1. A taken address is a `SettingsError` that names the variable, before anything else is started.
2. At most `CONNECTIONS_MAX` clients, `REQUEST_BYTES_MAX` a request, `PIPELINE_MAX` requests in one
   breath; a connection that completes no request for `IDLE_SECONDS` or does not read its answers
   is cut.
3. Requests of one connection are answered in their order.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import httptools

from fair_anchor.settings_table import LISTEN_ADDR
from mm_bot.errors import SettingsError
from mm_bot.ops.render import to_json

CONNECTIONS_MAX = 512
REQUEST_BYTES_MAX = 16 * 1024
PIPELINE_MAX = 64
UNREAD_BYTES_MAX = 1024 * 1024
IDLE_SECONDS = 15.0
SHUTDOWN_SECONDS = 2.0
BACKLOG = 512
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a page says."""

    status: HTTPStatus
    body: bytes
    content_type: str = JSON


Respond = Callable[[str, str], Awaitable[Answer]]
"""Method and target to the answer; must not raise."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        SettingsError: where the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        taken.listen(BACKLOG)
    except OSError as error:
        taken.close()
        raise SettingsError(
            [
                f"{LISTEN_ADDR.name}={host}:{port}: cannot listen there: {error.strerror}; "
                f"stop what uses that address, or set {LISTEN_ADDR.name} or PORT to another"
            ]
        ) from error
    taken.setblocking(False)
    return taken


class Server:
    """Serves what `respond` answers, from `start` until `aclose`."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self, taken: socket.socket) -> None:
        """Accept clients on a listening socket."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), sock=taken, backlog=BACKLOG
        )
        self._sweeper = asyncio.create_task(self._sweep(), name="idle connections")

    async def aclose(self) -> None:
        """Accept no more, let what is being answered end, and cut what is left."""
        assert self._server is not None, "not started"
        assert self._sweeper is not None, "not started"
        self._server.close()
        self._sweeper.cancel()
        serving = [each.serving for each in self.connections if each.serving is not None]
        if serving:
            await asyncio.wait(serving, timeout=SHUTDOWN_SECONDS)
        for connection in tuple(self.connections):
            connection.cut()
        await asyncio.gather(self._sweeper, return_exceptions=True)
        await self._server.wait_closed()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(IDLE_SECONDS / 5)
            now_s = asyncio.get_running_loop().time()
            for connection in tuple(self.connections):
                if connection.serving is None and now_s - connection.active_at_s > IDLE_SECONDS:
                    connection.cut()


class _Connection(asyncio.Protocol):
    """One client. Method names without underscore are those asyncio and httptools call."""

    def __init__(self, server: Server) -> None:
        self.serving: asyncio.Task[None] | None = None
        self.active_at_s = asyncio.get_running_loop().time()
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._target = b""
        self._unfinished_bytes = 0
        self._waiting: deque[tuple[str, str, bool]] = deque()
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an isinstance check: other loops' transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=UNREAD_BYTES_MAX)
        if len(self._server.connections) >= CONNECTIONS_MAX:
            self.cut()
            return
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._waiting.clear()
        self._server.connections.discard(self)

    def pause_writing(self) -> None:
        """The client asks and does not read."""
        self.cut()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._unfinished_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse("there is no other protocol here")
        except httptools.HttpParserError:
            self._refuse("this is not HTTP/1.1")
        if self._unfinished_bytes > REQUEST_BYTES_MAX or len(self._waiting) > PIPELINE_MAX:
            self._refuse("the request is too large")

    def on_url(self, fragment: bytes) -> None:
        self._target += fragment

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode("ascii", "replace")
        target = self._target.decode("ascii", "replace")
        self._target, self._unfinished_bytes = b"", 0
        self._waiting.append((method, target, self._parser.should_keep_alive()))
        if self.serving is None and not self._ended:
            self.serving = asyncio.create_task(self._serve())

    def cut(self) -> None:
        """Ends it without waiting for what was not yet read."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()

    async def _serve(self) -> None:
        try:
            while self._waiting and not self._ended:
                method, target, stays = self._waiting.popleft()
                answer = await self._server.respond(method, target)
                self._send(answer, with_body=method != "HEAD", stays=stays)
                if not stays:
                    self._end()
        finally:
            self.active_at_s = asyncio.get_running_loop().time()
            self.serving = None

    def _refuse(self, why: str) -> None:
        if not self._ended:
            body = to_json({"error": why}) + b"\n"
            answer = Answer(status=HTTPStatus.BAD_REQUEST, body=body)
            self._send(answer, with_body=True, stays=False)
            self._end()

    def _end(self) -> None:
        """Closes once the client has read what was sent."""
        self._ended = True
        self._waiting.clear()
        if self._transport is not None:
            self._transport.close()

    def _send(self, answer: Answer, *, with_body: bool, stays: bool) -> None:
        if self._ended or self._transport is None:
            return  # it hung up meanwhile
        status = answer.status
        allow = "Allow: GET, HEAD\r\n" if status == HTTPStatus.METHOD_NOT_ALLOWED else ""
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            f"Content-Type: {answer.content_type}\r\n"
            f"Content-Length: {len(answer.body)}\r\n"
            f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{allow}"
            f"Connection: {'keep-alive' if stays else 'close'}\r\n\r\n"
        ).encode("latin-1")
        self._transport.write(head + answer.body if with_body else head)
