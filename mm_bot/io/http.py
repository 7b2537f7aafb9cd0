"""HTTP clients: httpx's own interface over a lean transport.

Contract of the transport:

1. A request is written once. Nothing is ever sent again in here, so a connection that dies under a
   POST is reported as what it is: `ReadError`, outcome unknown.
2. `ConnectError`, `ConnectTimeout` and `PoolTimeout` mean that not one byte left us. A request's
   extension `may_send`, a function, is called as the last thing before its bytes are written:
   where it returns False, none is, and `ConnectError` says so.
3. A connection goes back to the pool only after a complete answer that keeps it alive; an error, a
   timeout or a cancellation closes it. One that the server closed while idle is never used.
4. Connections, waiting and answer sizes are bounded. The read timeout bounds the whole answer.
5. Answers are read whole: no streaming, no redirects, no proxies.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, cast

import httptools
import httpx

CONNECTIONS_LIMIT: Final = 64
ANSWER_LIMIT_BYTES: Final = 16 * 2**20
_Origin = tuple[str, str, int]


def open_client(base_url: str, timeout_ms: int) -> httpx.AsyncClient:
    """A client whose every wait is bounded by `timeout_ms`; close it with `aclose()`."""
    return httpx.AsyncClient(
        base_url=base_url,
        timeout=httpx.Timeout(timeout_ms / 1000),
        transport=LeanTransport(),
        headers={"accept": "application/json", "accept-encoding": "identity"},
        follow_redirects=False,
        trust_env=False,
    )


class LeanTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 with kept-alive connections; see the module's contract."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(CONNECTIONS_LIMIT)
        self._idle: dict[_Origin, list[_Connection]] = {}
        self._ssl: ssl.SSLContext | None = None
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
        body = await request.aread()
        try:
            async with asyncio.timeout(timeouts.get("pool")):
                await self._slots.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("every connection is busy", request=request) from None
        connection: _Connection | None = None
        kept = False
        try:
            connection = await self._connection(request, timeouts.get("connect"))
            response = await connection.exchange(request, body, timeouts.get("read"))
            kept = connection.reusable and not self._closed
            return response
        finally:
            self._slots.release()
            if connection is not None and kept:
                self._idle.setdefault(_origin(request.url), []).append(connection)
            elif connection is not None:
                connection.abort()

    async def aclose(self) -> None:
        self._closed = True
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()

    async def _connection(self, request: httpx.Request, timeout_s: float | None) -> _Connection:
        origin = scheme, host, port = _origin(request.url)
        if scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol(f"{scheme} is not HTTP", request=request)
        idle = self._idle.get(origin, [])
        while idle:
            connection = idle.pop()
            if connection.reusable:
                return connection
        context = self._ssl_context() if scheme == "https" else None
        try:
            async with asyncio.timeout(timeout_s):
                _, connection = await asyncio.get_running_loop().create_connection(
                    _Connection, host, port, ssl=context
                )
        except TimeoutError:
            raise httpx.ConnectTimeout("no connection in time", request=request) from None
        except OSError as error:
            raise httpx.ConnectError(type(error).__name__, request=request) from None
        return connection

    def _ssl_context(self) -> ssl.SSLContext:
        if self._ssl is None:
            self._ssl = httpx.create_ssl_context()
        return self._ssl


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[httpx.Response] | None = None
        self._lost = False
        self._keep_alive = False
        self._start_message()

    @property
    def reusable(self) -> bool:
        return self._keep_alive and not self._lost

    async def exchange(
        self, request: httpx.Request, body: bytes, timeout_s: float | None
    ) -> httpx.Response:
        assert self._transport is not None, "not connected"
        assert self._answer is None, "one request at a time"
        self._start_message()
        self._keep_alive = False
        data = _head(request) + body
        may_send: Callable[[], bool] | None = request.extensions.get("may_send")
        if may_send is not None and not may_send():
            raise httpx.ConnectError("it was too late to send it", request=request)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._answer
        except TimeoutError:
            raise httpx.ReadTimeout("no answer in time", request=request) from None
        finally:
            self._answer = None

    def abort(self) -> None:
        self._lost = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an isinstance check: other loops' transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.abort()  # nobody asked: whatever this is, the next answer would be mistaken for it
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(httpx.RemoteProtocolError(type(error).__name__))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        if error is None and self._headers_complete and self._until_end:
            self.on_message_complete()
        self._fail(httpx.ReadError("the connection was lost before the answer was complete"))

    # httptools calls these

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._headers_complete = True
        framing = (b"content-length", b"transfer-encoding")
        self._until_end = not any(name.lower() in framing for name, _ in self._headers)

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > ANSWER_LIMIT_BYTES:
            self._fail(httpx.RemoteProtocolError("the answer is too large"))

    def on_message_complete(self) -> None:
        if self._answer is None or self._answer.done():
            return
        self._keep_alive = not self._until_end and self._parser.should_keep_alive()
        stream = httpx.ByteStream(bytes(self._body))
        status = self._parser.get_status_code()
        self._answer.set_result(httpx.Response(status, headers=self._headers, stream=stream))

    def _start_message(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._headers_complete = False
        self._until_end = False
        self._body = bytearray()

    def _fail(self, error: httpx.TransportError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


def _origin(url: httpx.URL) -> _Origin:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def _head(request: httpx.Request) -> bytes:
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%s: %s" % (name, value) for name, value in request.headers.raw]
    return b"\r\n".join((*lines, b"", b""))
