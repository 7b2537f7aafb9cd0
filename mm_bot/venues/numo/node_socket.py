"""A node's WebSocket: the same JSON-RPC questions as over HTTP, and its word of each new block.

1. One connection, made by the first question, and by the next one after it was lost. A question
   that was under way then has no answer.
2. A block is news and no truth: whoever is told looks at the chain himself. So nothing is resumed,
   and each new subscription tells once.

Failures are `EdgeError`s of source `node`; no text of the library's is shown, for the URL may carry
a key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus, WebSocketException

from mm_bot.errors import EdgeError
from mm_bot.io.backoff import Backoff
from mm_bot.io.errors import describe
from mm_bot.io.http import ANSWER_LIMIT_BYTES
from mm_bot.io.shapes import Members
from mm_bot.io.websocket import opened
from mm_bot.venues.numo.account import NODE

SUBSCRIPTION: Final = "subscription"
POLL: Final = "poll"
FIRST_PAUSE_MS: Final = 1_000
LONGEST_PAUSE_MS: Final = 30_000
"""Before another try where there is no subscription."""
_NEWS: Final = "eth_subscription"
_BROKEN: Final = (WebSocketException, OSError, UnicodeError)


class NodeSocket:
    """One connection at a time; `timeout_s` bounds opening it and each answer."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self.told: list[Callable[[], None]] = []
        """Called on the loop for every block, once `subscribed`; must not wait."""
        self._url = url
        self._timeout_s = timeout_s
        self._opening = asyncio.Lock()
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[str] | None = None
        """Gives why the connection ended."""
        self._waiting: dict[int, asyncio.Future[Members]] = {}

    async def ask(self, request_id: int, body: bytes) -> Members:
        """The answer to the request of that id, the JSON-RPC object itself. Raises EdgeError."""
        try:
            async with asyncio.timeout(self._timeout_s):
                socket = await self._connected()
                answer: asyncio.Future[Members] = asyncio.get_running_loop().create_future()
                self._waiting[request_id] = answer
                try:
                    await socket.send(body.decode())
                    return await answer
                finally:
                    del self._waiting[request_id]
        except _BROKEN as error:
            raise EdgeError(NODE, _why(error)) from None

    async def follow(
        self, subscribe: Callable[[], Awaitable[object]], on_source: Callable[[str, str], None]
    ) -> None:
        """Keeps the subscription that `subscribe` asks for, until cancelled. `on_source` is told
        whether there is one, and why there is none."""
        pauses = Backoff(first_ms=FIRST_PAUSE_MS, longest_ms=LONGEST_PAUSE_MS)
        while True:
            try:
                await subscribe()
                on_source(SUBSCRIPTION, "")
                pauses.reset()
                self._tell()
                assert self._reading is not None, "it was answered"
                await asyncio.wait({self._reading})
                why = self._reading.result()
            except EdgeError as error:
                why = error.reason
            on_source(POLL, why)
            await pauses.wait()

    async def aclose(self) -> None:
        """Close it. May be called twice."""
        if self._socket is not None:
            await self._socket.close()
        if self._reading is not None:
            await asyncio.wait({self._reading})

    async def _connected(self) -> ClientConnection:
        async with self._opening:
            if self._socket is None or self._reading is None or self._reading.done():
                self._socket = await opened(
                    self._url, timeout_s=self._timeout_s, message_bytes_max=ANSWER_LIMIT_BYTES
                )
                self._reading = asyncio.create_task(self._read(self._socket), name="node-socket")
            return self._socket

    async def _read(self, socket: ClientConnection) -> str:
        """Hands out what comes, until the connection ends: why it did."""
        why = "the node ended the WebSocket"
        try:
            async for text in socket:
                self._take(text)
        except _BROKEN as error:
            why = _why(error)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(EdgeError(NODE, why))
        return why

    def _take(self, text: str | bytes) -> None:
        """What is no answer to a question of ours and no news is left alone."""
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            return
        if not isinstance(message, dict):
            return
        if message.get("method") == _NEWS:
            self._tell()
            return
        request_id = message.get("id")
        answer = self._waiting.get(request_id) if type(request_id) is int else None
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _tell(self) -> None:
        for told in self.told:
            told()


def _why(error: BaseException) -> str:
    if isinstance(error, InvalidStatus):
        return f"the WebSocket was refused with status {error.response.status_code}"
    if isinstance(error, WebSocketException):
        return f"the WebSocket ended or is none ({type(error).__name__})"
    return describe(error)
