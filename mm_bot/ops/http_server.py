"""A small HTTP/1.1 server for health, metrics and status: read-only, bounded, never in the way.

Handlers are plain functions that answer at once from memory, run in the loop's thread, and are
given the raw query string. A handler that raises answers 500 and is reported; nothing that a
client sends can stop the bot or hold more than a bounded amount of it:

1. GET and HEAD only (405 otherwise), known paths only (404), no more than 16 KiB a request (431,
   413), nothing but HTTP (400).
2. A connection must complete a request every 15 s, may ask 8 times in one breath, must read its
   answers, and is one of at most 64; what exceeds that is cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import httptools

from mm_bot.errors import SettingsError
from mm_bot.ops.render import to_json

REQUEST_LIMIT_BYTES = 16 * 1024
UNREAD_LIMIT_BYTES = 1024 * 1024
REQUEST_TIMEOUT_S = 15.0
CONNECTION_LIMIT = 64
PIPELINE_LIMIT = 8
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a handler answers."""

    status: int = 200
    body: bytes
    content_type: str = JSON


Handler = Callable[[str], Response]
"""Raw query string ("" where none) to the answer."""


def json_response(value: object, status: int = 200) -> Response:
    return Response(status=status, body=to_json(value) + b"\n")


class HttpServer:
    """Serves `routes` (path to handler) from `start` until `close`."""

    def __init__(
        self,
        routes: Mapping[str, Handler],
        *,
        report: Callable[[str, Exception], None] | None = None,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        """`report` is told the path and the error of a handler that raised."""
        self.routes = dict(routes)
        self.report = report or (lambda path, error: None)
        self.request_timeout_s = request_timeout_s
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int, *, setting: str = "MM_METRICS_ADDR") -> int:
        """Listens, on every interface where `host` is empty; the port, also where 0 was given.

        Raises:
            SettingsError: naming the address where it is taken or not ours to listen on.
        """
        loop = asyncio.get_running_loop()
        try:
            if not 0 <= port <= 65535:  # not every loop refuses it
                raise OverflowError("a port is between 0 and 65535")
            self._server = await loop.create_server(lambda: _Connection(self), host or None, port)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise SettingsError(
                [
                    f"{setting}={host}:{port}: cannot listen there: {reason}; stop what uses that "
                    f"address, or set {setting} to another host:port"
                ]
            ) from error
        return cast(int, self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stops listening and cuts what is open."""
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self.connections):
            connection.cut()
        await self._server.wait_closed()

    def answer(self, method: str, target: str) -> Response:
        """The answer to one request; never raises."""
        path, _, query = target.partition("?")
        handler = self.routes.get(path)
        if handler is None:
            known = sorted(self.routes)
            return json_response({"error": f"no such page; there are {', '.join(known)}"}, 404)
        if method not in ("GET", "HEAD"):
            return json_response({"error": f"{method} is not allowed; this is read-only"}, 405)
        try:
            return handler(query)
        except Exception as error:  # a fault of a page must not become one of the bot
            self.report(path, error)
            return json_response({"error": "this page failed; the log says why"}, 500)


class _Connection(asyncio.Protocol):
    """One client. Method names without underscore are those asyncio and httptools call."""

    _transport: asyncio.Transport

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._deadline: asyncio.TimerHandle | None = None
        self._target = b""
        self._received_bytes = 0
        self._served_at_once = 0
        self._headers_complete = False
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=UNREAD_LIMIT_BYTES)
        if len(self._server.connections) >= CONNECTION_LIMIT:
            self._transport.abort()
            return
        self._server.connections.add(self)
        self._expect_request()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        self._server.connections.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()

    def pause_writing(self) -> None:
        """The client asks and does not read."""
        self.cut()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._received_bytes += len(data)
        self._served_at_once = 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._end()
        except httptools.HttpParserError:
            self._refuse(400, "this is not HTTP/1.1")
        if self._received_bytes > REQUEST_LIMIT_BYTES:
            self._refuse(413 if self._headers_complete else 431, "the request is too large")

    def on_url(self, fragment: bytes) -> None:
        self._target += fragment

    def on_headers_complete(self) -> None:
        self._headers_complete = True

    def on_message_complete(self) -> None:
        if self._ended:
            return
        method = self._parser.get_method().decode("ascii", "replace")
        target = self._target.decode("ascii", "replace")
        self._target, self._received_bytes, self._headers_complete = b"", 0, False
        self._served_at_once += 1
        stays = self._parser.should_keep_alive() and self._served_at_once < PIPELINE_LIMIT
        response = self._server.answer(method, target)
        self._send(response, with_body=method != "HEAD", stays=stays)
        if stays:
            self._expect_request()
        else:
            self._end()

    def cut(self) -> None:
        """Ends it without waiting for what was not yet read."""
        self._ended = True
        self._transport.abort()

    def _expect_request(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        timeout = self._server.request_timeout_s
        self._deadline = asyncio.get_running_loop().call_later(timeout, self.cut)

    def _refuse(self, status: int, why: str) -> None:
        if not self._ended:
            self._send(json_response({"error": why}, status), with_body=True, stays=False)
            self._end()

    def _end(self) -> None:
        """Closes once the client has read what was sent; the deadline still cuts it."""
        self._ended = True
        self._transport.close()

    def _send(self, response: Response, *, with_body: bool, stays: bool) -> None:
        lines = [
            f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
            f"Content-Type: {response.content_type}",
            f"Content-Length: {len(response.body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            f"Connection: {'keep-alive' if stays else 'close'}",
        ]
        if response.status == 405:
            lines.append("Allow: GET, HEAD")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self._transport.write(head + response.body if with_body else head)
