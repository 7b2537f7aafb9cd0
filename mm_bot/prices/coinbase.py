"""The mid of one product on Coinbase Advanced Trade, from its public level-2 WebSocket.

Subscribes to the book and to heartbeats, so that a quiet book is told from a dead connection. Any
gap, broken message or silence throws the book away and subscribes anew on a new connection; until
the next snapshot there is no price.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated

import orjson

from mm_bot.clock import Clock
from mm_bot.fields.kinds import WEBSOCKET_URL, token
from mm_bot.fields.model import variable
from mm_bot.prices.level2 import Level2Book
from mm_bot.prices.source import AnchorError, OnStream, Reading, RejectReason
from mm_bot.prices.spec import SourceContext, SourceSettings, unheard
from mm_bot.prices.stream import Stream

if TYPE_CHECKING:
    from mm_bot.prices.websocket import ClientConnection

SILENCE_MS = 5_000
"""Heartbeats come every second."""
SNAPSHOT_MS = 15_000
"""A connection that has brought no whole book by then is renewed, however its heart beats: a
subscription that was lost is not told."""
MESSAGE_BYTES_MAX = 32 * 1024 * 1024
"""The snapshot of a busy book is several megabytes."""
LARGE_BYTES = 64 * 1024
CHANNELS = ("level2", "heartbeats")


_PRODUCT = re.compile(r"[A-Za-z0-9.-]{1,32}", re.ASCII)
_PRODUCT_ID = token("a product such as USDC-USD", _PRODUCT.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinbaseSpec:
    """`coinbase`: the mid of one product's level-2 book."""

    product_id: str
    url: str = field(default="wss://advanced-trade-ws.coinbase.com", repr=False)

    def build(self, context: SourceContext) -> CoinbaseSource:
        return CoinbaseSource(self, context.clock, moved=context.moved, on_stream=context.on_stream)


class CoinbaseSettings(SourceSettings):
    word = "coinbase"
    feed = _PRODUCT

    product_id: Annotated[str | None, _PRODUCT_ID] = variable(
        "COINBASE_PRODUCT_ID", "For `coinbase`: whose book is followed."
    )
    url: Annotated[str, WEBSOCKET_URL] = variable(
        "COINBASE_URL",
        "For `coinbase`: the public level-2 WebSocket.",
        default="wss://advanced-trade-ws.coinbase.com",
    )

    def spec(self, market: str, feed: str) -> CoinbaseSpec:
        return CoinbaseSpec(product_id=(feed or self.product_id or "").upper(), url=self.url)


SOURCE = CoinbaseSettings


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
        moved: asyncio.Event | None = None,
        on_stream: OnStream = unheard,
    ) -> None:
        from mm_bot.prices.websocket import connected

        self._connected = connected
        self._spec = spec
        self._clock = clock
        self._snapshot_ms = snapshot_ms
        self._silence_ms = silence_ms
        self._moved = moved or asyncio.Event()
        told = partial(on_stream, f"{self.name}:{spec.product_id}")
        self._stream = Stream(self.name, self._session, clock, on_stream=told)
        self._book: Level2Book | None = None

    async def read(self) -> Reading:
        return await self._stream.until(lambda: self._book.reading() if self._book else None)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _session(self) -> None:
        try:
            async with self._connected(
                self._spec.url,
                source=self.name,
                timeout_ms=self._silence_ms,
                message_bytes_max=MESSAGE_BYTES_MAX,
            ) as connection:
                await self._follow(connection)
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
            self._moved.set()

    def _take(self, book: Level2Book, text: str | bytes) -> None:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise AnchorError(self.name, RejectReason.MALFORMED, "no JSON") from None
        if not isinstance(message, dict):
            raise AnchorError(self.name, RejectReason.MALFORMED, "no JSON object")
        book.take(message)
