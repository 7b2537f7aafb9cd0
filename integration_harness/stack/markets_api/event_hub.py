"""Hands each row of `market_events` to every session that listens, once, in commit order.

One connection listens. A notification names its row, and comes when the row is committed, so
nothing is missed though numbers are not in commit order. After the connection broke, a new one
reads what came meanwhile, and some numbers further back for what was committed late.

The hub also throws away events older than `keep_seconds`, as the exchange does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from integration_harness.stack.markets_api.database import (
    DATABASE_ERRORS,
    Database,
    Row,
    connect,
    fetch,
)

_LOG = logging.getLogger("markets_api.event_hub")
_RECONNECT_SECONDS: Final = 0.1
_PRUNE_EVERY_SECONDS: Final = 60
_MOST_MISSED: Final = 10_000
_REMEMBERED: Final = 10_000

_COLUMNS: Final = "seq, market_key, channel, event_type, owner_address, payload::text"
_NAMED: Final = f"SELECT {_COLUMNS} FROM market_events WHERE seq = ANY(%(seqs)s)"
_NEWER: Final = f"SELECT {_COLUMNS} FROM market_events WHERE seq > %(seq)s ORDER BY seq"
_LAST: Final = "SELECT coalesce(max(seq), 0) FROM market_events"
_RANGE: Final = """
    SELECT coalesce((SELECT min(seq) FROM market_events), last_value + 1),
           CASE WHEN is_called THEN last_value ELSE 0 END
    FROM market_events_seq_seq
"""
_SINCE: Final = f"""
    SELECT {_COLUMNS} FROM market_events
    WHERE market_key = %(market_key)s AND channel = %(channel)s AND seq > %(seq)s
    ORDER BY seq LIMIT {_MOST_MISSED + 1}
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
        self._handed_out: dict[int, None] = {}
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
                except DATABASE_ERRORS as error:
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
        return None if len(rows) > _MOST_MISSED else [_event(row) for row in rows]

    async def _listen(self) -> None:
        connection = await connect(self._url, "markets-api-events")
        told: asyncio.Queue[int | None] = asyncio.Queue()  # None where the connection is lost

        def hear(*notification: object) -> None:
            told.put_nowait(int(str(notification[-1])))

        connection.add_termination_listener(lambda _: told.put_nowait(None))
        try:
            await connection.add_listener("market_events", hear)
            if self._last_seq is None:
                self._last_seq = await connection.fetchval(_LAST)
                self._listening.set()
            else:
                since = self._last_seq - _REMEMBERED // 2
                self._hand_out(await fetch(connection, _NEWER, {"seq": since}))
            while True:
                seqs = [await told.get()]
                while not told.empty():
                    seqs.append(told.get_nowait())
                if None in seqs:
                    raise ConnectionError("Postgres closed it")
                await self._hear_of([seq for seq in seqs if seq is not None])
        finally:
            await connection.close()

    async def _hear_of(self, seqs: list[int]) -> None:
        if not self._listeners:  # whoever comes later reads the state as it is then
            for seq in seqs:
                self._is_new(seq)
            return
        found = {row[0]: row for row in await self._database.fetch(_NAMED, {"seqs": seqs})}
        self._hand_out([found[seq] for seq in seqs if seq in found])

    def _hand_out(self, rows: list[Row]) -> None:
        for row in rows:
            event = _event(row)
            if not self._is_new(event.seq):
                continue
            for listener in tuple(self._listeners):
                listener(event)

    def _is_new(self, seq: int) -> bool:
        """Whether it comes for the first time; it never does again."""
        assert self._last_seq is not None
        if seq in self._handed_out:
            return False
        self._handed_out[seq] = None
        if len(self._handed_out) > _REMEMBERED:
            del self._handed_out[next(iter(self._handed_out))]
        self._last_seq = max(self._last_seq, seq)
        return True

    async def _prune(self) -> None:
        while True:
            await asyncio.sleep(_PRUNE_EVERY_SECONDS)
            try:
                await self._database.fetch(_PRUNE, {"keep_seconds": self._keep_seconds})
            except DATABASE_ERRORS as error:
                _LOG.warning("old events could not be thrown away: %s", error)


def _event(row: Row) -> Event:
    return Event(
        seq=row[0],
        market_key=row[1],
        channel=row[2],
        event_type=row[3],
        owner_address=row[4],
        payload=row[5],
    )
