"""A TCP proxy with a fixed delay a round trip: distance, for benchmarks and scenarios.

Half of the delay lies on each way. Bytes keep their order and their throughput: what was sent
while earlier bytes travel travels with them, so a burst is late once and not once a chunk.
"""

from __future__ import annotations

import asyncio
from typing import Final

from integration_harness.loopback import LoopbackServer

_CHUNK_BYTES: Final = 65_536
_MOST_CHUNKS_UNDER_WAY: Final = 1_000


class DelayProxy(LoopbackServer):
    """In front of one host and port; `round_trip_ms` may be changed while it runs."""

    def __init__(self, host: str, port: int, *, round_trip_ms: float) -> None:
        super().__init__()
        self.round_trip_ms = round_trip_ms
        self._upstream = (host, port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._upstream)
        try:
            ways = [
                asyncio.create_task(self._way(reader, there_writer)),
                asyncio.create_task(self._way(there_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            there_writer.close()

    async def _way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, until its sender has nothing more to send and all of it arrived."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MOST_CHUNKS_UNDER_WAY)
        delivery = asyncio.create_task(_deliver(under_way, writer))
        try:
            while True:
                data = await reader.read(_CHUNK_BYTES)
                due = asyncio.get_running_loop().time() + self.round_trip_ms / 2_000
                await under_way.put((due, data))
                if not data:
                    break
            await delivery
        finally:
            delivery.cancel()


async def _deliver(
    under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due, data = await under_way.get()
        if (wait := due - loop.time()) > 0:
            await asyncio.sleep(wait)
        if not data:
            return
        writer.write(data)
        await writer.drain()
