"""The socket against the fake: gaps mended, sessions renewed, refusals told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest

from integration_harness.venues.ethereal import EtherealServer
from mm_bot.venues.ethereal.stream import Stream

OWNER = "0x" + "11" * 20


@pytest.fixture
def server() -> Iterator[EtherealServer]:
    running = EtherealServer()
    running.add_trader(OWNER, 7, OWNER)
    running.start()
    yield running
    running.close()


def stream_of(server: EtherealServer, session_s: float = 3600) -> Stream:
    return Stream(
        server.socket_url,
        server.symbol,
        server.traders[7].uuid,
        lambda: None,
        timeout_s=5,
        session_s=session_s,
    )


async def until(holds: Callable[[], bool], *, every_s: float = 0.02) -> None:
    give_up_at = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < give_up_at
        await asyncio.sleep(every_s)


def test_a_gap_in_the_book_is_mended_by_a_new_snapshot(server: EtherealServer) -> None:
    """A change that never came is seen at the next one, and the book is whole again."""

    async def whole() -> None:
        stream = stream_of(server)
        stream.start()
        try:
            await until(stream.up.is_set)
            server.faults.skipped_books = 1
            await asyncio.to_thread(server.rest, "buy", "2000", "1")
            await until(lambda: server.faults.skipped_books == 0)
            await asyncio.to_thread(server.rest, "buy", "2001", "1")
            await until(lambda: stream.gaps == 1)
            await until(lambda: stream.book is not None and len(stream.book.bids) == 2)
            assert stream.sessions == 1
        finally:
            await stream.aclose()

    asyncio.run(whole())


def test_a_session_is_renewed_before_it_ends(server: EtherealServer) -> None:
    """The next socket is up before the last one is closed: the book is never away."""

    async def whole() -> None:
        stream = stream_of(server, session_s=0.2)
        stream.start()
        try:
            await until(stream.up.is_set)
            falls = 0
            while stream.sessions < 4:
                await asyncio.sleep(0.005)
                falls += stream.book is None or stream.down.is_set()
            assert falls == 0
        finally:
            await stream.aclose()
        await until(lambda: server.connections == 0)

    asyncio.run(whole())


@pytest.mark.parametrize("turns", range(4))
def test_closed_while_a_session_is_renewed_leaves_no_socket(
    server: EtherealServer, turns: int
) -> None:
    """Whatever the last session was at when the bot stopped, `turns` of the loop after the new one
    is up."""

    async def whole() -> None:
        stream = stream_of(server, session_s=0.05)
        stream.start()
        await until(lambda: stream.sessions == 2, every_s=0)
        for _ in range(turns):
            await asyncio.sleep(0)
        await stream.aclose()
        await until(lambda: server.connections == 0)

    asyncio.run(whole())


def test_a_refused_subscription_is_told_and_tried_again(server: EtherealServer) -> None:
    """An acknowledgement that says no is the problem that is shown; once taken, it is up."""

    async def whole() -> None:
        server.faults.refused_channel = "TradeFill"
        stream = stream_of(server)
        stream.start()
        try:
            await until(lambda: "SUBSCRIPTION_LIMIT_EXCEEDED" in stream.problem)
            assert not stream.up.is_set()
            server.faults.refused_channel = ""
            await until(stream.up.is_set)
            server.drop_sockets()
            await until(lambda: stream.sessions == 2)
        finally:
            await stream.aclose()

    asyncio.run(whole())
