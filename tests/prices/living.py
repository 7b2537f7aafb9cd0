"""Price services that live: they go on telling a price and its time, until they are frozen.

A frozen one stays connected and answers as at that moment; the board, which tells no time, then
does not answer at all. `environment` is what a bot needs to use it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from integration_harness.stack.up import LocalExchange
from tests.prices.servers import Answer, RawServer, json_answer, raw_server
from tests.prices.streams import FEED_ID, Hermes, hermes, hermes_message, stamp, update

TICK_SECONDS = 0.1
HANG_SECONDS = 60.0


@dataclass(kw_only=True)
class Living:
    """One service. Its price may be set at any time."""

    price: Decimal
    environment: dict[str, str] = field(default_factory=dict)
    frozen: bool = False
    answers: list[Decimal] = field(default_factory=list)
    """Every price that was asked for, where it is asked for."""


@asynccontextmanager
async def living_http(price: Decimal) -> AsyncIterator[Living]:
    """JSON with `generated_at`."""
    living = Living(price=price)
    last = Answer()

    def answer(request: bytes) -> Answer:
        nonlocal last
        if not living.frozen:
            living.answers.append(living.price)
            body = {"price": str(living.price), "generated_at": stamp()}
            last = json_answer(json.dumps(body))
        return last

    async with raw_server() as server:
        server.script = answer
        living.environment = {"MM_ANCHOR_URL": server.url + "/price"}
        yield living


@asynccontextmanager
async def living_board(price: Decimal) -> AsyncIterator[Living]:
    """The StablesRail board, with dead orders on it."""
    living = Living(price=price)

    def answer(request: bytes) -> Answer:
        orders = {
            "buyOrders": [
                {"price": str(living.price - 2), "status": "active"},
                {"price": str(living.price + 90), "status": "filled"},
            ],
            "sellOrders": [{"price": str(living.price + 2), "status": ""}],
        }
        found = json_answer(json.dumps({"data": orders}))
        found.delay_seconds = HANG_SECONDS if living.frozen else 0.0
        return found

    async with raw_server() as server:
        server.script = answer
        living.environment = {"MM_ANCHOR_STRAILS_API_URL": server.url}
        yield living


@asynccontextmanager
async def living_zero_ex(price: Decimal) -> AsyncIterator[tuple[Living, RawServer]]:
    """The 0x price endpoint."""
    living = Living(price=price)

    def answer(request: bytes) -> Answer:
        found = json_answer(json.dumps({"price": str(living.price)}))
        found.delay_seconds = HANG_SECONDS if living.frozen else 0.0
        return found

    async with raw_server() as server:
        server.script = answer
        yield living, server


@asynccontextmanager
async def living_hermes(price: Decimal) -> AsyncIterator[Living]:
    """Events and polls of one feed, with the publish time in whole seconds."""
    living = Living(price=price)
    async with hermes() as served:
        living.environment = {
            "MM_ANCHOR_PYTH_BASE_URL": served.url,
            "MM_ANCHOR_PYTH_FEED_ID": FEED_ID,
        }

        async def tick() -> None:
            await _publish(served, living.price)

        await tick()
        async with _ticking(living, tick):
            yield living


async def _publish(served: Hermes, price: Decimal) -> None:
    message = hermes_message(str(int(price.scaleb(8))), publish_time=int(time.time()))
    served.latest = json_answer(message)
    with suppress(ConnectionError):
        await served.say(message)


@asynccontextmanager
async def living_coinbase(price: Decimal) -> AsyncIterator[Living]:
    """A level-2 book whose mid is the price, for any number of connections."""
    living = Living(price=price)

    async def handle(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await socket.recv()  # each channel is subscribed to by a message of its own
            product = json.loads(await socket.recv())["product_ids"][0]
            sequence, shown = 0, None
            while True:
                if not living.frozen:
                    new = None if shown == living.price else living.price
                    await socket.send(_level2_message(product, sequence, new))
                    sequence, shown = sequence + 1, living.price
                await asyncio.sleep(TICK_SECONDS)

    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        living.environment = {
            "MM_ANCHOR_COINBASE_URL": f"ws://127.0.0.1:{port}",
            "MM_ANCHOR_COINBASE_PRODUCT_ID": "USDC-USD",
        }
        yield living


def _level2_message(product: str, sequence: int, price: Decimal | None) -> str:
    """The book around a new price; a heartbeat where there is none."""
    spread = (price or Decimal(1)) / 1000
    event: dict[str, object] = {"current_time": "now", "heartbeat_counter": sequence}
    if price is not None:
        sides = update("bid", str(price - spread), "1"), update("offer", str(price + spread), "1")
        event = {"type": "snapshot", "product_id": product, "updates": list(sides)}
    return json.dumps(
        {
            "channel": "heartbeats" if price is None else "l2_data",
            "client_id": "",
            "timestamp": stamp(),
            "sequence_num": sequence,
            "events": [event],
        }
    )


@asynccontextmanager
async def living_feed(exchange: LocalExchange, price: Decimal) -> AsyncIterator[Living]:
    """The cNGN/USD feed on the local chain, answered anew about twice a second."""
    living = Living(price=price)

    async def tick() -> None:
        await asyncio.to_thread(exchange.set_price, living.price)

    await tick()
    async with _ticking(living, tick, seconds=0.5):
        yield living
    await asyncio.to_thread(exchange.set_price, exchange.options.price)


@asynccontextmanager
async def _ticking(
    living: Living, tick: Callable[[], Awaitable[None]], seconds: float = TICK_SECONDS
) -> AsyncIterator[None]:
    async def run() -> None:
        while True:
            await asyncio.sleep(seconds)
            if not living.frozen:
                await tick()

    task = asyncio.create_task(run())
    try:
        yield
        assert not task.done(), f"the service ended: {task}"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
