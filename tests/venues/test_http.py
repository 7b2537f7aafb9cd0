"""The lean transport: what it reuses, what it never does twice, and what each failure is called."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import pytest

from mm_bot.io.http import open_client

Answer = Callable[["Server", asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Server:
    """Counts connections and requests, and answers each as it is told."""

    answer: Answer
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                self.requests.append(head + await reader.readexactly(length))
                await self.answer(self, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def with_server(
    answer: Answer,
    use: Callable[[httpx.AsyncClient, Server], Awaitable[None]],
    timeout_ms: int = 1000,
) -> Server:
    """Run `use` against a server that answers so."""

    async def run() -> Server:
        server = Server(answer)
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        client = open_client(f"http://127.0.0.1:{port}", timeout_ms)
        try:
            await use(client, server)
        finally:
            await client.aclose()
            listener.close()
            await asyncio.sleep(0.01)
        return server

    return asyncio.run(run())


async def fine(server: Server, writer: asyncio.StreamWriter) -> None:
    writer.write(OK)


def test_connections_are_kept() -> None:
    """Requests one after the other share a connection, and each arrives whole."""

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        for _ in range(5):
            response = await client.post("/v1/orders", content=b"body")
            assert (response.status_code, response.content) == (200, b"ok")

    server = with_server(fine, use)
    assert (server.connections, len(server.requests)) == (1, 5)
    assert server.requests[0].startswith(b"POST /v1/orders HTTP/1.1\r\n")
    assert server.requests[0].endswith(b"\r\n\r\nbody")


def test_concurrent_requests_have_connections_of_their_own() -> None:
    """Requests at the same time neither wait for each other nor mix their answers."""

    async def echo(server: Server, writer: asyncio.StreamWriter) -> None:
        path = server.requests[-1].split(b" ")[1]
        await asyncio.sleep(0.02)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(path), path))

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        responses = await asyncio.gather(*(client.get(f"/{i}") for i in range(8)))
        assert [r.content for r in responses] == [b"/%d" % i for i in range(8)]

    assert with_server(echo, use).connections == 8


def test_a_connection_closed_while_idle_is_not_used() -> None:
    """The server hangs up after each answer; the next request quietly takes a new connection."""

    async def once(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        writer.close()

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        for _ in range(3):
            assert (await client.get("/")).content == b"ok"
            await asyncio.sleep(0.02)

    server = with_server(once, use)
    assert (server.connections, len(server.requests)) == (3, 3)


def test_a_post_that_dies_is_reported_and_never_repeated() -> None:
    """The connection is cut under the second POST, on a kept connection: one ReadError, no copy."""

    async def cut(server: Server, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 2:
            writer.close()
        else:
            writer.write(OK)

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        await client.post("/", content=b"1")
        with pytest.raises(httpx.ReadError):
            await client.post("/", content=b"2")
        assert (await client.post("/", content=b"3")).content == b"ok"

    server = with_server(cut, use)
    assert [request[-1:] for request in server.requests] == [b"1", b"2", b"3"]


def test_a_slow_answer_is_a_read_timeout() -> None:
    """No answer in time: ReadTimeout, and the connection, where it may still come, is dropped."""

    async def slow(server: Server, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.15 if len(server.requests) == 1 else 0)
        writer.write(OK)

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/")
        assert (await client.get("/")).content == b"ok"

    assert with_server(slow, use, timeout_ms=80).connections == 2


def test_nobody_listening_is_a_connect_error() -> None:
    """A refused connection is ConnectError: the proof that nothing was sent."""

    async def run() -> None:
        async with open_client("http://127.0.0.1:9", 500) as client:
            with pytest.raises(httpx.ConnectError):
                await client.post("/", content=b"x")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("raw", "content"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", b"old"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_every_framing_is_read(raw: bytes, content: bytes) -> None:
    """Chunked answers, answers that end with the connection, and empty ones are read whole."""

    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        if b"chunked" not in raw and b"204" not in raw:
            writer.close()

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        for _ in range(2):
            assert (await client.get("/")).content == content
            await asyncio.sleep(0.01)

    with_server(answer, use)


@pytest.mark.parametrize(
    "raw", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort"]
)
def test_broken_answers_are_transport_errors(raw: bytes) -> None:
    """What is no HTTP, or ends too early, is an error of httpx's own kind."""

    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        writer.close()

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        with pytest.raises(httpx.TransportError):
            await client.get("/")

    with_server(answer, use)


def test_an_answer_nobody_asked_for_ends_the_connection() -> None:
    """Bytes after the answer could be mistaken for the next one, so the connection goes."""

    async def twice(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await asyncio.sleep(0.02)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad")

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        for _ in range(2):
            assert (await client.get("/")).content == b"ok"
            await asyncio.sleep(0.05)

    assert with_server(twice, use).connections == 2
