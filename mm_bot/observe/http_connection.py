"""One client of the pages: what it sends is read, bounded and answered in its order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Protocol, cast

import httptools

from mm_bot.observe.http_limits import Turns, admit
from mm_bot.observe.http_response import Response, json_response

REQUEST_LIMIT_BYTES = 16 * 1024
UNREAD_LIMIT_BYTES = 1024 * 1024


class Server(Protocol):
    """Whose client it is."""

    connections: set[Connection]
    connection_limit: int
    pipeline_limit: int
    request_timeout_s: float
    turns: Turns

    def answer(self, method: str, target: str) -> Response | Awaitable[Response]: ...


class Connection(asyncio.Protocol):
    """One client. Method names without underscore are those asyncio and httptools call."""

    _transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
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
