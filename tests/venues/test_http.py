"""The lean transport: what it reuses, what it never does twice, and what each failure is called."""

from __future__ import annotations

import asyncio
import gc
import gzip
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import pytest

from mm_bot.io.asked_to_wait import URGENT_AT_ONCE, retry_after_s
from mm_bot.io.errors import NOT_SENT, AskedToWaitError, answered, describe
from mm_bot.io.http import ANSWER_LIMIT_BYTES, LeanClient, open_client
from mm_bot.io.http_connection import AnswerTooLargeError
from mm_bot.io.pacing import PIECE_BYTES
from mm_bot.prices.sse import events

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
    use: Callable[[LeanClient, Server], Awaitable[None]],
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

    async def twice(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await asyncio.sleep(0.02)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad")

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        for _ in range(2):
            assert (await client.get("/")).content == b"ok"
            await asyncio.sleep(0.05)

    assert with_server(twice, use).connections == 2


ENDLESS: list[bytes] = [
    b"x: " + b"y" * 1000 + b"\r\n",  # headers
    b"HTTP/1.1 100 Continue\r\n\r\n",  # interim answers
]


@pytest.mark.parametrize("piece", ENDLESS)
def test_a_head_without_end_is_cut_off(piece: bytes) -> None:
    """Sixty megabytes are offered; far less is taken, and the connection goes."""
    offered = 0

    async def flood(server: Server, writer: asyncio.StreamWriter) -> None:
        nonlocal offered
        if not piece.startswith(b"HTTP"):
            writer.write(b"HTTP/1.1 200 OK\r\n")
        while offered < 60 * 2**20:
            writer.write(piece * 20)
            offered += 20 * len(piece)
            await writer.drain()

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        with pytest.raises(AnswerTooLargeError):
            await client.get("/")

    with_server(flood, use, timeout_ms=10_000)
    assert offered < 30 * 2**20  # what both kernels' buffers hold beside our limit


def test_trailers_without_end_are_cut_off() -> None:
    """Headers after a chunked body count as headers."""

    async def flood(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n")
        for _ in range(2000):
            writer.write(b"x: " + b"y" * 1000 + b"\r\n")
            await writer.drain()

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        with pytest.raises(AnswerTooLargeError):
            await client.get("/")

    with_server(flood, use, timeout_ms=10_000)


PIECES = {
    "large": (b"10000\r\n" + b" " * 0x10000 + b"\r\n", "a body of over"),
    "one byte each": (b"1\r\n \r\n" * 10_000, "pieces of a few bytes"),
    "all extension": (b"1;" + b"x" * 60_000 + b"\r\n \r\n", "mostly the sizes of its chunks"),
}


@pytest.mark.parametrize("kind", PIECES)
def test_a_body_beyond_its_limit_is_cut_off_and_freed(kind: str) -> None:
    """Chunk after chunk without an end, large or tiny: an error of its own, and nothing of it is
    held any more, though no collection of garbage ran."""
    piece, says = PIECES[kind]

    async def flood(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(piece)
            await writer.drain()

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        gc.collect()
        gc.disable()
        tracemalloc.start()
        try:
            for _ in range(2):
                with pytest.raises(AnswerTooLargeError, match=says):
                    await client.get("/")
            held_bytes, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            gc.enable()
        assert held_bytes < ANSWER_LIMIT_BYTES / 2

    with_server(flood, use, timeout_ms=20_000)


def test_a_stream_of_empty_lines_leaves_the_loop_to_others() -> None:
    """Server-sent events of which one kilobyte is a thousand lines: the event behind them arrives,
    and all else on the loop has a turn after every few kilobytes."""
    count = 60_000

    async def flood(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"\n" * count + b"data:x\n\n")

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with client.stream("GET", "/", extensions={"stream": True}) as response:
            beside = asyncio.create_task(others())
            assert await anext(events(response.aiter_raw())) == b"x"
            beside.cancel()
        assert turns > count // PIECE_BYTES

    with_server(flood, use, timeout_ms=20_000)


def test_a_streamed_body_waits_for_its_reader() -> None:
    """A server that writes faster than we read is held up: it cannot fill our memory."""
    written = 0

    async def flood(server: Server, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while written < 64 * 2**20:
            writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
            written += 0x10000
            await writer.drain()

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        async with client.stream("GET", "/", extensions={"stream": True}) as response:
            chunks = response.aiter_raw()
            await anext(chunks)
            before = -1
            while before < written:  # until the server can write no more
                before = written
                await asyncio.sleep(0.2)
            assert written < 64 * 2**20
            assert len(await anext(chunks)) > 0

    with_server(flood, use, timeout_ms=10_000)


def test_an_interim_answer_is_not_the_answer() -> None:
    """100 Continue comes first, then what was asked for."""

    async def interim(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        for _ in range(2):
            response = await client.get("/")
            assert (response.status_code, response.content) == (200, b"ok")

    assert with_server(interim, use).connections == 1


LIMITED = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 20\r\ncontent-length: 0\r\n\r\n"


def test_who_asks_to_be_left_alone_is_left_alone() -> None:
    """After a 429 with Retry-After nothing but cancels goes out, and of those a reserve."""

    async def limited(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(LIMITED)

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        assert (await client.get("/")).status_code == 429
        for _ in range(100):
            with pytest.raises(NOT_SENT) as caught:
                await client.post("/v1/orders", content=b"x")
            assert "429" in describe(caught.value)
        assert len(server.requests) == 1
        sent = 0
        for _ in range(2 * URGENT_AT_ONCE):
            try:
                await client.post("/cancel", content=b"x", extensions={"urgent": True})
                sent += 1
            except AskedToWaitError:
                pass
        assert URGENT_AT_ONCE <= sent < 2 * URGENT_AT_ONCE
        assert len(server.requests) == 1 + sent

    with_server(limited, use)


def test_a_429_without_retry_after_stops_nothing() -> None:
    """Nor does one that asks for no time at all."""

    async def limited(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(LIMITED.replace(b"20", b"0"))

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        for _ in range(3):
            assert (await client.get("/")).status_code == 429

    assert len(with_server(limited, use).requests) == 3


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("86400", 60),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2999 07:28:00 GMT", 60),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: int | None) -> None:
    """A minute at the most; a past date is no wait."""
    assert retry_after_s({"retry-after": text}) == seconds


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"\x15\x03\x01\x00\x02\x02\x16", "it speaks TLS there"),
        (b"SSH-2.0-OpenSSH\r\n", "it is no HTTP"),
    ],
)
def test_what_is_no_http_is_named(raw: bytes, words: str) -> None:
    """A port of TLS, and one of something else."""

    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            await client.get("/")
        assert words in describe(caught.value)

    with_server(answer, use)


@pytest.mark.parametrize(
    ("path", "raw", "words", "secret"),
    [
        (
            "/v1/markets",
            b"HTTP/1.1 308 P\r\nlocation: https://u:pw@api.test/v2/k3yk3yk3yk3yk3yk3yk3yk3y?t=pw\r\n"
            b"content-length: 0\r\n\r\n",
            "points to https://api.test/v2/…",
            "k3yk3y",
        ),
        ("/v1/v1/markets", b"HTTP/1.1 404 N\r\ncontent-length: 0\r\n\r\n", "take it off", "pw"),
        (
            "/v1/markets",
            b"HTTP/1.1 404 N\r\ncontent-length: 60\r\n\r\n"
            b"<html><b>No such app</b> https://u:pw@h.test/k3yk3y </html>  ",
            "No such app https://h.test",
            "pw",
        ),
    ],
)
def test_an_unwanted_answer_tells_its_cause(path: str, raw: bytes, words: str, secret: str) -> None:
    """Where a redirect leads, a base URL's doubled /v1, the service's own words, rid of keys."""

    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)

    async def use(client: httpx.AsyncClient, server: Server) -> None:
        said = answered(await client.get(path), None)
        assert words in said
        assert secret not in said

    with_server(answer, use)
