"""Hands each row of `market_events` to every session that listens, once and in order.

One connection listens; a notification makes it read what lies above the last sequence number it
handed out. That is complete, because numbers are in commit order (see schema.sql). After the
connection broke, a new one carries on where the old one ended.

The hub also throws away events older than `keep_seconds`, as the exchange does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg.rows import TupleRow

from integration_harness.stack.markets_api.database import Connection, Database, connect

_LOG = logging.getLogger("markets_api.event_hub")
_RECONNECT_SECONDS: Final = 0.1
_PRUNE_EVERY_SECONDS: Final = 60
_BATCH: Final = 1000

_COLUMNS: Final = "seq, market_key, channel, event_type, owner_address, payload::text"
_NEWER: Final = f"""
    SELECT {_COLUMNS} FROM market_events WHERE seq > %(seq)s ORDER BY seq LIMIT {_BATCH}
"""
_LAST: Final = "SELECT coalesce(max(seq), 0) FROM market_events"
_RANGE: Final = """
    SELECT coalesce((SELECT min(seq) FROM market_events), last_value + 1),
           CASE WHEN is_called THEN last_value ELSE 0 END
    FROM market_events_seq_seq
"""
_SINCE: Final = f"""
    SELECT {_COLUMNS} FROM market_events
    WHERE market_key = %(market_key)s AND channel = %(channel)s AND seq > %(seq)s
    ORDER BY seq LIMIT {10 * _BATCH + 1}
"""
_PRUNE: Final = """
    DELETE FROM market_events WHERE created_at < now() - make_interval(secs => %(keep_seconds)s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A row of `market_events`; `payload` is JSON text."""

    seq: int
    market_key: str
    channel: str
    event_type: str
    owner_address: str | None
    payload: str


Listener = Callable[[Event], None]


class EventHub:
    """The process's single reader of the event log."""

    def __init__(self, database_url: str, database: Database, keep_seconds: int) -> None:
        self._url = database_url
        self._database = database
        self._keep_seconds = keep_seconds
        self._listeners: set[Listener] = set()
        self._last_seq: int | None = None
        self._listening = asyncio.Event()

    def add(self, listener: Listener) -> None:
        """From now on call this with every event; it must not block."""
        self._listeners.add(listener)

    async def ready(self) -> None:
        """Return once events are handed out; a state read after that misses none."""
        await self._listening.wait()

    def remove(self, listener: Listener) -> None:
        """Undo `add`."""
        self._listeners.discard(listener)

    async def run(self) -> None:
        """Listen until cancelled."""
        pruner = asyncio.create_task(self._prune())
        try:
            while True:
                try:
                    await self._listen()
                except psycopg.Error as error:
                    _LOG.warning("event listener lost its connection: %s", error)
                await asyncio.sleep(_RECONNECT_SECONDS)
        finally:
            pruner.cancel()
            await asyncio.gather(pruner, return_exceptions=True)

    async def since(self, market_key: str, channel: str, seq: int) -> list[Event] | None:
        """A channel's events above a number; None where some are gone already."""
        oldest, latest = (await self._database.fetch(_RANGE, {}))[0]
        if seq + 1 < oldest or seq > latest:
            return None
        rows = await self._database.fetch(
            _SINCE, {"market_key": market_key, "channel": channel, "seq": seq}
        )
        return None if len(rows) > 10 * _BATCH else [_event(row) for row in rows]

    async def _listen(self) -> None:
        connection = await connect(self._url)
        try:
            await connection.execute("LISTEN market_events")
            if self._last_seq is None:
                row = await (await connection.execute(_LAST)).fetchone()
                assert row is not None, "an aggregate has one row"
                self._last_seq = int(row[0])
                self._listening.set()
            await self._hand_out(connection)
            while True:
                async for _ in connection.notifies(timeout=None, stop_after=1):
                    pass
                await self._hand_out(connection)
        finally:
            await connection.close()

    async def _hand_out(self, connection: Connection) -> None:
        while True:
            cursor = await connection.execute(_NEWER, {"seq": self._last_seq})
            rows = await cursor.fetchall()
            for row in rows:
                event = _event(row)
                self._last_seq = event.seq
                for listener in tuple(self._listeners):
                    listener(event)
            if len(rows) < _BATCH:
                return

    async def _prune(self) -> None:
        while True:
            await asyncio.sleep(_PRUNE_EVERY_SECONDS)
            try:
                async with self._database.connection() as connection:
                    await connection.execute(_PRUNE, {"keep_seconds": self._keep_seconds})
            except psycopg.Error as error:
                _LOG.warning("old events could not be thrown away: %s", error)


def _event(row: TupleRow) -> Event:
    return Event(
        seq=row[0],
        market_key=row[1],
        channel=row[2],
        event_type=row[3],
        owner_address=row[4],
        payload=row[5],
    )
