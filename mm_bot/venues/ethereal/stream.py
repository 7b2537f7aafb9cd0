"""Ethereal's WebSocket, version 2: the book, public trades, and word that ours changed.

1. Everything it says is a hint, the account's streams are public even: decisions rest on what is
   asked by HTTP. Only the book and the public trades are taken from here, while they come.
2. Acknowledgements have no id, so one request is under way at a time.
3. A gap in the book makes it unknown until a new snapshot, which is asked for at once.
4. A session is renewed before the exchange ends it, the new one first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from mm_bot.core.snapshot import Trade
from mm_bot.errors import EdgeError
from mm_bot.io.backoff import Backoff
from mm_bot.io.errors import describe
from mm_bot.io.tasks import ended
from mm_bot.io.websocket import connecting
from mm_bot.venues.ethereal import wire
from mm_bot.venues.ethereal.levels import GapError, followed
from mm_bot.venues.ethereal.wire import ETHEREAL
from mm_bot.venues.levels import LevelBook

PING_S: Final = 30.0
SESSION_S: Final = 3 * 3600.0
"""The exchange ends one after about four hours."""
FIRST_PAUSE_MS: Final = 250
LONGEST_PAUSE_MS: Final = 15_000
"""Before another try where there is no session."""
LARGEST_MESSAGE: Final = 4 * 2**20
TRADES_KEPT: Final = 100
_OURS: Final = ("OrderUpdate", "OrderFill", "PositionUpdate", "SubaccountLiquidation")
_TROUBLE: Final = (EdgeError, WebSocketException, OSError, TimeoutError)


class Stream:
    """One session after another. `on_event` is called whenever a look is worth while."""

    def __init__(
        self,
        url: str,
        symbol: str,
        subaccount: str,
        on_event: Callable[[], None],
        *,
        timeout_s: float,
        session_s: float = SESSION_S,
    ) -> None:
        self._url = url
        self._symbol = symbol
        self._subaccount = subaccount
        self._on_event = on_event
        self._timeout_s = timeout_s
        self._session_s = session_s
        self._session: _Session | None = None
        self._task: asyncio.Task[None] | None = None
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self.own_trades: deque[int] = deque(maxlen=TRADES_KEPT)
        """Numbers of those in which our subaccount was a side."""
        self.problem = "not connected yet"
        """Why there is no session; empty while there is one."""
        self.up = asyncio.Event()
        self.down = asyncio.Event()
        self.sessions = 0
        self.gaps = 0

    @property
    def book(self) -> LevelBook | None:
        """What is known of the levels now."""
        return self._session.book if self._session is not None and self.up.is_set() else None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="ethereal-stream")

    async def aclose(self) -> None:
        task, self._task = self._task, None
        await ended(task)
        if self._session is not None:
            await self._session.aclose()

    async def _run(self) -> None:
        pauses = Backoff(first_ms=FIRST_PAUSE_MS, longest_ms=LONGEST_PAUSE_MS)
        while True:
            try:
                session = await self._opened()
            except _TROUBLE as error:
                if self._session is None or self._session.over:
                    self._fell(error.reason if isinstance(error, EdgeError) else describe(error))
                await pauses.wait()
                continue
            pauses.reset()
            before, self._session = self._session, session
            self._rose()
            if before is not None:
                await before.aclose()
            if await session.ends_within(self._session_s):
                self._fell("the exchange closed the socket")
                await pauses.wait()

    def _rose(self) -> None:
        self.problem = ""
        self.sessions += 1
        self.down.clear()
        self.up.set()
        self._on_event()

    def _fell(self, why: str) -> None:
        self.problem = why
        self.up.clear()
        self.down.set()

    async def _opened(self) -> _Session:
        """A new session with everything subscribed to and its first book there."""
        async with asyncio.timeout(self._timeout_s):
            socket = await connecting(
                self._url, max_size=LARGEST_MESSAGE, ping_interval=PING_S, ping_timeout=PING_S
            )
        session = _Session(socket, self, self._symbol)
        try:
            async with asyncio.timeout(self._timeout_s):
                for kind in _OURS:
                    await session.ask("subscribe", {"type": kind, "subaccountId": self._subaccount})
                for kind in ("TradeFill", "L2Book"):
                    await session.ask("subscribe", {"type": kind, "symbol": self._symbol})
                await session.first_book()
        except BaseException:
            await session.aclose()
            raise
        return session

    def heard(self, kind: str, data: object) -> None:
        """An event that is not the book's."""
        if kind == "TradeFill":
            self._note_trades(data)
        elif kind in _OURS:
            self._on_event()

    def changed(self) -> None:
        self._on_event()

    def _note_trades(self, data: object) -> None:
        if not isinstance(data, Mapping) or data.get("s") != self._symbol:
            return
        entries = data.get("d")
        for entry in entries if isinstance(entries, list) else ():
            try:
                at_ms = wire.read.integer(dict(data), "t", "trades")
                trade = wire.trade(entry, price="px", size="sz", at_ms=at_ms)
            except EdgeError:
                continue  # a stranger's trade that cannot be read is no reference
            if any(known.trade_id == trade.trade_id for known in self.trades):
                continue
            self.trades.append(trade)
            sides = entry.get("sids")
            if isinstance(sides, list) and self._subaccount in sides:
                self.own_trades.append(trade.trade_id)


