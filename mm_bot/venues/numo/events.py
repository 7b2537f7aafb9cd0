"""What wakes the loop early: somebody traded in our market, or its book changed by another's order.

An event carries no truth. It only says that a look is worth while, so nothing is resumed, and
nothing is missed for good: the poll is the heartbeat, and each new connection wakes once.

Sources, the best first: `LISTEN market_events` where the exchange's database has that table, else
the WebSocket of the markets API, else nothing but the poll. `on_source` is told which it is, and
why it is no better.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import orjson
import psycopg
from psycopg.pq import ExecStatus
from websockets.exceptions import WebSocketException

from mm_bot.core.instrument import Instrument
from mm_bot.io.backoff import EVEN, Backoff, Random
from mm_bot.io.errors import describe
from mm_bot.io.postgres_link import Libpq, Listener, Listens, Told, open_listener
from mm_bot.io.websocket import connecting
from mm_bot.venues.numo.config import NumoConfig
from mm_bot.venues.numo.units import ref

FLOOR_S: Final = 0.005
"""Between two questions after notifications: the first of a burst is asked about at once."""
NAP_S: Final = 0.008
"""What a question after the first half of the matcher's blink waits in the server for the rest."""
FIRST_PAUSE_MS: Final = 1_000
LONGEST_PAUSE_MS: Final = 30_000
"""Before another try where there is nothing to hear."""
BETTER_AFTER_S: Final = 60.0
"""With the WebSocket: from one try to `LISTEN` to the next. A database that was started anew would
else be heard again only once the API was too."""
_QUIET_S: Final = 30.0
"""A connection that has been silent for so long is asked whether it lives."""
THERE: Final = b"""
    SELECT to_regclass('market_events') IS NOT NULL,
           has_function_privilege('pg_sleep(float8)', 'EXECUTE')
"""
LISTEN: Final = b"LISTEN market_events"
NEWEST: Final = b"SELECT coalesce(max(seq), 0) FROM market_events"
SINCE: Final = b"""
    PREPARE since (bigint, text, text) AS
    SELECT coalesce(max(seq), $1),
           coalesce(bool_or(market_key = $2 AND (
               channel = 'trades' OR
               channel = 'book' AND NOT starts_with(payload ->> 'order_id', $3))), false),
           coalesce((array_agg(payload ->> 'status' ORDER BY seq DESC))[1] = 'matching', false)
    FROM market_events WHERE seq > $1
"""


_NAP: Final = f"SELECT pg_sleep({NAP_S}); "
"""A statement of its own: another sees what is there when it begins."""
Sockets = Callable[..., AbstractAsyncContextManager[Any]]
"""How a WebSocket is opened: as `io.websocket.connecting`."""


class MarketEvents:
    """Runs until cancelled; both callbacks are called on the loop and must not wait."""

    def __init__(
        self,
        config: NumoConfig,
        market: Instrument,
        *,
        on_event: Callable[[], None],
        on_source: Callable[[str, str], None],
        listens: Listens = open_listener,
        sockets: Sockets | None = None,
        better_after_s: float = BETTER_AFTER_S,
        random: Random = EVEN,
    ) -> None:
        self._listens = listens
        self._sockets = sockets or connecting
        self._better_after_s = better_after_s
        self._config = config
        self._ours = f"mm:{market.symbol}:"
        self._symbol = market.symbol
        named = ref(market)
        self._key = f"{named.asset}:{named.sub_id}"
        self._on_event = on_event
        self._on_source = on_source
        self._pauses = Backoff(first_ms=FIRST_PAUSE_MS, longest_ms=LONGEST_PAUSE_MS, random=random)

    async def run(self) -> None:
        while True:
            why = await self._listened()
            try:
                async with asyncio.timeout(self._better_after_s):
                    why += "; " + await self._subscribed(why)
            except TimeoutError:
                continue  # what is better may be back
            self._on_source("poll", why)
            await self._pauses.wait()

    def _connected(self, source: str, why: str) -> None:
        self._pauses.reset()
        self._on_source(source, why)
        self._on_event()

    async def _listened(self) -> str:
        """Why there is nothing to listen to any more, or at all."""
        name = f"mm-bot events {self._symbol}"
        try:
            listener = await self._listens(self._config.database_url, name)
        except (psycopg.Error, OSError) as error:
            return f"no LISTEN: {describe(error)}"
        try:
            return await self._listen(listener)
        except (psycopg.Error, OSError) as error:
            lost = isinstance(error, psycopg.OperationalError) and error.sqlstate is None
            return f"LISTEN ended: {'the connection was lost' if lost else describe(error)}"
        finally:
            await listener.close()

    async def _listen(self, listener: Listener) -> str:
        async with asyncio.timeout(_QUIET_S):
            there = await listener.run(THERE)
            if there is None or not there[0]:
                return "the database has no table market_events"
            await listener.run(LISTEN)
            await listener.run(SINCE)
            row = await listener.run(NEWEST)
        assert row is not None, "an aggregate gives one row"
        self._connected("listen", "")
        values = (str(row[0]), self._key, self._ours)
        await _Heard(listener.libpq, values, self._on_event, may_nap=bool(there[1])).for_ever()
        raise AssertionError("it ends by an error alone")

    async def _subscribed(self, why: str) -> str:
        """Why there is no socket any more, or at all; `why` is why there is nothing better."""
        scheme, _, rest = self._config.api_base_url.rstrip("/").partition("://")
        url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/v1/ws"
        try:
            async with self._sockets(url, open_timeout=5, ping_interval=_QUIET_S) as socket:
                for channel in ("book", "trades"):
                    request = {"op": "subscribe", "channel": channel, "market": self._symbol}
                    await socket.send(orjson.dumps(request).decode())
                self._connected("socket", why)
                async for message in socket:
                    if self._matters(message):
                        self._on_event()
            return "the WebSocket ended"
        except (WebSocketException, OSError, TimeoutError) as error:
            return f"no WebSocket: {describe(error)}"

    def _matters(self, message: str | bytes) -> bool:
        try:
            update = orjson.loads(message)
        except orjson.JSONDecodeError:
            return True  # whatever it is, a look does no harm
        if not isinstance(update, dict) or update.get("type") != "update":
            return False
        data = update.get("data")
        named = data.get("order_id") if isinstance(data, dict) else None
        return not (isinstance(named, str) and named.startswith(self._ours))


