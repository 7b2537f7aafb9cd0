"""A few autocommit connections to Postgres, handed out one statement at a time.

A connection that broke, under a request or while it lay idle, is replaced at its next use: an
outage of the database costs the requests that meet it and none after.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.rows import TupleRow, tuple_row

Connection = psycopg.AsyncConnection[TupleRow]


async def connect(database_url: str) -> Connection:
    """An autocommit connection that prints times in UTC."""
    return await psycopg.AsyncConnection.connect(
        database_url,
        autocommit=True,
        row_factory=tuple_row,
        options="-c timezone=UTC",
        connect_timeout=5,
        prepare_threshold=1,
    )


class Database:
    """At most `size` connections; who finds none free waits."""

    def __init__(self, database_url: str, size: int) -> None:
        self._url = database_url
        self._free: asyncio.LifoQueue[Connection | None] = asyncio.LifoQueue()
        for _ in range(size):
            self._free.put_nowait(None)

    async def fetch(self, statement: str, parameters: dict[str, Any]) -> list[TupleRow]:
        """The rows of one statement."""
        async with self.connection() as connection:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchall()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for as long as the block lasts."""
        connection = await self._free.get()
        try:
            if connection is None or not _is_alive(connection):
                if connection is not None:
                    await connection.close()
                connection = await connect(self._url)
            yield connection
        finally:
            self._free.put_nowait(connection)

    async def close(self) -> None:
        """Close what is idle; nothing is handed out after."""
        while not self._free.empty():
            connection = self._free.get_nowait()
            if connection is not None:
                await connection.close()


def _is_alive(connection: Connection) -> bool:
    """Whether an idle connection still has its server, which has nothing to say but goodbye."""
    if connection.closed:
        return False
    return not select.select((connection.pgconn.socket,), (), (), 0)[0]
