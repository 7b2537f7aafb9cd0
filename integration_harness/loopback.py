"""A small asyncio TCP server on a free loopback port, in a thread of its own.

What a scenario puts between the bot and the exchange is one of these: it is started and stopped
from synchronous code, and everything it does to a connection it does inside its own loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

_HOST: Final = "127.0.0.1"
_STOP_SECONDS: Final = 5.0


class LoopbackServer:
    """Base of the proxies: `serve` handles one connection, in the server's loop."""

    def __init__(self) -> None:
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        raise NotImplementedError

    async def stopping(self) -> None:
        """What else there is to let go of."""

    def start(self) -> None:
        """Listen; `port` is set afterwards."""
        self._thread.start()
        self.run(self._listen())

    def close(self) -> None:
        """Drop every connection and end the thread."""
        if not self._thread.is_alive():
            return
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_SECONDS)
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine run in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(2 * _STOP_SECONDS)

    async def drop_connections(self) -> None:
        """Cut every connection there is; new ones are taken as before."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accepted, _HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self.serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # either side went away, or we drop it: the connection is over
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        await self.drop_connections()
        await self.stopping()
