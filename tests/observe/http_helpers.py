"""A server with every kind of page, and a client that shows every byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from mm_bot.observe.http_response import Response
from mm_bot.observe.http_server import HttpServer
from mm_bot.observe.pages import Pages
from mm_bot.observe.redact import Redactor

REASONS: list[str] = []
REPORTED: list[tuple[str, str]] = []
Scenario = Callable[[int], Awaitable[None]]


def broken() -> dict[str, object]:
    raise ZeroDivisionError("the status is broken")


async def slow(query: str) -> Response:
    """Answers with its query after so many milliseconds; without any it fails."""
    await asyncio.sleep(int(query) / 1000)
    return Response(body=query.encode(), content_type="text/plain")


def serve(
    scenario: Scenario,
    *,
    timeout_s: float = 5.0,
    redact: Redactor | None = None,
    rate: float | None = None,
) -> None:
    """Runs `scenario` with the port of a server with all pages, a broken and a huge one."""

    async def run() -> None:
        pages = Pages(
            ready=lambda: REASONS,
            status=lambda: {"mode": "normal", "url": "https://node/v2/topsecretkey"},
            metrics=lambda: b"# HELP up Up.\nup 1.0\n",
            page=lambda: b"<!doctype html>",
            redact=redact or Redactor(),
        )
        broken_page = Pages(ready=list, status=broken, metrics=lambda: b"").routes()
        routes = pages.routes() | {
            "/broken": broken_page["/status"],
            "/huge": lambda query: Response(body=b"x" * 3_000_000, content_type="text/plain"),
            "/slow": slow,
            "/echo": lambda query: Response(body=query.encode(), content_type="text/plain"),
        }
        server = HttpServer(
            routes,
            report=lambda path, error: REPORTED.append((path, str(error))),
            request_timeout_s=timeout_s,
            rate=rate,
        )
        port = await server.start("127.0.0.1", 0)
        try:
            await scenario(port)
        finally:
            await server.close()
        await asyncio.sleep(0.01)
        assert not server.connections

    asyncio.run(asyncio.wait_for(run(), 30))


async def exchange(port: int, request: bytes) -> bytes:
    """Everything that the server answers until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def get(port: int, target: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    raw = await exchange(
        port, f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in rest)
    return int(first.split()[1]), headers, body
