"""A small HTTP/1.1 server for health, metrics, status and prices: read-only, bounded, never in the
way.

Handlers are given the raw query string. One that answers at once from memory is a plain function;
one that has to wait is a coroutine function, and its answers keep their order on each connection.
A handler that raises answers 500 and is reported; nothing that a client sends can stop the process
or hold more than a bounded amount of it:

1. GET and HEAD only (405 otherwise), known paths only (404), no more than 16 KiB a request (431,
   413), nothing but HTTP (400).
2. A connection must complete a request every 15 s, may have a few unanswered, and must read its
   answers; else it is cut.
3. Connections are limited in number, and a client in its own. A new one is always let in: the one
   that asked for nothing the longest makes room, so that a probe is answered whatever others hold.
4. Where `rate` is given each page is answered so often a second and no more: who asks more often
   waits, each page for itself, and the process has the rest of its time for its work.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import httptools

from mm_bot.errors import SettingsError
from mm_bot.observe.http_limits import Turns, admit
from mm_bot.observe.render import to_json

REQUEST_LIMIT_BYTES = 16 * 1024
UNREAD_LIMIT_BYTES = 1024 * 1024
REQUEST_TIMEOUT_S = 15.0
CONNECTION_LIMIT = 64
PIPELINE_LIMIT = 8
CLOSE_WITHIN_S = 2.0
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a handler answers."""

    status: int = 200
    body: bytes
    content_type: str = JSON


Handler = Callable[[str], Response | Awaitable[Response]]
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
        answered: Callable[[int], None] | None = None,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
        connection_limit: int = CONNECTION_LIMIT,
        pipeline_limit: int = PIPELINE_LIMIT,
        rate: float | None = None,
    ) -> None:
        """`report` is told the path and the error of a handler that raised, `answered` the status
        of every answer to a request. A connection may have `pipeline_limit` requests unanswered.
        `rate` is answers a second and page, None is without bounds."""
        self.routes = dict(routes)
        self.report = report or (lambda path, error: None)
        self.answered = answered or (lambda status: None)
        self.request_timeout_s = request_timeout_s
        self.connection_limit = connection_limit
        self.pipeline_limit = pipeline_limit
        self.connections: set[_Connection] = set()
        self.turns = Turns(rate)
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
            self._server = await loop.create_server(
                lambda: _Connection(self), host or None, port, backlog=self.connection_limit
            )
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
        """Stops listening, lets what is being answered end, and cuts what is open."""
        if self._server is None:
            return
        self._server.close()
        answering = [c.answering for c in self.connections if c.answering is not None]
        if answering:
            await asyncio.wait(answering, timeout=CLOSE_WITHIN_S)
        for connection in tuple(self.connections):
            connection.cut()
        await asyncio.gather(*(task for task in answering if task.cancel()), return_exceptions=True)
        await self._server.wait_closed()

    def answer(self, method: str, target: str) -> Response | Awaitable[Response]:
        """The answer to one request, or what it will come from; neither ever raises."""
        path, _, query = target.partition("?")
        delay_s = self.turns.delay_s(path if path in self.routes else "")
        if delay_s > 0:
            return self._awaited(path, self._delayed(delay_s, method, path, query))
        answer = self._answer(method, path, query)
        if not isinstance(answer, Response):
            return self._awaited(path, answer)
        self.answered(answer.status)
        return answer

    def _answer(self, method: str, path: str, query: str) -> Response | Awaitable[Response]:
        handler = self.routes.get(path)
        if handler is None:
            known = sorted(self.routes)
            return json_response({"error": f"no such page; there are {', '.join(known)}"}, 404)
        if method not in ("GET", "HEAD"):
            return json_response({"error": f"{method} is not allowed; this is read-only"}, 405)
        try:
            return handler(query)
        except Exception as error:
            return self._failed(path, error)

    async def _delayed(self, delay_s: float, method: str, path: str, query: str) -> Response:
        await asyncio.sleep(delay_s)
        answer = self._answer(method, path, query)
        return answer if isinstance(answer, Response) else await answer

    async def _awaited(self, path: str, answer: Awaitable[Response]) -> Response:
        try:
            response = await answer
        except Exception as error:
            response = self._failed(path, error)
        self.answered(response.status)
        return response

    def _failed(self, path: str, error: Exception) -> Response:
        """A fault of a page must not become one of the process."""
        self.report(path, error)
        return json_response({"error": "this page failed; the log says why"}, 500)


