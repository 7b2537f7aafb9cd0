"""A question to Postgres and its answer as libpq has them: values in text, rows out.

Of the types that our statements answer with (text, whole numbers, truths, JSON) every value becomes
what psycopg makes of it; a column of any other type raises DataError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import orjson
import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

_BOOL, _BIGINT, _TEXT, _TEXTS, _INFERRED = 16, 20, 25, 1009, 0
_READ: Final[dict[int, Callable[[bytes], object]]] = {
    _BOOL: lambda text: text == b"t",
    **dict.fromkeys((_BIGINT, 21, 23, 26), int),  # smallint, integer, oid
    **dict.fromkeys((_TEXT, 19, 1043), bytes.decode),  # name, varchar
    **dict.fromkeys((114, 3802), orjson.loads),  # json, jsonb
    2278: lambda text: "",  # void
}
"""By the type's number in Postgres."""


class Asked:
    """One question under way on a connection that nobody else reads."""

    def __init__(self, libpq: PGconn, send: Callable[[], None]) -> None:
        """Raises psycopg.Error where it cannot be sent."""
        self._libpq = libpq
        self._loop = asyncio.get_running_loop()
        self._socket = libpq.socket
        self.result: asyncio.Future[PGresult] = self._loop.create_future()
        """Fails with psycopg.Error as the server, or the loss of it, says."""
        self._last: PGresult | None = None
        send()
        self._loop.add_reader(self._socket, self._readable)
        self._open, self._writes = True, False
        self._written()

    def fail(self, error: psycopg.Error) -> None:
        if not self.result.done():
            self.result.set_exception(error)

    def close(self) -> None:
        """Look at the socket no more."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._socket)
            if self._writes:
                self._loop.remove_writer(self._socket)

    def _written(self) -> None:
        """As much as the socket takes; the rest when it takes more."""
        try:
            left = self._libpq.flush()
        except psycopg.Error as error:
            self.fail(error)
            return
        if left and not self._writes:
            self._writes = True
            self._loop.add_writer(self._socket, self._written)
        elif not left and self._writes:
            self._writes = False
            self._loop.remove_writer(self._socket)

    def _readable(self) -> None:
        if self.result.done():
            return
        try:
            self._libpq.consume_input()
            if self._writes:
                self._written()
            while not self._libpq.is_busy():
                told = self._libpq.get_result()
                if told is None:
                    self._end()
                    return
                self._last = told
        except psycopg.Error as error:
            self.fail(error)

    def _end(self) -> None:
        if self._last is None:
            self.fail(psycopg.OperationalError("the server gave no result"))
        elif self._last.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            self.result.set_result(self._last)
        else:
            self.fail(error_from_result(self._last))


def type_of(value: object) -> int:
    """The number of the type as which a value goes; 0 leaves it to the server."""
    if isinstance(value, bool):
        return _BOOL
    if isinstance(value, int):
        return _BIGINT
    if isinstance(value, list):
        return _TEXTS
    return _TEXT if isinstance(value, str) else _INFERRED


def text_of(value: object) -> bytes | None:
    """A value as Postgres reads it. Raises DataError for what no text of its can hold."""
    if value is None:
        return None
    if isinstance(value, bool):
        return b"t" if value else b"f"
    text = _array(value) if isinstance(value, list) else str(value)
    if "\0" in text:
        raise psycopg.DataError("a text of Postgres cannot hold a NUL")
    return text.encode()


def _array(texts: list[str]) -> str:
    quoted = (text.replace("\\", r"\\").replace('"', r"\"") for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"


def rows_of(result: PGresult) -> list[tuple[Any, ...]]:
    """Its rows; raises DataError where a column is of a type that is not read here."""
    readers = []
    for column in range(result.nfields):
        reader = _READ.get(result.ftype(column))
        if reader is None:
            raise psycopg.DataError(f"a column of type {result.ftype(column)} is not read here")
        readers.append(reader)
    return [
        tuple(
            None if (text := result.get_value(row, column)) is None else reader(text)
            for column, reader in enumerate(readers)
        )
        for row in range(result.ntuples)
    ]
