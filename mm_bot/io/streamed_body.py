"""A body that is read as it comes, and its reader, who may be slower than its server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

import httpx

from mm_bot.io.pacing import PIECE_BYTES, pause_s

STREAM_BUFFER_BYTES: Final = 256 * 2**10
"""Of a streamed body at most about this is held; reading pauses meanwhile."""
PIECES_FREE: Final = 4096
"""Pieces of any size that a body may come in, or that are held of a streamed one."""


class Pausable(Protocol):
    """What a body is read from."""

    def pause(self, paused: bool) -> None:
        """Stop reading from the server, or go on."""


class StreamedBody(httpx.AsyncByteStream):
    """A body as it comes, at most about `STREAM_BUFFER_BYTES` ahead of its reader, who gets it as
    `io.pacing` says."""

    def __init__(self) -> None:
        self._connection: Pausable | None = None
        self._done: Callable[[], None] = _nothing
        self._chunks: list[bytes] = []
        self._held_bytes = 0
        self._paused = False
        self._ended = False
        self._error: httpx.TransportError | None = None
        self._moved = asyncio.Event()

    def reads(self, connection: Pausable, done: Callable[[], None]) -> None:
        """From that connection; `done` is called once nobody reads it any more."""
        self._connection, self._done = connection, done

    def feed(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._held_bytes += len(chunk)
        over = self._held_bytes > STREAM_BUFFER_BYTES or len(self._chunks) > PIECES_FREE
        if over and not self._paused:
            self._pause(True)
        self._moved.set()

    def end(self, error: httpx.TransportError | None) -> None:
        self._ended, self._error = True, error
        self._moved.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self._moved.clear()
            chunks, self._chunks, self._held_bytes = self._chunks, [], 0
            if self._paused:
                self._pause(False)
            body = b"".join(chunks)  # one of one byte a chunk costs its reader no more
            for first in range(0, len(body), PIECE_BYTES):
                began_s = time.perf_counter()
                yield body[first : first + PIECE_BYTES]
                await asyncio.sleep(pause_s(time.perf_counter() - began_s))
            if self._chunks:
                continue
            if self._ended:
                if self._error is not None:
                    raise self._error
                return
            await self._moved.wait()

    def _pause(self, paused: bool) -> None:
        self._paused = paused
        if self._connection is not None:
            self._connection.pause(paused)

    async def aclose(self) -> None:
        done, self._done = self._done, _nothing
        done()


def _nothing() -> None:
    pass