class _Connection(asyncio.Protocol):
    """One client. Method names without underscore are those asyncio and httptools call."""

    _transport: asyncio.Transport

    def __init__(self, server: HttpServer) -> None:
        self.answering: asyncio.Task[None] | None = None
        self.client = ""
        """Its address."""
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._deadline: asyncio.TimerHandle | None = None
        self.active_at_s = self._loop.time()
        self._target = b""
        self._received_bytes = 0
        self._asked: deque[tuple[str, str | Response]] = deque()
        """Method, and the target or why the request is refused."""
        self._unanswered = 0
        self._headers_complete = False
        self._hears = True
        self._ended = False

    @property
    def busy(self) -> bool:
        # An answer that only waits for its turn is no work that would be lost.
        return self.answering is not None and not self._server.turns.bounded

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an isinstance check: other loops' transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=UNREAD_LIMIT_BYTES)
        peer = transport.get_extra_info("peername")
        self.client = str(peer[0]) if peer else ""
        if not admit(self._server.connections, self.client, self._server.connection_limit):
            self._transport.abort()
            return
        self._server.connections.add(self)
        self._watch(self._server.request_timeout_s)

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        self._server.connections.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()
        if self.answering is not None:
            self.answering.cancel()

    def eof_received(self) -> bool:
        """The client asks no more, and may still read what it asked for."""
        self._hears = False
        self._answer_next()
        return True

    def pause_writing(self) -> None:
        """The client asks and does not read."""
        self.cut()

    def data_received(self, data: bytes) -> None:
        if not self._hears or self._ended:
            return
        self._received_bytes += len(data)
        self._unanswered = len(self._asked)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._hears = False  # what asked for it is answered as if it had not
            self._answer_next()
        except httptools.HttpParserError:
            self._refuse(400, "this is not HTTP/1.1")
        if self._received_bytes > REQUEST_LIMIT_BYTES:
            self._refuse(413 if self._headers_complete else 431, "the request is too large")

    def on_url(self, fragment: bytes) -> None:
        self._target += fragment

    def on_headers_complete(self) -> None:
        self._headers_complete = True

    def on_message_complete(self) -> None:
        if not self._hears or self._ended:
            return
        method = self._parser.get_method().decode("ascii", "replace")
        target = self._target.decode("ascii", "replace")
        self._target, self._received_bytes, self._headers_complete = b"", 0, False
        self._unanswered += 1
        within_limit = self._unanswered < self._server.pipeline_limit
        self._hears = self._parser.should_keep_alive() and within_limit
        self._asked.append((method, target))
        self._answer_next()

    def cut(self) -> None:
        """Ends it without waiting for what was not yet read."""
        self._ended = True
        self._transport.abort()

    def _answer_next(self) -> None:
        """Answers what was asked, in its order, up to the first answer that has to be waited for;
        that one goes on when it is there. Closes after the last where nothing more is heard."""
        while self._asked and self.answering is None and not self._ended:
            method, asked = self._asked.popleft()
            answer = self._server.answer(method, asked) if isinstance(asked, str) else asked
            if isinstance(answer, Response):
                self._reply(answer, method)
            else:
                self.answering = self._loop.create_task(self._wait(answer, method))
        if not (self._hears or self._asked or self.answering or self._ended):
            self._end()

    async def _wait(self, answer: Awaitable[Response], method: str) -> None:
        try:
            response = await answer
        finally:
            self.answering = None
        self._reply(response, method)
        self._answer_next()

    def _reply(self, response: Response, method: str) -> None:
        self.active_at_s = self._loop.time()
        if not self._ended:
            stays = self._hears or bool(self._asked)
            self._send(response, with_body=method != "HEAD", stays=stays)

    def _watch(self, delay_s: float) -> None:
        self._deadline = self._loop.call_later(delay_s, self._look)

    def _look(self) -> None:
        """Cuts it where nothing was answered for too long."""
        limit_s = self._server.request_timeout_s
        if self.answering is not None:
            self._watch(limit_s)
            return
        left_s = self.active_at_s + limit_s - self._loop.time()
        if left_s > 0:
            self._watch(left_s)
        else:
            self.cut()

    def _refuse(self, status: int, why: str) -> None:
        """Answers what was asked before, then this, and hears no more."""
        if self._hears:
            self._hears = False
            self._asked.append(("GET", json_response({"error": why}, status)))
            self._answer_next()

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
