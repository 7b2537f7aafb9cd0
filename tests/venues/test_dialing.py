"""Names and addresses: a slow or dead one holds up nothing else."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus

from mm_bot.io.dial import alternating, dial
from mm_bot.io.errors import describe
from mm_bot.io.http import open_client
from mm_bot.io.pacing import PIECE_BYTES
from mm_bot.io.postgres_address import addresses
from mm_bot.io.resolver import Address, Resolver
from mm_bot.io.websocket import connecting
from tests.venues.raw_server import Server, fine

V4, V6 = socket.AF_INET, socket.AF_INET6
LOOPBACK: Address = (V4, "127.0.0.1")
DEAD: Address = (V6, "::1")
"""Nothing listens there."""


class SlowNames:
    """A resolver's look-up that answers when it is told to; counts what is under way."""

    def __init__(self, *answers: Address) -> None:
        self.answers = answers
        self.release = threading.Event()
        self.asked = 0

    def __call__(self, host: str) -> tuple[Address, ...]:
        self.asked += 1
        self.release.wait(30)
        return self.answers


def test_one_look_up_a_name_is_under_way_whoever_asks() -> None:
    """Ten who ask at once share one look-up, and one who gives up does not end it."""
    names = SlowNames(LOOPBACK)

    async def run() -> list[tuple[Address, ...]]:
        resolver = Resolver(names)
        waiting = [asyncio.create_task(resolver.addresses("slow.test")) for _ in range(10)]
        await asyncio.sleep(0)
        waiting.pop().cancel()
        names.release.set()
        return await asyncio.gather(*waiting)

    assert asyncio.run(run()) == [(LOOPBACK,)] * 9
    assert names.asked == 1


def test_the_last_good_address_serves_while_a_look_up_hangs() -> None:
    """Once a name was known its service is reached although nobody answers for the name."""
    names = SlowNames(LOOPBACK)
    names.release.set()

    async def run() -> tuple[Address, ...]:
        resolver = Resolver(names)
        await resolver.addresses("known.test")
        names.release.clear()
        return await resolver.addresses("known.test")

    try:
        assert asyncio.run(run()) == (LOOPBACK,)
    finally:
        names.release.set()
    assert names.asked == 2


HANGING = """
import asyncio, time
from mm_bot.io.http import open_client
from mm_bot.io.pacing import PIECE_BYTES
from mm_bot.io.resolver import Resolver
import httpx

def never(host):
    time.sleep(3600)

async def run():
    async with open_client("http://never.test", 50, resolver=Resolver(never)) as client:
        for _ in range(40):
            try:
                await client.get("/")
            except httpx.ConnectTimeout:
                pass
        print(await asyncio.to_thread(lambda: "threads of the loop are free"))

asyncio.run(run())
"""


def test_a_look_up_that_never_ends_delays_neither_others_nor_the_exit() -> None:
    """Forty requests on a name that never resolves: each is bounded, the loop's own threads stay
    free, and the process ends by itself."""
    ended = subprocess.run(
        [sys.executable, "-c", HANGING], capture_output=True, text=True, check=False, timeout=30
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "threads of the loop are free")


def test_a_name_with_a_dead_address_is_reached_by_its_good_one() -> None:
    """The first address refuses or never answers; the second serves the request."""

    async def run() -> bytes:
        server = Server(fine)
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        names = SlowNames(DEAD, LOOPBACK)
        names.release.set()
        async with open_client(f"http://two.test:{port}", 2000, resolver=Resolver(names)) as client:
            body = (await client.get("/")).content
        listener.close()
        return body

    assert asyncio.run(run()) == b"ok"


def test_an_address_that_swallows_connections_is_overtaken() -> None:
    """A full backlog answers nothing at all; the next address is tried beside it and wins."""

    async def run() -> str:
        hole = socket.create_server(("127.0.0.2", 0), backlog=0)
        port = hole.getsockname()[1]
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.2", port))
            fillers.append(filler)
        listener = await asyncio.start_server(Server(fine).serve, "127.0.0.1", port)
        names = SlowNames((V4, "127.0.0.2"), LOOPBACK)
        names.release.set()
        connected = await dial("two.test", port, Resolver(names))
        reached = str(connected.getpeername()[0])
        for each in (connected, hole, *fillers):
            each.close()
        listener.close()
        return reached

    assert asyncio.run(run()) == "127.0.0.1"


