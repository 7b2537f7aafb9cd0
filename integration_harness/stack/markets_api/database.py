"""A few connections to Postgres, handed out one statement at a time.

asyncpg and not psycopg: every answer waits for this process, and a statement takes it a third to a
half less of its time. Not asyncpg's pool, which takes as much again as it gains. Statements name
their parameters as psycopg's do.

A connection that broke, under a request or while it lay idle, is replaced at its next use: an
outage of the database costs the requests that meet it and none after.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, Final

import asyncpg

Connection = asyncpg.Connection
Row = asyncpg.Record
# What a statement fails with: by what the server said, by what the library says of its connection,
# by the socket.
DATABASE_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
_PARAMETER: Final = re.compile(r"%\((\w+)\)s")


async def connect(database_url: str, name: str = "markets-api") -> Connection:
    """A connection of its own, whose name `pg_stat_activity` shows.

    Its statements are planned once. Else Postgres goes by what they cost in the past, and plans the
    listing of a full book anew in every read, which takes as long as to read it.

    Raises:
        DATABASE_ERRORS: where there is none to be had within five seconds.
    """
    settings = {"application_name": name, "plan_cache_mode": "force_generic_plan"}
    return await asyncpg.connect(database_url, timeout=5, server_settings=settings)


async def fetch(connection: Connection, statement: str, parameters: dict[str, Any]) -> list[Row]:
    """The rows of one statement, whose `%(name)s` are the parameters of these names."""
    text, names = _numbered(statement)
    return await connection.fetch(text, *[parameters[name] for name in names])


class Database:
    """At most `size` connections; who finds none free waits."""

    def __init__(self, database_url: str, size: int) -> None:
        self._url = database_url
        self._free: asyncio.LifoQueue[Connection | None] = asyncio.LifoQueue()
        for _ in range(size):
            self._free.put_nowait(None)

    async def fetch(self, statement: str, parameters: dict[str, Any]) -> list[Row]:
        """The rows of one statement."""
        async with self.connection() as connection:
            return await fetch(connection, statement, parameters)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for as long as the block lasts."""
        connection = await self._free.get()
        try:
            if connection is None or connection.is_closed():
                connection = await connect(self._url)
            yield connection
        except asyncpg.PostgresError:
            raise
        except BaseException:
            if connection is not None:
                connection.terminate()  # interrupted: a statement may still be under way
            raise
        finally:
            self._free.put_nowait(connection)

    async def close(self) -> None:
        """Close what is idle; nothing is handed out after."""
        while not self._free.empty():
            connection = self._free.get_nowait()
            if connection is not None:
                await connection.close()


def database_text(error: Exception) -> str:
    """A database error in the words the exchange hands out."""
    if isinstance(error, asyncpg.PostgresError) and error.message is not None:
        return f"ERROR: {error.message} (SQLSTATE {error.sqlstate})"
    return f"ERROR: {error}"  # the library's own words


@lru_cache(maxsize=100)
def _numbered(statement: str) -> tuple[str, tuple[str, ...]]:
    """The statement as Postgres takes it, and the name of each of its numbered parameters."""
    names = tuple(dict.fromkeys(_PARAMETER.findall(statement)))
    return _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", statement), names