class _Heard:
    """Asks after each notification whether any event since the last question matters.

    The exchange notifies of each blink of each order, many times a second, and nearly none of it
    matters. So this speaks to libpq itself, from the loop's own callbacks: a notification and its
    question cost a tenth of what they do through psycopg's cursors and generators.

    A blink is two transactions of one session, some milliseconds apart: orders are set `matching`,
    then back, or filled. Nothing that matters is in the first. So a question after the session
    that was last seen to set orders `matching` first sleeps `NAP_S` in the server: it sees both
    halves, and what is told of meanwhile comes with its answer. Whoever else notifies, and what
    follows on a first half that was seen alone, is asked about at once.

    Events are not committed in the order of their numbers: one that is told of after the answer
    that went past it is asked about again, from its number on.
    """

    def __init__(
        self,
        libpq: Libpq,
        values: tuple[str, str, str],
        on_event: Callable[[], None],
        *,
        may_nap: bool,
    ) -> None:
        self._may_nap = may_nap
        self._libpq = libpq
        after, *where = values
        self._after = int(after)
        """The newest number that an answer has told."""
        self._late: int | None = None
        """The lowest number that was told of after an answer had gone past it."""
        self._where = ", ".join(_literal(value) for value in where)
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._asking = False
        self._senders: set[int] = set()
        """Server processes whose notifications were not asked about yet."""
        self._asked_of: set[int] = set()
        self._matcher: set[int] = set()
        """The process that last set orders `matching`, alone."""
        self._midway = False
        """Whether the newest event known set an order `matching`."""
        self._naps = False
        """Whether the first result to come is of the sleep."""
        self._asked_at = self._loop.time() - _QUIET_S
        self._soon: asyncio.TimerHandle | None = None
        self._alive: asyncio.TimerHandle | None = None

    async def for_ever(self) -> None:
        """Raises psycopg.Error or OSError where the connection is lost."""
        socket = self._libpq.socket
        self._loop.add_reader(socket, self._guarded, self._readable)
        self._guarded(self._live)
        try:
            await self._ended
        finally:
            self._loop.remove_reader(socket)
            for timer in (self._soon, self._alive):
                if timer is not None:
                    timer.cancel()

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (psycopg.Error, OSError) as error:
            if not self._ended.done():
                self._ended.set_exception(error)

    def _live(self) -> None:
        """Asks where nothing was asked for so long: one timer, not one more with each question."""
        rest_s = self._asked_at + _QUIET_S - self._loop.time()
        if rest_s <= 0:
            if self._asking:
                raise TimeoutError(f"no answer within {_QUIET_S:g} s")
            self._ask()
            rest_s = _QUIET_S
        self._alive = self._loop.call_later(rest_s, self._guarded, self._live)

    def _ask(self) -> None:
        self._soon = None
        first_half = not self._midway and self._senders and self._senders == self._matcher
        self._naps = self._may_nap and bool(first_half)
        self._asking, self._asked_at = True, self._loop.time()
        self._asked_of, self._senders = self._senders, set()
        after = self._after if self._late is None else self._late - 1
        self._late = None
        question = f"EXECUTE since ({after}, {self._where})"
        self._libpq.send_query((_NAP + question if self._naps else question).encode())
        self._libpq.flush()

    def _readable(self) -> None:
        libpq = self._libpq
        libpq.consume_input()
        answered = False
        while self._asking and not libpq.is_busy():
            result = libpq.get_result()
            if result is None:
                self._asking = False
            elif result.status != ExecStatus.TUPLES_OK:
                raise psycopg.OperationalError(result.error_message.decode(errors="replace"))
            elif self._naps:
                self._naps = False
            else:
                self._answered(result)
                answered = True
        while (told := libpq.notifies()) is not None:
            number = int(told.extra[:20]) if told.extra.isdigit() else self._after + 1
            if number <= self._after:
                if answered:
                    continue  # the answer contains it
                self._late = min(number, self._late or number)
            self._senders.add(told.be_pid)
        if self._senders and not self._asking and self._soon is None:
            wait_s = self._asked_at + FLOOR_S - self._loop.time()
            if wait_s <= 0:
                self._ask()
            else:
                self._soon = self._loop.call_later(wait_s, self._guarded, self._ask)

    def _answered(self, result: Told) -> None:
        newest, matters, midway = (result.get_value(0, column) for column in range(3))
        self._after = max(self._after, int(newest or 0))
        if matters == b"t":
            self._on_event()
        self._midway = midway == b"t"
        if self._midway and len(self._asked_of) == 1:
            self._matcher = self._asked_of


def _literal(text: str) -> str:
    """An SQL expression of that text, whatever it holds."""
    return f"convert_from('\\x{text.encode().hex()}', 'UTF8')"
