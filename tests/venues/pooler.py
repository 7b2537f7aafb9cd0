"""A pooler in transaction mode, over a real Postgres: server sessions are lent for a transaction.

It does what such poolers do and nothing else: a client logs in and is given a process id of the
pooler's own; each of its transactions goes to a server session that is free just then, the one
used last first. What a client leaves behind in a session (a lock, a setting) the next one finds.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg

from integration_harness.loopback import LoopbackServer

_SYNC, _QUERY, _TERMINATE, _READY = b"S", b"Q", b"X", b"Z"
_IDLE: Final = b"I"
_ENCRYPTION_REQUESTS: Final = frozenset({80877103, 80877104})


class _Server:
    """One session with Postgres: a driver logs in, and then we speak on its socket."""

    def __init__(self, database_url: str) -> None:
        self._driver = psycopg.connect(database_url)
        self._socket = socket.socket(fileno=os.dup(self._driver.fileno()))
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(sock=self._socket)

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()
        self._driver.close()

    def greeting(self) -> bytes:
        """What a client is told once it is logged in, with a process id of the pooler's own."""
        told = [_packet(b"R", struct.pack("!i", 0))]
        for name in ("server_version", "client_encoding", "standard_conforming_strings"):
            value = self._driver.info.parameter_status(name) or ""
            told.append(_packet(b"S", f"{name}\0{value}\0".encode()))
        told.append(_packet(b"K", struct.pack("!ii", 7, 7)))
        told.append(_packet(_READY, _IDLE))
        return b"".join(told)


class Pooler(LoopbackServer):
    """`sessions` server sessions at most, for any number of clients of one user and database."""

    def __init__(self, database_url: str, *, sessions: int = 4) -> None:
        super().__init__()
        self._database_url = database_url
        self._parts = urlsplit(database_url)
        self._limit = sessions
        self._opened = 0
        self._free: list[_Server] = []
        self._returned = asyncio.Event()

    @property
    def url(self) -> str:
        login = self._parts.netloc.rpartition("@")[0]
        return urlunsplit(self._parts._replace(netloc=f"{login}@127.0.0.1:{self.port}"))

    def __enter__(self) -> Pooler:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def stopping(self) -> None:
        for server in self._free:
            await server.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _startup_packet(reader, writer)
        server = await self._lend()
        self._give_back(server)
        writer.write(server.greeting())
        while await self._transaction(reader, writer):
            pass

    async def _transaction(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """From a client's first message to the server's word that it is idle again."""
        kind, message = await _message(reader)
        if kind == _TERMINATE:
            return False
        server = await self._lend()
        try:
            while True:
                server.writer.write(message)
                if kind in (_SYNC, _QUERY) and await _answer(server, writer) == _IDLE:
                    break
                kind, message = await _message(reader)
        except BaseException:
            await server.close()
            self._opened -= 1
            self._returned.set()
            raise
        self._give_back(server)
        return True

    async def _lend(self) -> _Server:
        while not self._free and self._opened >= self._limit:
            self._returned.clear()
            await self._returned.wait()
        if self._free:
            return self._free.pop()
        self._opened += 1
        server = _Server(self._database_url)
        await server.open()
        return server

    def _give_back(self, server: _Server) -> None:
        self._free.append(server)
        self._returned.set()


def _packet(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!i", len(content) + 4) + content


async def _startup_packet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        head = await reader.readexactly(8)
        length, code = struct.unpack("!ii", head)
        if code not in _ENCRYPTION_REQUESTS:
            await reader.readexactly(length - 8)
            return
        writer.write(b"N")


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Its kind, and all of its bytes."""
    head = await reader.readexactly(5)
    (length,) = struct.unpack("!i", head[1:])
    return head[:1], head + await reader.readexactly(length - 4)


async def _answer(server: _Server, writer: asyncio.StreamWriter) -> bytes:
    """Pass an answer on; the state of the transaction after it."""
    while True:
        kind, message = await _message(server.reader)
        writer.write(message)
        if kind == _READY:
            return message[5:6]
