"""The API's WebSocket over the model: the real client's parsing of a server's bytes, which come
late, in pieces, garbled, or end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from functools import partial
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from mm_bot.venues.numo.units import ref
from tests.sim.model import Model
from tests.sim.virtual_time import Host
from tests.sim.wire.feed import Event, Feed

_ODD = (b"", b"{", b"null", b"[1]", b'{"type":"update"}', b'{"type":"update","data":7}', b"\xff")
"""What no update looks like."""


class _Pipe(asyncio.Transport):
    """The client's end; the server is on the other one."""

    def __init__(self, model: Model, feed: Feed, host: Host) -> None:
        super().__init__()
        self.client: ClientConnection | None = None
        self._model = model
        self._feed = feed
        self._host = host
        self._server = ServerProtocol()
        self._channels: set[str] = set()
        self._closed = False

    # What the client asks of it.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._later(self._feed.soon_s(), partial(self._arrives, bytes(data)))

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self._closed:
            self._closed = True
            asyncio.get_running_loop().call_soon(self._lost)

    def is_closing(self) -> bool:
        return self._closed

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    # The server.

    def _arrives(self, data: bytes) -> None:
        server = self._server
        server.receive_data(data)
        for event in server.events_received():
            if isinstance(event, Request):
                server.send_response(server.accept(event))
                self._feed.ears.append(self.tell)
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                asked = orjson.loads(event.data)
                self._channels.add(asked["channel"])
                self._say({"type": "snapshot", "channel": asked["channel"], "seq": 0, "data": []})
        self._flush()

    def tell(self, event: Event) -> None:
        """An update, where it is subscribed to."""
        here = ref(self._model.market)
        is_open = self._server.state is State.OPEN and not self._closed
        if event.channel not in self._channels or not is_open:
            return
        if event.market_key != f"{here.asset}:{here.sub_id}":
            return
        data = {"order_id": event.order_id} if event.channel == "book" else {}
        self._say({"type": "update", "channel": event.channel, "seq": event.seq, "data": data})
        self._flush()

    def _say(self, message: dict[str, Any]) -> None:
        body = orjson.dumps(message)
        if self._feed.trouble():
            body = self._feed.random.choice(_ODD)
        if body == b"\xff":
            self._server.send_binary(body)
        else:
            self._server.send_text(body)

    def _flush(self) -> None:
        for data in self._server.data_to_send():
            if not data or self._feed.trouble():
                self._later(self._feed.soon_s(), self.end)
                return
            middle, soon_s = len(data) // 3, self._feed.soon_s()
            for piece in (data[:middle], data[middle:]):
                self._later(soon_s, partial(self._host.deliver, partial(self._heard, piece)))

    def _heard(self, piece: bytes) -> None:
        if not self._closed and piece and self.client is not None:
            self.client.data_received(piece)

    def end(self) -> None:
        """The connection breaks."""
        self._host.deliver(self.abort)

    def _lost(self) -> None:
        if self.tell in self._feed.ears:
            self._feed.ears.remove(self.tell)
        if self.client is not None:
            self.client.connection_lost(ConnectionResetError(104, "reset by peer"))

    def _later(self, delay_s: float, do: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_later(delay_s, do, context=Context())


@asynccontextmanager
async def connecting(
    model: Model, feed: Feed, host: Host, url: str, *, open_timeout: float, ping_interval: float
) -> AsyncIterator[ClientConnection]:
    """As `mm_bot.io.websocket.connecting`, to the model's server."""
    await asyncio.sleep(feed.soon_s())
    if feed.trouble():
        raise ConnectionRefusedError(111, "Connection refused")
    pipe = _Pipe(model, feed, host)
    client = ClientConnection(ClientProtocol(parse_uri(url)), ping_interval=ping_interval)
    pipe.client = client
    client.connection_made(pipe)
    try:
        async with asyncio.timeout(open_timeout):
            await client.handshake()
        client.start_keepalive()
        yield client
    finally:
        pipe.abort()
