"""HTTP clients: httpx's own interface over a lean transport. Orders, reads and anchors all use it.

Contract of the transport:

1. A request is written once. Nothing is ever sent again in here, so a connection that dies under a
   POST is reported as what it is: `ReadError`, outcome unknown.
2. `ConnectError`, `ConnectTimeout` and `PoolTimeout` mean that not one byte left us. A request's
   extension `may_send`, a function, is called as the last thing before its bytes are written:
   where it returns False, none is, and `ConnectError` says so.
3. A connection goes back to the pool only after a complete answer that keeps it alive; an error, a
   timeout or a cancellation closes it. One that the server closed while idle, or that was idle for
   `IDLE_LIMIT_S`, is never used.
4. Connections, waiting, heads and bodies are bounded. The read timeout bounds the whole answer, or,
   of a request with the extension `stream`, its head; the body then comes as it is read.
5. No redirects and no proxies: settings say so at start where the environment names one.
6. A service that answers 429 or 503 with `Retry-After` is left alone for so long (a minute at the
   most), its requests failing as `AskedToWaitError`, unsent. Those with the extension `urgent`,
   which are cancels, still go out, from a reserve of `URGENT_AT_ONCE` that regains one a second.

**Why this is not httpx as it comes, or another library's transport.** httpx-aiohttp reports a
disconnect *after* sending as `ConnectTimeout`, which reads as "not sent": the order would be signed
a second time while the first may rest. And a whole cycle of four reads and two orders takes 1.75 ms
over this transport and 8.3 ms over httpx's own (p50, loopback, measured in interleaved runs).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final

import httpx

from mm_bot.io.dial import dial, trust_store
from mm_bot.io.errors import AskedToWaitError
from mm_bot.io.http_connection import Connection, StreamedBody
from mm_bot.io.resolver import SYSTEM, Resolver

CONNECTIONS_LIMIT: Final = 64
ANSWER_LIMIT_BYTES: Final = 8 * 2**20
"""Several times the largest that any venue gives; all reads of a cycle may hold some five times
this."""
IDLE_LIMIT_S: Final = 4.0
"""Servers close idle connections after five seconds and more."""
RETRY_AFTER_LIMIT_S: Final = 60
URGENT_AT_ONCE: Final = 20
_TOO_MANY: Final = (429, 503)
_Origin = tuple[str, str, int]
Connect = Callable[[str, str, int], Awaitable[Connection]]
"""Scheme, host and port in, an open connection out; raises OSError or UnicodeError."""


def open_client(
    base_url: str,
    timeout_ms: int | None,
    headers: Mapping[str, str] | None = None,
    *,
    resolver: Resolver = SYSTEM,
    connect: Connect | None = None,
) -> LeanClient:
    """A client whose every wait is bounded by `timeout_ms`; close it with `aclose()`. `connect` is
    how a connection is made, over the machine's network where it is not given."""
    return LeanClient(
        base_url=base_url,
        timeout=None if timeout_ms is None else httpx.Timeout(timeout_ms / 1000),
        transport=LeanTransport(connect or partial(dialed, resolver)),
        headers={
            "accept": "application/json",
            "accept-encoding": "identity",
            **(headers or {}),
        },
        follow_redirects=False,
        trust_env=False,
    )


async def dialed(resolver: Resolver, scheme: str, host: str, port: int) -> Connection:
    """A connection over the machine's network."""
    context = trust_store() if scheme == "https" else None
    _, connection = await asyncio.get_running_loop().create_connection(
        Connection,
        sock=await dial(host, port, resolver),
        ssl=context,
        server_hostname=host if context else None,
    )
    return connection


class LeanClient(httpx.AsyncClient):
    """httpx's client without what none of ours has: cookies, logins, redirects, hooks. A request
    through it costs 21 us instead of 105, a post of JSON 48 instead of 264; what comes back is the
    same."""

    def __init__(self, *, transport: httpx.AsyncBaseTransport, **options: Any) -> None:
        super().__init__(transport=transport, **options)
        self._lean = transport
        self._prepared: dict[str, tuple[httpx.URL, httpx.Headers]] = {}

    async def send(
        self, request: httpx.Request, *, stream: bool = False, **options: Any
    ) -> httpx.Response:
        """As httpx sends; a streamed answer goes its way."""
        if stream:
            return await super().send(request, stream=True, **options)
        if self.is_closed:
            raise RuntimeError("the client has been closed")
        response = await self._lean.handle_async_request(request)
        response.request = request
        await response.aread()
        return response

    async def post_json(self, url: str, body: bytes, **extensions: object) -> httpx.Response:
        """As `post` with that content and its type; URL and headers are made once."""
        if url not in self._prepared:
            made = self.build_request("POST", url, headers={"content-type": "application/json"})
            del made.headers["content-length"]
            self._prepared[url] = (made.url, made.headers)
        where, headers = self._prepared[url]
        extensions["timeout"] = self.timeout.as_dict()
        request = httpx.Request("POST", where, headers=headers, content=body, extensions=extensions)
        return await self.send(request)