def test_families_are_tried_in_turn() -> None:
    """Three dead addresses of one family do not stand before the first of the other."""
    six: list[Address] = [(V6, f"::{i}") for i in range(3)]
    four: list[Address] = [(V4, "10.0.0.1"), (V4, "10.0.0.2")]
    assert alternating(six + four) == [six[0], four[0], six[1], four[1], six[2]]


def test_a_name_that_is_none_says_so() -> None:
    """The reason is the name's, not the library's class."""

    def unknown(host: str) -> tuple[Address, ...]:
        raise socket.gaierror(socket.EAI_NONAME, "secret")

    async def run() -> None:
        async with open_client("http://no.test", 500, resolver=Resolver(unknown)) as client:
            await client.get("/")

    with pytest.raises(httpx.ConnectError) as caught:
        asyncio.run(run())
    assert "no such host" in describe(caught.value)
    assert "secret" not in describe(caught.value)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgresql://u:p@db.test:6432/x", ("db.test", "127.0.0.1", "6432")),
        ("host=a,b port=1,2 dbname=x", ("a,b", "127.0.0.1,127.0.0.1", "1,2")),
        ("host=/run/postgresql dbname=x", None),
        ("postgresql://u:p@db.test/x?hostaddr=10.0.0.1", None),
    ],
)
def test_postgres_gets_the_addresses_of_its_names(
    url: str, found: tuple[str, str, str] | None
) -> None:
    """Neither psycopg nor libpq is left to look a name up; sockets and addresses stay."""
    names = SlowNames(LOOPBACK)
    names.release.set()
    expected = {} if found is None else dict(zip(("host", "hostaddr", "port"), found, strict=True))
    assert asyncio.run(addresses(url, Resolver(names))) == expected


def test_a_venue_s_socket_uses_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment names, as every other connection of ours (the library's own default
    would go there)."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def use() -> None:
        async with serve(lambda socket: socket.send("heard"), "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with connecting(f"ws://127.0.0.1:{port}", open_timeout=10) as socket:
                assert await socket.recv() == "heard"

    asyncio.run(use())


def test_a_flood_of_tiny_frames_leaves_the_loop_to_others() -> None:
    """Messages of one byte, written at once, arrive whole, in order and with the end behind them,
    and all else on the loop has a turn after every few kilobytes."""
    count, frame = 6_000, b"\x81\x01"
    digits = [b"%d" % (number % 10) for number in range(count)]

    async def flood(socket: ServerConnection) -> None:
        socket.transport.write(b"".join(frame + digit for digit in digits))

    async def use() -> None:
        turns, heard = 0, []

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with serve(flood, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with connecting(f"ws://127.0.0.1:{port}", open_timeout=10) as socket:
                heard.append(await socket.recv())
                beside = asyncio.create_task(others())
                heard += [message async for message in socket]
                beside.cancel()
        assert heard == [digit.decode() for digit in digits]
        assert turns > 3 * count // PIECE_BYTES

    asyncio.run(use())


def test_a_socket_that_nobody_reads_holds_up_its_server() -> None:
    """It cannot fill our memory: after some messages the server can write no more."""
    sent = 0

    async def flood(socket: ServerConnection) -> None:
        nonlocal sent
        while sent < 24 * 2**20:
            await socket.send("x" * 65_536)
            sent += 65_536

    async def use() -> None:
        async with serve(flood, "127.0.0.1", 0, compression=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            url = f"ws://127.0.0.1:{port}"
            async with connecting(url, open_timeout=10, close_timeout=0) as socket:
                await socket.recv()
                before = -1
                while before < sent:  # until it stands still
                    before = sent
                    await asyncio.sleep(0.2)
                assert sent < 24 * 2**20
                assert len([await socket.recv() for _ in range(100)]) == 100

    asyncio.run(use())


@pytest.mark.parametrize(
    "location", ["ws://127.0.0.1:9/", "http://[", "ws://127.0.0.1:99999/", "ws://a..b/", ""]
)
def test_a_venue_s_socket_follows_no_redirect(location: str) -> None:
    """Wherever it leads, also where that is no address: the refusal is one that every socket
    expects, and is tried again after."""

    async def redirected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 301 Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        writer.write(head.encode())
        writer.close()

    async def use() -> None:
        async with await asyncio.start_server(redirected, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(InvalidStatus, match="HTTP 301"):
                await connecting(f"ws://127.0.0.1:{port}", open_timeout=10)

    asyncio.run(use())
