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
from typing import Final

import orjson
import psycopg
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from mm_bot.core.instrument import Instrument
from mm_bot.io.errors import describe
from mm_bot.venues.numo.config import NumoConfig
from mm_bot.venues.numo.units import ref

COALESCE_S: Final = 0.002
"""How long to wait for more after a notification: the matcher's look at the book comes in pairs."""
FIRST_BACK_OFF_S: Final = 1.0
LAST_BACK_OFF_S: Final = 30.0
_QUIET_S: Final = 30.0
"""A connection that has been silent for so long is asked whether it lives."""
_THERE: Final = "SELECT to_regclass('market_events') IS NOT NULL"
_NEWEST: Final = "SELECT coalesce(max(seq), 0) FROM market_events"
_SINCE: Final = """
    SELECT coalesce(max(seq), %(after)s),
           coalesce(bool_or(market_key = %(market)s AND (
               channel = 'trades' OR
               channel = 'book' AND NOT starts_with(payload ->> 'order_id', %(ours)s))), false)
    FROM market_events WHERE seq > %(after)s
"""


class MarketEvents:
    """Runs until cancelled; both callbacks are called on the loop and must not wait."""

    def __init__(
        self,
        config: NumoConfig,
        market: Instrument,
        *,
        on_event: Callable[[], None],
        on_source: Callable[[str, str], None],
    ) -> None:
        self._config = config
        self._ours = f"mm:{market.symbol}:"
        self._symbol = market.symbol
        named = ref(market)
        self._key = f"{named.asset}:{named.sub_id}"
        self._on_event = on_event
        self._on_source = on_source
        self._back_off_s = FIRST_BACK_OFF_S

    async def run(self) -> None:
        while True:
            why = await self._listened()
            why += "; " + await self._subscribed(why)
            self._on_source("poll", why)
            await asyncio.sleep(self._back_off_s)
            self._back_off_s = min(2 * self._back_off_s, LAST_BACK_OFF_S)

    def _connected(self, source: str, why: str) -> None:
        self._back_off_s = FIRST_BACK_OFF_S
        self._on_source(source, why)
        self._on_event()

    async def _listened(self) -> str:
        """Why there is nothing to listen to any more, or at all."""
        try:
            connection = await psycopg.AsyncConnection.connect(
                self._config.database_url,
                autocommit=True,
                application_name=f"mm-bot events {self._symbol}",
                connect_timeout=5,
            )
        except (psycopg.Error, OSError) as error:
            return f"no LISTEN: {describe(error)}"
        try:
            return await self._listen(connection)
        except (psycopg.Error, OSError) as error:
            return f"LISTEN ended: {describe(error)}"
        finally:
            await connection.close()

    async def _listen(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> str:
        (there,) = await _row(connection, _THERE)
        if not there:
            return "the database has no table market_events"
        await connection.execute("LISTEN market_events")
        (newest,) = await _row(connection, _NEWEST)
        self._connected("listen", "")
        while True:
            heard = [n async for n in connection.notifies(timeout=_QUIET_S, stop_after=1)]
            if heard:
                await asyncio.sleep(COALESCE_S)
            values = {"after": newest, "market": self._key, "ours": self._ours}
            newest, matters = await _row(connection, _SINCE, values)
            if matters:
                self._on_event()

    async def _subscribed(self, why: str) -> str:
        """Why there is no socket any more, or at all; `why` is why there is nothing better."""
        scheme, _, rest = self._config.api_base_url.rstrip("/").partition("://")
        url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/v1/ws"
        try:
            async with connect(url, open_timeout=5, ping_interval=_QUIET_S) as socket:
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


async def _row(
    connection: psycopg.AsyncConnection[tuple[object, ...]],
    query: str,
    values: dict[str, object] | None = None,
) -> tuple[object, ...]:
    cursor = await connection.execute(query.encode(), values, prepare=True)
    row = await cursor.fetchone()
    assert row is not None, "an aggregate gives one row"
    return row