def retry_after_s(headers: Mapping[str, str]) -> int | None:
    """For how many seconds an answer asks to be left alone, a minute at the most; None where it
    does not say."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return min(int(text[:9]), RETRY_AFTER_LIMIT_S)
    try:
        left_s = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return max(0, min(int(left_s) + 1, RETRY_AFTER_LIMIT_S))


@dataclass(slots=True)
class _Pause:
    """Until when one service is left alone, and what is left for the urgent."""

    until_s: float = 0.0
    status: int = 0
    reserve: float = URGENT_AT_ONCE
    reserve_at_s: float = 0.0


class LeanTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 with kept-alive connections; see the module's contract."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._slots = asyncio.Semaphore(CONNECTIONS_LIMIT)
        self._idle: dict[_Origin, list[tuple[float, Connection]]] = {}
        self._pauses: dict[_Origin, _Pause] = {}
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
        self._refuse_while_asked_to_wait(request)
        body = await request.aread()
        try:
            async with asyncio.timeout(timeouts.get("pool")):
                await self._slots.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("every connection is busy", request=request) from None
        connection: Connection | None = None
        streamed: StreamedBody | None = None
        try:
            connection = await self._connection(request, timeouts.get("connect"))
            if request.extensions.get("stream"):
                streamed = self._streamed(request, connection)
            response = await connection.exchange(
                request,
                body,
                timeout_s=timeouts.get("read"),
                limit_bytes=ANSWER_LIMIT_BYTES,
                stream=streamed,
            )
        except BaseException:
            self._release(request, connection, reuse=False)
            raise
        if streamed is None:
            self._release(request, connection, reuse=True)
        self._note_wait(request, response)
        return response

    async def aclose(self) -> None:
        self._closed = True
        for connections in self._idle.values():
            for _, connection in connections:
                connection.abort()
        self._idle.clear()

    def _streamed(self, request: httpx.Request, connection: Connection) -> StreamedBody:
        return StreamedBody(connection, lambda: self._release(request, connection, reuse=True))

    def _release(
        self, request: httpx.Request, connection: Connection | None, *, reuse: bool
    ) -> None:
        self._slots.release()
        if connection is None:
            return
        if reuse and connection.reusable and not self._closed:
            since_s = asyncio.get_running_loop().time()
            self._idle.setdefault(_origin(request.url), []).append((since_s, connection))
        else:
            connection.abort()

    async def _connection(self, request: httpx.Request, timeout_s: float | None) -> Connection:
        origin = scheme, host, port = _origin(request.url)
        if scheme not in ("http", "https"):
            raise httpx.UnsupportedProtocol(f"{scheme} is not HTTP", request=request)
        loop = asyncio.get_running_loop()
        idle = self._idle.get(origin, [])
        while idle:
            since_s, connection = idle.pop()
            if connection.reusable and loop.time() - since_s < IDLE_LIMIT_S:
                return connection
            connection.abort()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._connect(scheme, host, port)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time", request=request) from error
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(type(error).__name__, request=request) from error

    def _refuse_while_asked_to_wait(self, request: httpx.Request) -> None:
        pause = self._pauses.get(_origin(request.url))
        now_s = asyncio.get_running_loop().time()
        if pause is None or now_s >= pause.until_s:
            return
        if request.extensions.get("urgent"):
            regained = pause.reserve + (now_s - pause.reserve_at_s)
            pause.reserve, pause.reserve_at_s = min(regained, URGENT_AT_ONCE), now_s
            if pause.reserve >= 1:
                pause.reserve -= 1
                return
        left_s = pause.until_s - now_s
        raise AskedToWaitError(
            f"it answered {pause.status} and asked to be left alone for another {left_s:.0f} s",
            request=request,
        )

    def _note_wait(self, request: httpx.Request, response: httpx.Response) -> None:
        if response.status_code not in _TOO_MANY:
            return
        wait_s = retry_after_s(response.headers)
        if wait_s:
            now_s = asyncio.get_running_loop().time()
            pause = self._pauses.setdefault(_origin(request.url), _Pause(reserve_at_s=now_s))
            pause.until_s = max(pause.until_s, now_s + wait_s)
            pause.status = response.status_code


def _origin(url: httpx.URL) -> _Origin:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)
