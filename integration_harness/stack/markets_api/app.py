"""The ASGI application: which path and method leads where, and how answers are written.

Paths are matched as they came over the wire: an id with a percent-encoded character is another
id, which is how the exchange behaves. An unknown path answers 404 in plain text, a wrong method
405 with nothing; every other failure is `{"error": text}`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from integration_harness.stack.instruments import MarketList
from integration_harness.stack.markets_api.chain_guard import ChainGuard
from integration_harness.stack.markets_api.database import (
    DATABASE_ERRORS,
    Database,
    database_text,
)
from integration_harness.stack.markets_api.errors import RefusedError
from integration_harness.stack.markets_api.event_hub import EventHub
from integration_harness.stack.markets_api.market_data import MarketData
from integration_harness.stack.markets_api.order_entry import OrderEntry
from integration_harness.stack.markets_api.websocket import WebSocketSession
from integration_harness.stack.settings import ApiSettings

_LOG = logging.getLogger("markets_api")
_ORDER_PREFIX: Final = "/v1/orders/"
Handler = Callable[[Request], Awaitable[Response]]


class MarketsApi:
    """The service; the server drives it through the ASGI protocol, lifespan included."""

    def __init__(self, settings: ApiSettings) -> None:
        markets = MarketList(settings.instruments)
        self._settings = settings
        self._database = Database(settings.database_url, settings.pool_size)
        self._guard = ChainGuard(settings)
        self._data = MarketData(self._database, markets, settings.clock)
        self._entry = OrderEntry(self._database, markets, self._guard, settings)
        self._hub = EventHub(settings.database_url, self._database, settings.event_keep_seconds)
        self._markets = markets
        self._frozen = False
        self._last_reads: dict[bytes, bytes] = {}
        self._routes: dict[str, dict[str, Handler]] = {
            "/healthz": {"GET": self._health},
            "/debug/markets": {"GET": self._debug_markets},
            "/v1/markets": {"GET": self._list_markets},
            "/v1/book": {"GET": self._book},
            "/v1/trades": {"GET": self._trades},
            "/v1/orders": {"POST": self._place},
            "/v1/orders/cancel": {"POST": self._cancel, "GET": self._order_status},
        }
        if settings.allow_faults:
            self._routes["/debug/faults"] = {"POST": self._faults}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(WebSocket(scope, receive, send))
        else:
            response = await self._respond(Request(scope, receive))
            await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        path = _raw_path(request.scope)
        methods = self._routes.get(path)
        if methods is None and path.startswith(_ORDER_PREFIX) and len(path) > len(_ORDER_PREFIX):
            methods = {"GET": self._order_status}
        if methods is None:
            return PlainTextResponse("404 page not found\n", 404)
        handler = methods.get(request.method)
        if handler is None:
            return Response(status_code=405)
        try:
            return await handler(request)
        except RefusedError as refusal:
            return _json({"error": refusal.text}, refusal.status)
        except DATABASE_ERRORS as error:
            return _json({"error": database_text(error)}, 500)

    async def _health(self, request: Request) -> Response:
        return _json({"status": "ok"})

    async def _list_markets(self, request: Request) -> Response:
        return _json(await self._data.markets())

    async def _debug_markets(self, request: Request) -> Response:
        return _json(await self._data.debug_markets())

    async def _book(self, request: Request) -> Response:
        return await self._read(request, self._data.book)

    async def _trades(self, request: Request) -> Response:
        return await self._read(request, self._data.trades)

    async def _order_status(self, request: Request) -> Response:
        order_id = _raw_path(request.scope).removeprefix(_ORDER_PREFIX)
        return _json(await self._data.order_status(order_id))

    async def _place(self, request: Request) -> Response:
        return _json(await self._entry.place(await request.body()), 201)

    async def _cancel(self, request: Request) -> Response:
        return _json(await self._entry.cancel(await request.body()))

    async def _faults(self, request: Request) -> Response:
        """`{"freeze_book": true}` keeps answering book and trades as they were at that moment."""
        self._frozen = orjson.loads(await request.body()).get("freeze_book") is True
        self._last_reads.clear()
        return _json({"freeze_book": self._frozen})

    async def _read(
        self, request: Request, answer: Callable[[Mapping[str, str]], Awaitable[dict[str, Any]]]
    ) -> Response:
        key: bytes = request.scope["raw_path"] + b"?" + request.scope["query_string"]
        if self._frozen and key in self._last_reads:
            return Response(self._last_reads[key], media_type="application/json")
        response = _json(await answer(request.query_params))
        if self._frozen:
            self._last_reads[key] = bytes(response.body)
        return response

    async def _websocket(self, websocket: WebSocket) -> None:
        if _raw_path(websocket.scope) != "/v1/ws":
            await websocket.close()
            return
        session = WebSocketSession(
            websocket, self._hub, self._database, self._markets, self._settings
        )
        await session.run()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        listener: asyncio.Task[None] | None = None
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                listener = asyncio.create_task(self._hub.run())
                await send({"type": "lifespan.startup.complete"})
            else:
                if listener is not None:
                    listener.cancel()
                    await asyncio.gather(listener, return_exceptions=True)
                await self._guard.close()
                await self._database.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def _raw_path(scope: Scope) -> str:
    raw: bytes = scope["raw_path"]
    return raw.partition(b"?")[0].decode("latin-1")
