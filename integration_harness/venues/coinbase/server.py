"""Coinbase Advanced Trade as a server: HTTP and both WebSockets on one port.

One spot book with price-time priority, orders that are pending before they rest, one portfolio;
every token checked with its public key, method, path and time. `faults` are switches a test may
turn at any time. Source: the vendor's specification of 2026-11.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from integration_harness.venues.coinbase.exchange import Exchange
from integration_harness.venues.coinbase.model import SYMBOL, Faults, Json, Order, iso
from integration_harness.venues.coinbase.reads import Reads
from integration_harness.venues.coinbase.tokens import Key
from integration_harness.venues.serving import Client, FakeServer

_PREFIX: Final = "/api/v3/brokerage"
_TICK_S: Final = 0.02
_SILENCE_S: Final = 30.0
_FAR_LEVELS: Final = 17_000
_CHANNELS: Final = {"level2": "l2_data"}


@dataclass(eq=False, slots=True)
class _Client(Client):
    channels: set[str] = field(default_factory=set)
    sequence: int = 0
    levels: dict[tuple[str, Decimal], Decimal] = field(default_factory=dict)
    """What this connection was told of the book."""


class CoinbaseServer(FakeServer[_Client]):
    """One market, BTC-USD."""

    symbol: Final = SYMBOL

    def __init__(self, key_name: str, public_key_pem: str) -> None:
        super().__init__()
        self.exchange = Exchange(self._push)
        self._reads = Reads(self.exchange)
        self._key = Key(key_name, public_key_pem)

    # For tests

    @property
    def faults(self) -> Faults:
        return self.exchange.faults

    @property
    def orders(self) -> dict[str, Order]:
        return self.exchange.orders

    @property
    def received(self) -> list[tuple[str, Json]]:
        return self.exchange.received

    @property
    def most_live(self) -> dict[str, int]:
        return self.exchange.most_live

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def socket_url(self, name: str) -> str:
        """`market` or `user`."""
        return f"ws://127.0.0.1:{self._port}/{name}"

    def _routes(self) -> list[BaseRoute]:
        gets = {
            "time": self._reads.time,
            "products/{id}": self._reads.product,
            "products/{id}/ticker": self._reads.ticker,
            "product_book": self._reads.book,
            "key_permissions": self._reads.permissions,
            "transaction_summary": self._reads.fees,
            "accounts": self._reads.accounts,
            "orders/historical/batch": self._reads.orders,
            "orders/historical/fills": self._reads.fills,
            "orders/historical/{id}": self._reads.order,
        }
        return [
            WebSocketRoute("/market", self._socket),
            WebSocketRoute("/user", self._socket),
            *(Route(f"{_PREFIX}/{path}", self._answering(do)) for path, do in gets.items()),
            Route(f"{_PREFIX}/orders", self._place, methods=["POST"]),
            Route(f"{_PREFIX}/orders/batch_cancel", self._cancel, methods=["POST"]),
        ]

    def live(self, subaccount_id: int) -> list[Order]:
        """The open orders of the portfolio (`exchange.OURS`) or of strangers (0)."""
        return self._do(lambda: self.exchange.live(subaccount_id))

    def rest(
        self, direction: str, price: str, amount: str, *, subaccount_id: int = 0, label: str = ""
    ) -> Order:
        """A resting order put into the book directly."""
        terms = (direction, Decimal(price), Decimal(amount), subaccount_id, label)
        return self._do(lambda: self.exchange.rest(*terms))

    def take(self, direction: str, amount: str) -> None:
        """A stranger takes that much from the other side, at whatever price."""
        self._do(lambda: self.exchange.take(direction, Decimal(amount)))

    def drop_sockets(self, code: int = 1012) -> None:
        """Every socket ends, as in a deploy."""
        super().drop_sockets(code)

    async def _live(self) -> None:
        beat = 0
        while True:
            await asyncio.sleep(_TICK_S)
            self.exchange.advance()
            beat += 1
            if beat % round(1 / _TICK_S) == 0:
                told = {"current_time": iso(self.exchange.now_ms()), "heartbeat_counter": beat}
                self._push("heartbeats", told)

    # HTTP

    async def _refused(self, request: Request) -> Response | None:
        await asyncio.sleep(self.faults.reply_delay_s)
        if self.faults.mute:
            await asyncio.sleep(_SILENCE_S)
            return Response("too late", status_code=503)
        if request.url.path == f"{_PREFIX}/time":
            return None  # public
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        uri = f"{request.method} 127.0.0.1:{self._port}{request.url.path}"
        if self._key.why_not(token, uri, self.faults.clock_ahead_s) is not None:
            return Response("Unauthorized", status_code=401)
        return None

    def _answering(self, do: Callable[[Json], Json | None]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            refused = await self._refused(request)
            if refused is not None:
                return refused
            found = do({**request.query_params, **request.path_params})
            if found is None:
                return _json(404, {"error": "NOT_FOUND", "message": "not found"})
            return _json(200, found)

        return answer

    async def _place(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        self.received.append(("orders", body))
        if self.faults.swallowed > 0:
            self.faults.swallowed -= 1
            return Response("<html>bad gateway</html>", status_code=502)
        refused = await self._refused(request)
        if refused is not None:
            return refused
        if self.faults.rate_limited > 0:
            self.faults.rate_limited -= 1
            error = {"id": "rate_limit_exceeded", "message": "Too many requests"}
            return _json(429, {"errors": [error]})
        placed = self.exchange.place(body)
        if self.faults.lose_replies > 0:
            self.faults.lose_replies -= 1
            return Response("<html>bad gateway</html>", status_code=502)
        return _json(200, placed)

    async def _cancel(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        self.received.append(("orders/batch_cancel", body))
        refused = await self._refused(request)
        if refused is not None:
            return refused
        return _json(200, {"results": [self.exchange.cancel(each) for each in body["order_ids"]]})

    # WebSocket

    def _client(self, socket: WebSocket) -> _Client:
        return _Client(socket)

    async def _heard(self, client: _Client, request: Json) -> None:
        channel: str = request["channel"]
        why = self._key.why_not(request.get("jwt", ""), None, self.faults.clock_ahead_s)
        if why is not None or self.faults.refused_channel == channel:
            error = {"type": "error", "message": "authentication failure"}
            client.outbox.put_nowait(orjson.dumps(error))
            return
        client.channels.add(_CHANNELS.get(channel, channel))
        if channel == "level2":
            client.levels = self.exchange.levels()
            updates = [_update(*key, size) for key, size in client.levels.items()]
            if self.faults.large_snapshot:
                far = (Decimal(cents) / 100 for cents in range(100, 100 + _FAR_LEVELS))
                updates += [_update("bid", price, Decimal("0.001")) for price in far]
            event = {"type": "snapshot", "product_id": SYMBOL, "updates": updates}
            self._tell(client, "l2_data", event)
        elif channel == "user":
            orders = [self.exchange.cumulative(o) for o in self.exchange.live(7)]
            self._tell(client, "user", {"type": "snapshot", "orders": orders})
        elif channel == "market_trades":
            trades = self.exchange.trades[-50:]
            self._tell(client, "market_trades", {"type": "snapshot", "trades": trades})
        subscribed = {"subscriptions": {name: [SYMBOL] for name in client.channels}}
        self._tell(client, "subscriptions", subscribed)

    def _push(self, channel: str, event: Json) -> None:
        for client in self._clients:
            if channel not in client.channels:
                continue
            if channel == "l2_data":
                levels = self.exchange.levels()
                if levels == client.levels:
                    continue
                changed = {k: v for k, v in levels.items() if client.levels.get(k) != v}
                changed |= {k: Decimal(0) for k in client.levels if k not in levels}
                updates = [_update(*key, size) for key, size in changed.items()]
                client.levels = levels
                event = {"type": "update", "product_id": SYMBOL, "updates": updates}
            self._tell(client, channel, event)

    def _tell(self, client: _Client, channel: str, event: Json) -> None:
        envelope = {
            "channel": channel,
            "client_id": "",
            "timestamp": iso(self.exchange.now_ms()),
            "sequence_num": client.sequence,
            "events": [event],
        }
        client.sequence += 1
        if self.faults.no_pushes:
            return
        if self.faults.lost_messages > 0:
            self.faults.lost_messages -= 1
            return
        backwards = self.faults.reversed_pushes and channel == "user"
        twice = self.faults.duplicate_pushes
        client.push(orjson.dumps(envelope), twice=twice, backwards=backwards)


def _update(side: str, price: Decimal, size: Decimal) -> Json:
    return {
        "side": side,
        "event_time": "1970-01-01T00:00:00Z",
        "price_level": format(price, "f"),
        "new_quantity": format(size, "f"),
    }


def _json(status: int, content: Any) -> Response:
    return Response(orjson.dumps(content), status_code=status, media_type="application/json")
