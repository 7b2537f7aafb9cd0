"""The lean transport: what has no end, what asks to be left alone, and what is no answer."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import httpx
import pytest

from mm_bot.io.asked_to_wait import URGENT_AT_ONCE, retry_after_s
from mm_bot.io.errors import NOT_SENT, AskedToWaitError, answered, describe
from mm_bot.io.http import ANSWER_LIMIT_BYTES
from mm_bot.io.http_connection import AnswerTooLargeError
from mm_bot.io.pacing import PIECE_BYTES
from mm_bot.prices.sse import events
from tests.venues.raw_server import OK, Server, with_server

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
