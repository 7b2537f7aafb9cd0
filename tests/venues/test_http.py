"""The lean transport: what it reuses, what it never does twice, and what each failure is called."""

from __future__ import annotations

import asyncio
import gzip

import httpx
import pytest

from mm_bot.io.http import LeanClient, open_client
from tests.venues.raw_server import OK, Server, fine, with_server


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


def test_what_every_cycle_asks_is_on_the_wire_as_httpx_says_it() -> None:
    """A prepared request and a post of JSON have the lines and the body of httpx's own, each time
    anew, and their answers say the same."""
    many = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nDate: now\r\nX-Two: a\r\n\r\n{}"

    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(many)

    async def use(client: LeanClient, server: Server) -> None:
        kind, query = {"content-type": "application/json"}, {"symbol": "a b"}
        prepared = client.prepared("GET", "/v1/book", params=query)
        for body in (b'{"a":1}', b"{}"):
            theirs = (
                await client.post("/v1/orders", content=body, headers=kind),
                await client.get("/v1/book", params=query),
            )
            ours = await client.post_json("/v1/orders", body), await client.ask(prepared)
            for lean, plain in zip(ours, theirs, strict=True):
                assert (lean.status_code, lean.content) == (plain.status_code, plain.content)
                assert lean.headers == plain.headers
                assert lean.request.url == plain.request.url
                assert (lean.field(b"date"), lean.field(b"x-three")) == ("now", None)

    asked = [each.split(b"\r\n") for each in with_server(answer, use).requests]
    assert len(asked) == 8
    for at in (0, 1, 4, 5):
        theirs, ours = asked[at], asked[at + 2]
        assert (sorted(theirs), theirs[0], theirs[-1]) == (sorted(ours), ours[0], ours[-1])


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
        await asyncio.sleep(2 if len(server.requests) == 1 else 0)
        writer.write(OK)

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/")
        assert (await client.get("/")).content == b"ok"

    assert with_server(slow, use, timeout_ms=1_000).connections == 2


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


def test_a_packed_body_is_refused_unread() -> None:
    """A few bytes may unpack to any size, so what was not asked for is not unpacked."""
    body = gzip.compress(b" " * (64 << 20))
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n"

    async def packed(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(head % len(body) + body)

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        with pytest.raises(httpx.RemoteProtocolError, match="encoded as b'gzip'"):
            await client.get("/")

    with_server(packed, use)


def test_an_answer_nobody_asked_for_ends_the_connection() -> None:
    """Bytes after the answer could be mistaken for the next one, so the connection goes."""

    more = asyncio.Event()

    async def twice(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await asyncio.sleep(0.02)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad")
        more.set()

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        for _ in range(2):
            assert (await client.get("/")).content == b"ok"
            await more.wait()
            more.clear()
            await asyncio.sleep(0.05)  # in which what came is read

    assert with_server(twice, use).connections == 2
