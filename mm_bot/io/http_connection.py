"""One HTTP/1.1 connection, one request at a time, every byte of an answer counted.

The head of an answer (status, headers, interim answers, trailers) is at most `HEAD_LIMIT_BYTES`;
the body at most what its reader allows, in pieces of `LEAST_PIECE_BYTES` on average once there are
many, and on the wire at most twice that. Beyond any of it the connection is cut at once, and what
it held is freed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

import httptools
import httpx

from mm_bot.io.errors import UnsentError
from mm_bot.io.streamed_body import PIECES_FREE, StreamedBody

HEAD_LIMIT_BYTES: Final = 64 * 2**10
LEAST_PIECE_BYTES: Final = 64
"""The least mean size of further pieces: one byte a chunk costs the loop as much as a kilobyte."""


class AnswerTooLargeError(httpx.RemoteProtocolError):
    """More than is allowed of a head or a body, or in more pieces."""


@dataclass(slots=True, kw_only=True)
class Answer:
    """What came back, by the names that it has in a `httpx.Response` too: making one of those
    takes longer than everything else about an answer."""

    request: httpx.Request
    status_code: int
    fields: list[tuple[bytes, bytes]]
    """Its headers as they came."""
    content: bytes
    """Nothing where the body is streamed."""

    @property
    def headers(self) -> httpx.Headers:
        return httpx.Headers(self.fields)

    def field(self, name: bytes) -> str | None:
        """The first header of that name, given in lower case."""
        found = (value for key, value in self.fields if key.lower() == name)
        return next((value.decode("latin-1") for value in found), None)


class Deadlines:
    """Fails what is not answered within `limit_s`. One timer for all that wait: one that is made
    and cancelled for each request is dearer than the reading of its answer."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._waiting: dict[asyncio.Future[Answer], tuple[float, httpx.Request]] = {}
        """Until when, by the loop's clock; the oldest first."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, answer: asyncio.Future[Answer], request: httpx.Request) -> None:
        loop = answer.get_loop()
        self._waiting[answer] = (loop.time() + self._limit_s, request)
        if self._timer is None:
            self._timer = loop.call_later(self._limit_s, self._look, loop)

    def end(self, answer: asyncio.Future[Answer]) -> None:
        """It is waited for no more. The timer stays for those that come after."""
        self._waiting.pop(answer, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, now_s = None, loop.time()
        for answer, (until_s, request) in self._waiting.items():
            if until_s > now_s:
                self._timer = loop.call_later(until_s - now_s, self._look, loop)
                return
            if not answer.done():
                answer.set_exception(httpx.ReadTimeout("no answer in time", request=request))


class Connection(asyncio.Protocol):
    """See the module. `exchange` gives the answer, whole or, if streamed, from its head on."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._request: httpx.Request | None = None
        self._lost = False
        self._keep_alive = False
        self._limit_bytes = 0
        self._stream: StreamedBody | None = None
        self._start_message()

    @property
    def reusable(self) -> bool:
        return self._keep_alive and not self._lost

    async def exchange(
        self,
        request: httpx.Request,
        data: bytes,
        *,
        may_send: Callable[[], bool] | None,
        deadlines: Deadlines | None,
        limit_bytes: int,
        stream: StreamedBody | None = None,
    ) -> Answer:
        """Write `data`, the bytes of `request`, once and read the answer."""
        assert self._transport is not None, "not connected"
        assert self._answer is None, "one request at a time"
        self._start_message()
        self._keep_alive = False
        self._limit_bytes, self._stream = limit_bytes, stream
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answer, self._request = answer, request
        try:
            if may_send is not None and not may_send():  # nothing between this look and the write
                raise UnsentError("it was too late to send it", request=request)
            self._transport.write(data)
            if deadlines is not None:
                deadlines.begin(answer, request)
            return await answer
        finally:
            if deadlines is not None:
                deadlines.end(answer)
            self._answer = None

    def abort(self) -> None:
        self._lost = True
        self._body = bytearray()  # parser and connection name each other: nothing else frees it
        if self._transport is not None:
            self._transport.abort()

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an isinstance check: other loops' transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None and self._stream is None:
            self.abort()  # nobody asked: whatever this is, the next answer would be mistaken for it
            return
        self._read_bytes += len(data)
        self._head_bytes += 0 if self._headers_complete else len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            hint = " (it speaks TLS there: https?)" if data[:1] in (b"\x15", b"\x16") else ""
            self._fail(httpx.RemoteProtocolError(f"it is no HTTP: {type(error).__name__}{hint}"))
        if not self._headers_complete and self._head_bytes > HEAD_LIMIT_BYTES:
            self._fail(AnswerTooLargeError(f"a head of over {HEAD_LIMIT_BYTES} bytes"))
        if self._stream is None and self._read_bytes > HEAD_LIMIT_BYTES + 2 * self._limit_bytes:
            self._fail(AnswerTooLargeError("an answer that is mostly the sizes of its chunks"))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        if error is None and self._headers_complete and self._until_end:
            self.on_message_complete()
        self._fail(httpx.ReadError("the connection was lost before the answer was complete"))

    # httptools calls these

    def on_message_begin(self) -> None:
        if self._headers_complete:
            self.abort()  # a second answer to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._headers_complete:  # a trailer, of no use to anybody
            self._head_bytes += len(name) + len(value)
            if self._head_bytes > HEAD_LIMIT_BYTES:
                self._fail(AnswerTooLargeError(f"trailers of over {HEAD_LIMIT_BYTES} bytes"))
            return
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # an interim answer: the real one is to come
            self._headers.clear()
            return
        self._headers_complete = True
        packed = [value for name, value in self._headers if name.lower() == b"content-encoding"]
        if self._stream is None and any(each.strip().lower() != b"identity" for each in packed):
            # Nobody asked for it, and a small body may unpack to any size.
            self._fail(httpx.RemoteProtocolError(f"an answer encoded as {packed[0][:20]!r}"))
            return
        framing = (b"content-length", b"transfer-encoding")
        self._until_end = not any(name.lower() in framing for name, _ in self._headers)
        if self._stream is not None:
            self._give(b"")

    def on_body(self, body: bytes) -> None:
        if self._stream is not None:
            self._stream.feed(body)
            return
        if self._lost:
            return  # the rest of what was read when it was cut
        self._body += body
        self._pieces += 1
        if len(self._body) > self._limit_bytes:
            self._fail(AnswerTooLargeError(f"a body of over {self._limit_bytes} bytes"))
        elif (self._pieces - PIECES_FREE) * LEAST_PIECE_BYTES > len(self._body):
            self._fail(AnswerTooLargeError(f"a body in over {PIECES_FREE} pieces of a few bytes"))

    def on_message_complete(self) -> None:
        if not self._headers_complete:
            return
        self._keep_alive = not self._until_end and self._parser.should_keep_alive()
        if self._stream is not None:
            stream, self._stream = self._stream, None
            stream.end(None)
        else:
            body, self._body = bytes(self._body), bytearray()
            self._give(body)

    def _give(self, content: bytes) -> None:
        if self._answer is not None and not self._answer.done():
            assert self._request is not None, "there is one wherever an answer is waited for"
            self._answer.set_result(
                Answer(
                    request=self._request,
                    status_code=self._parser.get_status_code(),
                    fields=self._headers,
                    content=content,
                )
            )

    def _start_message(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._headers_complete = False
        self._head_bytes = 0
        self._until_end = False
        self._body = bytearray()
        self._pieces = 0
        self._read_bytes = 0

    def _fail(self, error: httpx.TransportError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        if self._stream is not None:
            stream, self._stream = self._stream, None
            stream.end(error)
        self.abort()

    def pause(self, paused: bool) -> None:
        """Stop reading from the server, or go on."""
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.pause_reading if paused else self._transport.resume_reading)()


def head_of(request: httpx.Request) -> bytes:
    """The request's head but for the empty line that ends it."""
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%s: %s" % (name, value) for name, value in request.headers.raw]
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise httpx.LocalProtocolError("a header holds a line break", request=request)
    return b"\r\n".join((*lines, b""))
