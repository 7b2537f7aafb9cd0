"""WebSockets, as all our connections: one trust store, no proxy, no redirects; and none that holds
the loop, whatever it is sent."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.uri import parse_uri

from mm_bot.io.dial import dial, trust_store
from mm_bot.io.pacing import PIECE_BYTES, pause_s


class PacedConnection(ClientConnection):
    """What came is taken apart piece by piece, as `io.pacing` says."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._rest = b""
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.recv_messages.resume = self._resume

    def data_received(self, data: bytes) -> None:
        self._rest += data
        self._take_apart()

    def eof_received(self) -> None:
        if self._rest:
            self._ended = True
        else:
            super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest = b""
        super().connection_lost(exc)

    def _resume(self) -> None:
        """Whoever takes the messages has room again."""
        if not self._rest:
            self.transport.resume_reading()

    def _take_apart(self) -> None:
        if not self._rest:
            return  # the connection was lost
        began_s = time.perf_counter()
        piece, self._rest = self._rest[:PIECE_BYTES], self._rest[PIECE_BYTES:]
        super().data_received(piece)
        took_s = time.perf_counter() - began_s
        if self._rest:
            self.transport.pause_reading()
            self.loop.call_later(pause_s(took_s), self._take_apart)
            return
        if not self.recv_messages.paused:
            self.transport.resume_reading()
        if self._ended:
            super().eof_received()


class NoRedirects(connect):
    """Whoever may redirect us names the price, and is given our subscription. The library follows
    ten, and a `Location` that is no address is an error of none of its kinds."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def connecting(url: str, **options: Any) -> connect:
    """What `websockets` gives for that, to be awaited or entered. Its own default would take a
    proxy that `HTTPS_PROXY` names in silence, and trust the system's authorities alone.

    Raises:
        NoConnectionError: where the file of authorities cannot be read.
    """
    context = trust_store() if url.lower().startswith("wss:") else None
    return NoRedirects(url, ssl=context, proxy=None, create_connection=PacedConnection, **options)


async def opened(url: str, *, timeout_s: float, message_bytes_max: int) -> ClientConnection:
    """A connection whose name is looked up by `io.dial`, without compression; entering it closes
    it in the end.

    Raises:
        WebSocketException: it is refused, or is no WebSocket.
        OSError, UnicodeError: no connection comes about, in time.
    """
    where = parse_uri(url)
    async with asyncio.timeout(timeout_s):
        dialled = await dial(where.host, where.port)
    return await connecting(
        url,
        sock=dialled,
        compression=None,
        max_size=message_bytes_max,
        open_timeout=timeout_s,
        close_timeout=1,
    )
