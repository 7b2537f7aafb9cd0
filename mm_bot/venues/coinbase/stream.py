"""Coinbase's two WebSockets: the market's book and trades, and word that something of ours changed.

1. Everything of ours that it says is a hint; decisions rest on what is asked by HTTP.
2. `sequence_num` counts every message of a connection: a gap means that something was lost, and the
   connection is made anew. A number that was seen is a repetition and ignored.
3. Heartbeats come every second: silence for `SILENT_S` is a dead connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from mm_bot.core.instrument import Side
from mm_bot.errors import EdgeError
from mm_bot.io.backoff import Backoff
from mm_bot.io.errors import describe
from mm_bot.io.tasks import ended
from mm_bot.io.websocket import connecting
from mm_bot.venues.coinbase.token import Tokens
from mm_bot.venues.coinbase.wire import COINBASE, read
from mm_bot.venues.levels import LevelBook, Levels, bounded

SILENT_S: Final = 5.0
PING_S: Final = 20.0
FIRST_PAUSE_MS: Final = 250
LONGEST_PAUSE_MS: Final = 30_000
"""Before another try where there is no session."""
LARGEST_MESSAGE: Final = 16 * 2**20
"""A snapshot of a large market exceeds a megabyte."""
_SIDES: Final = {"bid": Side.BUY, "offer": Side.SELL}
_TROUBLE: Final = (EdgeError, WebSocketException, OSError, TimeoutError)
Event = Mapping[str, Any]


class Socket:
    """One connection after another to one address. `on_event` is called with channel and event;
    what it raises as an EdgeError ends the connection."""

    def __init__(
        self,
        url: str,
        channels: Sequence[str],
        symbol: str,
        tokens: Tokens,
        on_event: Callable[[str, Event], None],
        *,
        first: str,
        timeout_s: float,
    ) -> None:
        self._url = url
        self._channels = channels
        self._symbol = symbol
        self._tokens = tokens
        self._on_event = on_event
        self._first = first
        self._timeout_s = timeout_s
        self._task: asyncio.Task[None] | None = None
        self._last = -1
        self.problem = "not connected yet"
        """Why it is down; empty while it is up."""
        self.up = asyncio.Event()
        self.down = asyncio.Event()
        self.sessions = 0

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"coinbase-{self._first}")

    async def aclose(self) -> None:
        task, self._task = self._task, None
        await ended(task)

    async def _run(self) -> None:
        pauses = Backoff(first_ms=FIRST_PAUSE_MS, longest_ms=LONGEST_PAUSE_MS)
        while True:
            was_up = False
            try:
                await self._session()
                self.problem = "the exchange closed the socket"
            except _TROUBLE as error:
                self.problem = error.reason if isinstance(error, EdgeError) else describe(error)
            finally:
                was_up = self.up.is_set()
                self.up.clear()
                self.down.set()
            if was_up:
                pauses.reset()
            await pauses.wait()

    async def _session(self) -> None:
        async with connecting(
            self._url,
            open_timeout=self._timeout_s,
            max_size=LARGEST_MESSAGE,
            ping_interval=PING_S,
            ping_timeout=PING_S,
        ) as socket:
            self._last = -1
            for channel in self._channels:
                await self._subscribe(socket, channel)
            while True:
                async with asyncio.timeout(SILENT_S):
                    message = await socket.recv()
                self._note(read.members(read.json(_bytes(message)), "message"))

    async def _subscribe(self, socket: ClientConnection, channel: str) -> None:
        request = {
            "type": "subscribe",
            "channel": channel,
            "product_ids": [self._symbol],
            "jwt": self._tokens.of_subscription(),
        }
        await socket.send(orjson.dumps(request).decode())

    def _note(self, message: Event) -> None:
        if message.get("type") == "error":
            raise EdgeError(COINBASE, f"the socket says: {str(message.get('message'))[:100]}")
        number = read.integer(dict(message), "sequence_num", "message")
        if number <= self._last:
            return
        if self._last >= 0 and number != self._last + 1:
            raise EdgeError(COINBASE, f"message {number} came after {self._last}: some are lost")
        self._last = number
        channel = message.get("channel")
        for event in read.array(message.get("events"), "events"):
            if isinstance(channel, str) and isinstance(event, dict):
                self._on_event(channel, event)
        if channel == self._first and not self.up.is_set():
            self.problem = ""
            self.sessions += 1
            self.down.clear()
            self.up.set()


def book_after(known: LevelBook | None, event: Event, at_ms: int) -> LevelBook:
    """The book after a snapshot or a change with absolute quantities; raises EdgeError."""
    if event.get("type") == "snapshot":
        known = LevelBook(bids={}, asks={}, at_ms=at_ms)
    if known is None:
        raise EdgeError(COINBASE, "a change of the book came before its snapshot")
    sides: dict[Side, dict[Decimal, Decimal]] = {side: dict(known.side(side)) for side in Side}
    for entry in read.array(event.get("updates"), "updates"):
        update = read.members(entry, "update")
        side = _SIDES.get(read.text(update, "side", "update"))
        if side is None:
            raise read.fault("update.side", update.get("side"), "bid or offer")
        price = read.number(update, "price_level", "update")
        size = read.number(update, "new_quantity", "update")
        if size:
            sides[side][price] = size
        else:
            sides[side].pop(price, None)
    return bounded(LevelBook(bids=sides[Side.BUY], asks=sides[Side.SELL], at_ms=at_ms), read)


def polled_book(answer: object, at_ms: int) -> LevelBook:
    """The same of `product_book`."""
    book = read.members(read.members(answer, "answer").get("pricebook"), "pricebook")
    sides: dict[str, Levels] = {}
    for name in ("bids", "asks"):
        levels = {}
        for entry in read.array(book.get(name), name):
            level = read.members(entry, name)
            levels[read.number(level, "price", name)] = read.number(level, "size", name)
        sides[name] = levels
    return LevelBook(bids=sides["bids"], asks=sides["asks"], at_ms=at_ms)


def _bytes(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message
