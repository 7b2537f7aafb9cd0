"""What tests of the service against a misbehaving server share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

from tests.fair_anchor.support import FUTURE, ONE_FUTURE, Service, Told, running
from tests.prices.servers import Answer, RawServer, raw_server
from tests.prices.support import run

TIMEOUT_MS = 4_000
"""Of each source. Who wants it to run out gives a shorter one."""
KEY = "key-that-nobody-may-see"
Scenario = Callable[[RawServer, Service], Awaitable[None]]


def against(folder: Path, answer: Answer, scenario: Scenario, **environment: str) -> None:
    """Runs `scenario` with a service whose http source is a server that answers so; `{url}` in a
    value of the environment is that server's."""

    async def whole() -> None:
        async with raw_server(answer) as server:
            given = {
                **ONE_FUTURE,
                "FAIR_ANCHOR_SPOT_SOURCES": "http",
                "FAIR_ANCHOR_HTTP_URL": f"{server.url}/price?key={KEY}",
                "FAIR_ANCHOR_TIMEOUT_MS": str(TIMEOUT_MS),
                "FAIR_ANCHOR_CACHE_MS": "10",
                **{
                    f"FAIR_ANCHOR_{name}": text.replace("{url}", server.url)
                    for name, text in environment.items()
                },
            }
            with ExitStack() as stack:
                service = await asyncio.to_thread(stack.enter_context, running(folder, given))
                await scenario(server, service)

    run(whole())


async def price(service: Service, market: str = FUTURE) -> Told:
    """`/price`, without holding up the server that lives in this loop."""
    return await asyncio.to_thread(service.price, market)


async def until(service: Service, status: int) -> Told:
    return await asyncio.to_thread(service.until, status)
