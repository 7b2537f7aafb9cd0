"""A switch in the bot's line to Postgres: the real database, an old copy of it, or nothing.

A frozen database still logs in, locks and answers; it answers as it was. That is what a replica
that stopped replaying looks like. The switch makes one of a copy under another name on the same
server, by changing the name in the first packet of each new connection.
"""

from __future__ import annotations

import asyncio
import struct
from enum import Enum
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from integration_harness.loopback import LoopbackServer

_ENCRYPTION_REQUESTS: Final = frozenset({80877103, 80877104})
_PROTOCOL_3: Final = 3
_CHUNK_BYTES: Final = 65_536


class Line(Enum):
    """Where the switch points."""

    LIVE = "live"
    COPY = "copy"
    CUT = "cut"


class DatabaseProxy(LoopbackServer):
    """In front of the Postgres of one connection URL."""

    def __init__(self, database_url: str, copy_name: str) -> None:
        super().__init__()
        self._parts = urlsplit(database_url)
        self._copy_name = copy_name
        self._line = Line.LIVE

    @property
    def url(self) -> str:
        """The connection URL for the bot."""
        parts = self._parts
        login = parts.netloc.rpartition("@")[0]
        place = f"{login}@127.0.0.1:{self.port}" if login else f"127.0.0.1:{self.port}"
        return urlunsplit(parts._replace(netloc=place))

    def turn(self, line: Line) -> None:
        """Point elsewhere; what is connected is cut, and comes back to the new place."""
        self._line = line
        self.run(self.drop_connections())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._line is Line.CUT:
            return
        first = await self._first_packet(reader, writer)
        assert self._parts.hostname is not None
        server_reader, server_writer = await asyncio.open_connection(
            self._parts.hostname, self._parts.port or 5432
        )
        try:
            server_writer.write(first)
            there = asyncio.ensure_future(_pump(reader, server_writer))
            back = asyncio.ensure_future(_pump(server_reader, writer))
            try:
                await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                there.cancel()
                back.cancel()
                await asyncio.gather(there, back, return_exceptions=True)
        finally:
            server_writer.close()

    async def _first_packet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        """The packet that names user and database, after encryption was declined."""
        while True:
            head = await reader.readexactly(8)
            length, code = struct.unpack("!ii", head)
            if code not in _ENCRYPTION_REQUESTS:
                break
            writer.write(b"N")
        body = await reader.readexactly(length - 8)
        if code >> 16 != _PROTOCOL_3 or self._line is not Line.COPY:
            return head + body
        names = body.rstrip(b"\0").split(b"\0")
        pairs = dict(zip(names[::2], names[1::2], strict=True))
        pairs[b"database"] = self._copy_name.encode()
        body = b"".join(name + b"\0" + value + b"\0" for name, value in pairs.items()) + b"\0"
        return struct.pack("!ii", len(body) + 8, code) + body


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