class _Session:
    """One socket."""

    def __init__(self, socket: ClientConnection, stream: Stream, symbol: str) -> None:
        self._socket = socket
        self._stream = stream
        self._symbol = symbol
        self._asking = asyncio.Lock()
        self._ack: asyncio.Future[Mapping[str, Any]] | None = None
        self._has_book = asyncio.Event()
        self._mending: asyncio.Task[None] | None = None
        self.book: LevelBook | None = None
        self._reading = asyncio.create_task(self._read(), name="ethereal-session")

    @property
    def over(self) -> bool:
        return self._reading.done()

    async def first_book(self) -> None:
        """Raises EdgeError where the socket ends before it comes."""
        has_book = asyncio.create_task(self._has_book.wait())
        try:
            both: set[asyncio.Task[Any]] = {has_book, self._reading}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            has_book.cancel()
        if not self._has_book.is_set():
            raise EdgeError(ETHEREAL, "the socket ended before the book came")

    async def ends_within(self, seconds: float) -> bool:
        done, _ = await asyncio.wait({self._reading}, timeout=seconds)
        return bool(done)

    async def aclose(self) -> None:
        """Leaves no open socket, even where whoever closes it is cancelled meanwhile."""
        try:
            await ended(self._reading, self._mending)
        finally:
            await self._socket.close()

    async def ask(self, event: str, what: Mapping[str, str]) -> None:
        """Send one request and wait for its acknowledgement.

        Raises:
            EdgeError: where the exchange refuses, or the socket ends.
        """
        async with self._asking:
            self._ack = asyncio.get_running_loop().create_future()
            await self._socket.send(orjson.dumps({"event": event, "data": what}).decode())
            both: set[asyncio.Future[Any]] = {self._ack, self._reading}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not self._ack.done():
                raise EdgeError(ETHEREAL, f"the socket ended at {event} {what['type']}")
            answer, self._ack = self._ack.result(), None
        if answer.get("ok") is not True:
            raise EdgeError(ETHEREAL, f"{event} {what['type']} refused: {answer.get('code')}")

    async def _read(self) -> None:
        with suppress(WebSocketException, OSError):
            async for message in self._socket:
                try:
                    envelope = orjson.loads(message)
                except orjson.JSONDecodeError:
                    continue  # no event and no answer of ours has this form
                if isinstance(envelope, dict):
                    self._note(envelope)

    def _note(self, envelope: Mapping[str, Any]) -> None:
        if "ok" in envelope:
            if self._ack is not None and not self._ack.done():
                self._ack.set_result(envelope)
            return
        kind, data = envelope.get("e"), envelope.get("data")
        if kind == "L2Book":
            self._note_book(data)
        elif isinstance(kind, str):
            self._stream.heard(kind, data)

    def _note_book(self, data: object) -> None:
        if not isinstance(data, Mapping) or data.get("s") != self._symbol:
            return
        before = self.book
        try:
            self.book = followed(before, dict(data))
        except (GapError, EdgeError):
            self.book = None
            self._stream.gaps += 1
            self._mend()
            return
        if self.book is None:
            return
        self._has_book.set()
        if before is None or before.best() != self.book.best():
            self._stream.changed()

    def _mend(self) -> None:
        """Ask for a new snapshot, once at a time."""
        if self._mending is None or self._mending.done():
            self._mending = asyncio.create_task(self._resubscribed())

    async def _resubscribed(self) -> None:
        book = {"type": "L2Book", "symbol": self._symbol}
        try:
            async with asyncio.timeout(PING_S):
                await self.ask("unsubscribe", book)
                await self.ask("subscribe", book)
        except _TROUBLE:
            await self._socket.close()  # a session without a book is renewed
