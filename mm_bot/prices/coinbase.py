"""The mid of one product on Coinbase Advanced Trade, from its public level-2 WebSocket.

Subscribes to the book and to heartbeats, so that a quiet book is told from a dead connection. Any
gap, broken message or silence throws the book away and subscribes anew on a new connection; until
the next snapshot there is no price.
"""

from __future__ import annotations

import asyncio

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.uri import parse_uri

from mm_bot.clock import Clock
from mm_bot.io.dial import dial, trust_store
from mm_bot.io.errors import describe
from mm_bot.prices.level2 import Level2Book
from mm_bot.prices.source import AnchorError, Reading, RejectReason
from mm_bot.prices.specs import CoinbaseSpec
from mm_bot.prices.stream import Stream

SILENCE_MS = 5_000
"""Heartbeats come every second."""
SNAPSHOT_MS = 15_000
"""A connection that has brought no whole book by then is renewed, however its heart beats: a
subscription that was lost is not told."""
MESSAGE_BYTES_MAX = 32 * 1024 * 1024
"""The snapshot of a busy book is several megabytes."""
LARGE_BYTES = 64 * 1024
CHANNELS = ("level2", "heartbeats")


class _NoRedirects(connect):
    """Whoever may redirect us names the price."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class CoinbaseSource:
    """One product's mid; its time is that of the connection's last message."""

    name = "coinbase"
    min_interval_ms = 0

    def __init__(
        self,
        spec: CoinbaseSpec,
        clock: Clock,
        *,
        silence_ms: int = SILENCE_MS,
        snapshot_ms: int = SNAPSHOT_MS,
    ) -> None:
        self._spec = spec
        self._clock = clock
        self._snapshot_ms = snapshot_ms
        self._silence_ms = silence_ms
        self._stream = Stream(self.name, self._session, clock)
        self._book: Level2Book | None = None

    async def read(self) -> Reading:
        return await self._stream.until(lambda: self._book.reading() if self._book else None)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _session(self) -> None:
        try:
            where = parse_uri(self._spec.url)
            async with asyncio.timeout(self._silence_ms / 1000):
                connected = await dial(where.host, where.port)
            async with _NoRedirects(
                self._spec.url,
                sock=connected,
                ssl=trust_store() if where.secure else None,
                proxy=None,
                compression=None,
                max_size=MESSAGE_BYTES_MAX,
                open_timeout=self._silence_ms / 1000,
                close_timeout=1,
            ) as connection:
                await self._follow(connection)
        except (WebSocketException, OSError, UnicodeError) as error:
            raise refused_from(error, self.name) from None
        finally:
            self._book = None

    async def _follow(self, connection: ClientConnection) -> None:
        for channel in CHANNELS:
            await connection.send(
                orjson.dumps(
                    {
                        "type": "subscribe",
                        "product_ids": [self._spec.product_id],
                        "channel": channel,
                    }
                ).decode()
            )
        book = Level2Book(self.name, self._spec.product_id)
        due_ms = self._clock.monotonic_ms() + self._snapshot_ms
        while True:
            async with asyncio.timeout(self._silence_ms / 1000):
                text = await connection.recv()
            if not book.has_snapshot and self._clock.monotonic_ms() > due_ms:
                detail = f"no snapshot in {self._snapshot_ms} ms"
                raise AnchorError(self.name, RejectReason.TIMEOUT, detail)
            if len(text) > LARGE_BYTES:
                # A snapshot: taken aside, so that no cycle waits for it, and unread meanwhile.
                self._book = None
                await asyncio.to_thread(self._take, book, text)
            else:
                self._take(book, text)
            if self._book is None and book.has_snapshot:
                self._book = book
                self._stream.delivered()

    def _take(self, book: Level2Book, text: str | bytes) -> None:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise AnchorError(self.name, RejectReason.MALFORMED, "no JSON") from None
        if not isinstance(message, dict):
            raise AnchorError(self.name, RejectReason.MALFORMED, "no JSON object")
        book.take(message)


def refused_from(error: Exception, source: str) -> AnchorError:
    """The one place where errors of the WebSocket library become ours."""
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status == 429:
            return AnchorError(source, RejectReason.RATE_LIMITED, "status 429")
        kind = RejectReason.REDIRECT if 300 <= status < 400 else RejectReason.STATUS
        return AnchorError(source, kind, f"status {status}")
    detail = describe(error)
    if isinstance(error, TimeoutError):
        return AnchorError(source, RejectReason.TIMEOUT, detail)
    outside = isinstance(error, OSError | UnicodeError)
    kind = RejectReason.UNREACHABLE if outside else RejectReason.BROKEN_ANSWER
    return AnchorError(source, kind, detail)
