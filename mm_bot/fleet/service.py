"""A running fleet: the parent and its pages."""

from __future__ import annotations

from contextlib import AsyncExitStack

import httpx

from mm_bot.fleet.pages import ASK_WITHIN_S, FleetPages
from mm_bot.fleet.parent import Parent
from mm_bot.fleet.plan import Fleet
from mm_bot.host.shutdown import Shutdown
from mm_bot.observe.http_server import HttpServer
from mm_bot.observe.log import Log
from mm_bot.observe.pages import RATE


async def serve(fleet: Fleet, log: Log) -> None:
    """Until a signal; see `Parent.run` for how it ends."""
    async with AsyncExitStack() as cleanup:
        shutdown = Shutdown()
        cleanup.callback(shutdown.listen())
        client = httpx.AsyncClient(timeout=ASK_WITHIN_S, trust_env=False)
        cleanup.push_async_callback(client.aclose)
        parent = Parent(fleet, log, shutdown)
        pages = FleetPages(parent.children, client)
        server = HttpServer(
            pages.routes(),
            report=lambda path, error: log.exception("http", error, path=path),
            rate=RATE,
        )
        await server.start(fleet.host, fleet.port, setting="fleet.metrics_addr")
        cleanup.push_async_callback(server.close)
        log.info("listening", address=f"{fleet.host}:{fleet.port}", markets=len(fleet.markets))
        await parent.run()
