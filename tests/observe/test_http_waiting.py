"""Pages whose answers take a while: their order, their bounds, and how connections end."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from mm_bot.observe.http_server import PIPELINE_LIMIT
from tests.observe.http_helpers import REPORTED, exchange, get, serve


def test_answers_that_take_a_while_keep_their_order() -> None:
    """What was asked later waits for the answer before it, and another connection does not."""

    async def scenario(port: int) -> None:
        asked = b"".join(
            f"GET /{page} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            for page in ("slow?1500", "echo?second", "slow?1")
        )
        last = b"GET /echo?last HTTP/1.1\r\nConnection: close\r\n\r\n"
        pending = asyncio.create_task(exchange(port, asked + last))
        await asyncio.sleep(0.05)
        assert (await get(port, "/echo?elsewhere"))[2] == b"elsewhere"
        assert not pending.done()
        answers = (await pending).split(b"HTTP/1.1 200 OK")[1:]
        bodies = [answer.partition(b"\r\n\r\n")[2] for answer in answers]
        assert bodies == [b"1500", b"second", b"1", b"last"]

    serve(scenario)


def test_an_answer_that_fails_later_is_500_and_reported() -> None:
    """As one that fails at once."""

    async def scenario(port: int) -> None:
        REPORTED.clear()
        assert (await get(port, "/slow"))[0] == 500
        assert [path for path, _ in REPORTED] == ["/slow"]

    serve(scenario)


def test_too_many_unanswered_requests_are_cut() -> None:
    """Requests that come faster than their answers are not piled up without end."""

    async def scenario(port: int) -> None:
        flood = b"GET /slow?20 HTTP/1.1\r\nHost: x\r\n\r\n" * 500
        answers = await exchange(port, flood)
        assert 1 <= answers.count(b"HTTP/1.1 200 OK") <= PIPELINE_LIMIT

    serve(scenario)


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


@pytest.mark.parametrize("page", [b"slow?50", b"echo?50"])
@pytest.mark.parametrize(
    ("headers", "after", "statuses"),
    [
        (b"", b"\x00garbage\r\n\r\n", [b"200", b"400"]),
        (UPGRADE, b"", [b"200"]),
        (b"Connection: close\r\n", b"GET /echo HTTP/1.1\r\n\r\n", [b"200"]),
    ],
    ids=["garbage", "upgrade", "close"],
)
def test_what_was_asked_is_answered_before_the_end(
    page: bytes, headers: bytes, after: bytes, statuses: list[bytes]
) -> None:
    """Whatever ends a connection: the answers before it come first, at once or later."""

    async def scenario(port: int) -> None:
        asked = b"GET /%s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (page, headers)
        answers = (await exchange(port, asked + after)).split(b"HTTP/1.1 ")[1:]
        assert [answer[:3] for answer in answers] == statuses

    serve(scenario)


def test_a_client_that_only_listens_any_more_is_answered() -> None:
    """It closed its side for writing after it asked."""

    async def scenario(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /slow?50 HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.write_eof()
        assert (await reader.read()).endswith(b"50")
        writer.close()

    serve(scenario)


def test_nobody_works_for_a_client_that_hung_up() -> None:
    """What its request would have been answered with is given up."""

    async def scenario(port: int) -> None:
        before = len(asyncio.all_tasks())
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /slow?9000 HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(0.005)
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.close()  # at once, by a reset
        await asyncio.sleep(0.05)
        assert len(asyncio.all_tasks()) == before

    serve(scenario)


def test_closing_lets_an_answer_end() -> None:
    """What is being answered is answered; the scenario's server closes under it."""
    answered: list[asyncio.Task[bytes]] = []

    async def scenario(port: int) -> None:
        asked = b"GET /slow?300 HTTP/1.1\r\nConnection: close\r\n\r\n"
        answered.append(asyncio.create_task(exchange(port, asked)))
        await asyncio.sleep(0.1)

    serve(scenario)
    assert answered[0].result().endswith(b"300")
