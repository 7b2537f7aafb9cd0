"""One connection to Postgres as its driver gives it: what `Session` is made of.

Raises psycopg.Error and OSError as the driver does; `Session` maps them. Nothing here waits within
a bound of its own.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import psycopg
from psycopg.pq.abc import PGresult
from psycopg.types.json import set_json_loads

from mm_bot.io.postgres_wire import Asked, rows_of, text_of, type_of

_PLACE = re.compile(r"%\((\w+)\)s")

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with `$1`, `$2`, ... and the names of the values that go there.

    Numbered here, once: psycopg would read a long statement with named places anew each time.
    """

    sql: bytes
    names: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Statement:
        """From SQL whose values are written `%(name)s`."""
        names = tuple(dict.fromkeys(_PLACE.findall(text)))
        numbered = _PLACE.sub(lambda found: f"${names.index(found[1]) + 1}", text)
        return cls(numbered.encode(), names)


class Link(Protocol):
    """One connection, one query at a time, autocommit."""

    @property
    def backend_pid(self) -> int:
        """The server's process, by the word of the handshake."""

    async def fetch(
        self, statement: Statement, values: Mapping[str, object], *, prepare: bool
    ) -> list[Row]:
        """The rows of a statement, read in binary; JSON comes as what it stands for."""

    async def execute(self, sql: bytes, values: Sequence[object] = ()) -> Row | None:
        """The first row of what is run once and never prepared; None where there is none."""

    def shut(self) -> None:
        """Cut the connection, whoever waits on it."""

    def finish(self) -> None:
        """Close it at once, where nobody waits on it."""

    async def close(self) -> None: ...


class Opens(Protocol):
    """How a connection is made; `where` is what stands for the URL's host."""

    async def __call__(self, url: str, where: Mapping[str, Any], name: str) -> Link: ...


async def open_link(url: str, where: Mapping[str, Any], name: str) -> Link:
    """A connection as the application `name`, over the machine's network."""
    connection = await psycopg.AsyncConnection.connect(
        url,
        **where,
        autocommit=True,
        prepare_threshold=0,
        client_encoding="utf8",
        application_name=name,
    )
    set_json_loads(orjson.loads, connection)
    return _PsycopgLink(connection)


class Told(Protocol):
    """One result, in text."""

    @property
    def status(self) -> int: ...

    @property
    def error_message(self) -> bytes: ...

    def get_value(self, row: int, column: int, /) -> bytes | None: ...


class Notice(Protocol):
    """One notification."""

    @property
    def be_pid(self) -> int:
        """The server's process that sent it."""

    @property
    def extra(self) -> bytes:
        """What it says."""


class Libpq(Protocol):
    """What of libpq itself is used where notifications are heard; see `psycopg.pq.PGconn`."""

    @property
    def socket(self) -> int: ...

    def send_query(self, command: bytes, /) -> None: ...

    def flush(self) -> int: ...

    def consume_input(self) -> None: ...

    def is_busy(self) -> int: ...

    def get_result(self) -> Told | None: ...

    def notifies(self) -> Notice | None: ...


class Listener(Protocol):
    """One connection that listens."""

    @property
    def libpq(self) -> Libpq: ...

    async def run(self, sql: bytes) -> Row | None:
        """The first row of what is run once; None where there is none."""

    async def close(self) -> None: ...


class Listens(Protocol):
    """How a connection that listens is made."""

    async def __call__(self, url: str, name: str) -> Listener: ...


async def open_listener(url: str, name: str) -> Listener:
    """A connection as the application `name`, over the machine's network, in five seconds."""
    return _PsycopgListener(
        await psycopg.AsyncConnection.connect(
            url, autocommit=True, application_name=name, connect_timeout=5
        )
    )


class _PsycopgListener:
    """See `Listener`."""

    def __init__(self, connection: psycopg.AsyncConnection[Row]) -> None:
        self._connection = connection

    @property
    def libpq(self) -> Libpq:
        return self._connection.pgconn

    async def run(self, sql: bytes) -> Row | None:
        cursor = await self._connection.execute(sql)
        return await cursor.fetchone() if cursor.description else None

    async def close(self) -> None:
        await self._connection.close()


class _PsycopgLink:
    """See `Link`. What every cycle asks, which is whatever is prepared, goes past psycopg's cursors
    to libpq: they take three times as long. A session whose statements others may see is read
    through them."""

    def __init__(self, connection: psycopg.AsyncConnection[Row]) -> None:
        self._connection = connection
        self._names: dict[bytes, bytes] = {}
        """What is prepared in this session, by its text."""
        self._asked: Asked | None = None
        """The question under way."""

    @property
    def backend_pid(self) -> int:
        return self._connection.info.backend_pid

    async def fetch(
        self, statement: Statement, values: Mapping[str, object], *, prepare: bool
    ) -> list[Row]:
        places = [values[name] for name in statement.names]
        if not prepare:
            return await self._through_cursor(statement, places)
        libpq, name = self._connection.pgconn, self._names.get(statement.sql)
        if name is None:
            name, types = b"mm%d" % len(self._names), [type_of(each) for each in places]
            await self._told(lambda: libpq.send_prepare(name, statement.sql, types))
            self._names[statement.sql] = name
        texts = [text_of(each) for each in places]
        return rows_of(await self._told(lambda: libpq.send_query_prepared(name, texts)))

    async def _through_cursor(self, statement: Statement, places: list[object]) -> list[Row]:
        async with psycopg.AsyncRawCursor(self._connection) as cursor:
            await cursor.execute(statement.sql, places, prepare=False, binary=True)
            return await cursor.fetchall()

    async def _told(self, send: Callable[[], None]) -> PGresult:
        """The result of what `send` sends; one at a time."""
        self._asked = Asked(self._connection.pgconn, send)
        try:
            return await self._asked.result
        finally:
            self._asked.close()
            self._asked = None

    async def execute(self, sql: bytes, values: Sequence[object] = ()) -> Row | None:
        cursor = await self._connection.execute(sql, values or None, prepare=False)
        return await cursor.fetchone() if cursor.description else None

    def shut(self) -> None:
        """libpq then reads the end."""
        if self._connection.closed:
            return
        duplicate = socket.socket(fileno=os.dup(self._connection.fileno()))
        try:
            duplicate.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is gone already
        finally:
            duplicate.close()

    def finish(self) -> None:
        self._give_up()
        self._connection.pgconn.finish()

    async def close(self) -> None:
        self._give_up()
        await self._connection.close()

    def _give_up(self) -> None:
        """The question under way, before its socket's number is another's."""
        if self._asked is not None:
            self._asked.fail(psycopg.OperationalError("the connection is closed"))
            self._asked.close()
