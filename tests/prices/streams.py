"""Real streaming servers: Hermes (events and its poll) and Coinbase's level-2 socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.prices.servers import Answer, json_answer, send

FEED_ID = "eaa020c61cc479712813461ce153894a96a6c00b21ed0cfc2798d1f9a9e9c94a"
EVENT_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


def hermes_message(
    price: str = "62500",
    *,
    conf: str = "10",
    expo: object = -8,
    publish_time: object = 1_777_000_000,
    feed_id: str = FEED_ID,
) -> str:
    numbers = {"price": price, "conf": conf, "expo": expo, "publish_time": publish_time}
    entry = {"id": feed_id, "price": numbers, "ema_price": numbers, "metadata": {"slot": 1}}
    return json.dumps({"binary": {"encoding": "hex", "data": ["00"]}, "parsed": [entry]})


@dataclass(kw_only=True)
class Hermes:
    """Pushes what it is told to everybody who streams; polls get `latest`."""

    url: str = ""
    latest: Answer = field(default_factory=lambda: json_answer(hermes_message()))
    refusal: Answer | None = None
    """What a stream gets instead of one."""
    greeting: bytes = b""
    """What each new stream gets first."""
    requests: list[bytes] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    streaming: asyncio.Event = field(default_factory=asyncio.Event)

    async def push(self, raw: bytes) -> None:
        for writer in self.writers:
            writer.write(raw)
            await writer.drain()

    async def say(self, message: str) -> None:
        await self.push(f"data:{message}\n\n".encode())

    def hang_up(self) -> None:
        for writer in self.writers:
            writer.close()
        self.writers.clear()
        self.streaming.clear()

    def polls(self) -> int:
        return sum(b"/latest" in request for request in self.requests)


@asynccontextmanager
async def hermes() -> AsyncIterator[Hermes]:
    """On a free port of the loopback."""
    served = Hermes()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            served.requests.append(request)
            if b"/stream" in request and served.refusal is None:
                writer.write(EVENT_STREAM + served.greeting)
                await writer.drain()
                served.writers.append(writer)
                served.streaming.set()
                return
            answer = served.refusal if b"/stream" in request else served.latest
            assert answer is not None
            await send(answer, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        served.hang_up()
        server.close()


def stamp(at: datetime | None = None) -> str:
    return (at or datetime.now(UTC)).isoformat().replace("+00:00", "Z")


def update(side: str, price: str, quantity: str) -> dict[str, str]:
    return {
        "side": side,
        "event_time": stamp(),
        "price_level": price,
        "new_quantity": quantity,
    }


@dataclass(kw_only=True)
class Coinbase:
    """Speaks level 2 to whoever subscribed last; numbers its messages itself unless told."""

    url: str = ""
    product_id: str = "BTC-USD"
    refusal: int | None = None
    """A status to answer the handshake with."""
    location: str = ""
    subscriptions: list[dict[str, object]] = field(default_factory=list)
    connections: int = 0
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)
    sequence: int = 0
    socket: ServerConnection | None = None

    async def next_subscriber(self) -> None:
        await self.subscribed.wait()
        self.subscribed.clear()

    async def raw(self, text: str | bytes) -> None:
        assert self.socket is not None
        with suppress(ConnectionClosed):
            await self.socket.send(text)

    async def send(self, channel: str, events: object, **changes: object) -> None:
        message: dict[str, object] = {
            "channel": channel,
            "client_id": "",
            "timestamp": stamp(),
            "sequence_num": self.sequence,
            "events": events,
        }
        self.sequence += 1
        await self.raw(json.dumps({**message, **changes}))

    async def book(self, kind: str, *updates: dict[str, str], **changes: object) -> None:
        event = {"type": kind, "product_id": self.product_id, "updates": list(updates)}
        await self.send("l2_data", [event], **changes)

    async def snapshot(self, bid: str = "99", offer: str = "101") -> None:
        await self.book("snapshot", update("bid", bid, "1"), update("offer", offer, "2"))

    async def heartbeat(self) -> None:
        await self.send("heartbeats", [{"current_time": "now", "heartbeat_counter": 1}])


@asynccontextmanager
async def coinbase() -> AsyncIterator[Coinbase]:
    """On a free port of the loopback."""
    served = Coinbase()

    async def handle(socket: ServerConnection) -> None:
        served.connections += 1
        served.socket, served.sequence = socket, 0
        with suppress(ConnectionClosed):
            async for text in socket:
                served.subscriptions.append(json.loads(text))
                if len(served.subscriptions) % 2 == 0:
                    served.subscribed.set()

    def answer(socket: ServerConnection, request: Request) -> Response | None:
        if served.refusal is None:
            return None
        response = socket.respond(HTTPStatus(served.refusal), "no")
        if served.location:
            response.headers["Location"] = served.location
        return response

    async with serve(handle, "127.0.0.1", 0, process_request=answer) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        served.url = f"ws://127.0.0.1:{port}"
        yield served
