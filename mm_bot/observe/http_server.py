"""A small HTTP/1.1 server for health, metrics, status and prices: read-only, bounded, never in the
way.

Handlers are given the raw query string. One that answers at once from memory is a plain function;
one that has to wait is a coroutine function, and its answers keep their order on each connection.
A handler that raises answers 500 and is reported; nothing that a client sends can stop the process
or hold more than a bounded amount of it:

1. GET and HEAD only (405 otherwise), known paths only (404), no more than 16 KiB a request (431,
   413), nothing but HTTP (400).
2. A connection must complete a request every 15 s, may have a few unanswered, and must read its
   answers; else it is cut.
3. Connections are limited in number, and a client in its own. A new one is always let in: the one
   that asked for nothing the longest makes room, so that a probe is answered whatever others hold.
4. Where `rate` is given each page is answered so often a second and no more: who asks more often
   waits, each page for itself, and the process has the rest of its time for its work.

Kept by hand, on httptools' parser, for (2) and (3). Measured with 30 lines of starlette on uvicorn:
64 clients that send a header's first half and then a byte every 2 s are all still held after 30 s;
with `limit_concurrency=64` a probe is refused 20 times of 20 meanwhile (503), and with 400 of them
and 256 descriptors it is never answered. Here it was answered 20 times of 20 both times and the
slow ones were cut. Importing them takes 55 ms of a start and 3.7 MB besides (processor time, best
of 6, all else of the bot imported before); later is too late, since a start that waits is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from mm_bot.errors import SettingsError
from mm_bot.observe.http_connection import Connection
from mm_bot.observe.http_limits import Turns
from mm_bot.observe.http_response import Handler, Response, json_response

REQUEST_TIMEOUT_S = 15.0
CONNECTION_LIMIT = 64
PIPELINE_LIMIT = 8
CLOSE_WITHIN_S = 2.0


class HttpServer:
    """Serves `routes` (path to handler) from `start` until `close`."""

    def __init__(
        self,
        routes: Mapping[str, Handler],
        *,
        report: Callable[[str, Exception], None] | None = None,
        answered: Callable[[int], None] | None = None,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
        connection_limit: int = CONNECTION_LIMIT,
        pipeline_limit: int = PIPELINE_LIMIT,
        rate: float | None = None,
    ) -> None:
        """`report` is told the path and the error of a handler that raised, `answered` the status
        of every answer to a request. A connection may have `pipeline_limit` requests unanswered.
        `rate` is answers a second and page, None is without bounds."""
        self.routes = dict(routes)
        self.report = report or (lambda path, error: None)
        self.answered = answered or (lambda status: None)
        self.request_timeout_s = request_timeout_s
        self.connection_limit = connection_limit
        self.pipeline_limit = pipeline_limit
        self.connections: set[Connection] = set()
        self.turns = Turns(rate)
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int, *, setting: str = "MM_METRICS_ADDR") -> int:
        """Listens, on every interface where `host` is empty; the port, also where 0 was given.

        Raises:
            SettingsError: naming the address where it is taken or not ours to listen on.
        """
        loop = asyncio.get_running_loop()
        try:
            if not 0 <= port <= 65535:  # not every loop refuses it
                raise OverflowError("a port is between 0 and 65535")
            self._server = await loop.create_server(
                lambda: Connection(self), host or None, port, backlog=self.connection_limit
            )
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise SettingsError(
                [
                    f"{setting}={host}:{port}: cannot listen there: {reason}; stop what uses that "
                    f"address, or set {setting} to another host:port"
                ]
            ) from error
        return cast(int, self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stops listening, lets what is being answered end, and cuts what is open."""
        if self._server is None:
            return
        self._server.close()
        answering = [c.answering for c in self.connections if c.answering is not None]
        if answering:
            await asyncio.wait(answering, timeout=CLOSE_WITHIN_S)
        for connection in tuple(self.connections):
            connection.cut()
        await asyncio.gather(*(task for task in answering if task.cancel()), return_exceptions=True)
        await self._server.wait_closed()

    def answer(self, method: str, target: str) -> Response | Awaitable[Response]:
        """The answer to one request, or what it will come from; neither ever raises."""
        path, _, query = target.partition("?")
        delay_s = self.turns.delay_s(path if path in self.routes else "")
        if delay_s > 0:
            return self._awaited(path, self._delayed(delay_s, method, path, query))
        answer = self._answer(method, path, query)
        if not isinstance(answer, Response):
            return self._awaited(path, answer)
        self.answered(answer.status)
        return answer

    def _answer(self, method: str, path: str, query: str) -> Response | Awaitable[Response]:
        handler = self.routes.get(path)
        if handler is None:
            known = sorted(self.routes)
            return json_response({"error": f"no such page; there are {', '.join(known)}"}, 404)
        if method not in ("GET", "HEAD"):
            return json_response({"error": f"{method} is not allowed; this is read-only"}, 405)
        try:
            return handler(query)
        except Exception as error:
            return self._failed(path, error)

    async def _delayed(self, delay_s: float, method: str, path: str, query: str) -> Response:
        await asyncio.sleep(delay_s)
        answer = self._answer(method, path, query)
        return answer if isinstance(answer, Response) else await answer

    async def _awaited(self, path: str, answer: Awaitable[Response]) -> Response:
        try:
            response = await answer
        except Exception as error:
            response = self._failed(path, error)
        self.answered(response.status)
        return response

    def _failed(self, path: str, error: Exception) -> Response:
        """A fault of a page must not become one of the process."""
        self.report(path, error)
        return json_response({"error": "this page failed; the log says why"}, 500)
