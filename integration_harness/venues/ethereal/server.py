"""Ethereal as a server: REST and WebSocket version 2 on one port.

One book a product with price-time priority, matched in blocks which post-only orders and cancels do
not wait for; orders, fills, positions and collateral by subaccount; every signature checked with
eth-account's own typed data. `faults` are switches a test may turn at any time. Source: the
vendor's specification of 2026-11.
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

from integration_harness.venues.ethereal.exchange import Exchange
from integration_harness.venues.ethereal.model import (
    BLOCK_S,
    PRODUCTS,
    ApiError,
    Faults,
    Json,
    Order,
    Trader,
)
from integration_harness.venues.ethereal.reads import Reads
from integration_harness.venues.serving import Client, FakeServer

_SILENCE_S: Final = 30.0
_TIMEOUT: Final = {"statusCode": 504, "message": "gateway timeout"}


@dataclass(eq=False, slots=True)
class _Client(Client):
    streams: set[tuple[str, str]] = field(default_factory=set)
    """(type, symbol or subaccount)."""


class EtherealServer(FakeServer[_Client]):
    """Two perpetuals, ETHUSD and BTCUSD."""

    symbol: Final = "ETHUSD"

    def __init__(self) -> None:
        super().__init__()
        self.exchange = Exchange(self._push)
        self._reads = Reads(self.exchange)
        self._published: dict[str, tuple[int, Json]] = {}

    # For tests

    @property
    def faults(self) -> Faults:
        return self.exchange.faults

    @property
    def traders(self) -> dict[int, Trader]:
        return self.exchange.traders

    @property
    def orders(self) -> dict[str, Order]:
        return self.exchange.orders

    @property
    def received(self) -> list[tuple[str, Json]]:
        """Every write, as it came."""
        return self.exchange.received

    @property
    def most_live(self) -> dict[str, int]:
        return self.exchange.most_live

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/v1/stream"

    def add_trader(self, owner: str, subaccount_id: int, signer: str) -> Trader:
        return self.exchange.add_trader(owner, subaccount_id, signer)

    def _routes(self) -> list[BaseRoute]:
        gets = {
            "rpc/config": lambda _: self._reads.config(),
            "time": lambda _: {"time": self.exchange.now_ms()},
            "maintenance": lambda _: {"isEnabled": self.faults.maintenance},
            "rate-limit/config": lambda _: {"data": []},
            "product": self._reads.products,
            "product/market-liquidity": self._reads.liquidity,
            "product/market-price": self._reads.market_price,
            "subaccount": self._reads.subaccounts,
            "subaccount/balance": self._reads.balance,
            "linked-signer": self._reads.links,
            "order": self._reads.list_orders,
            "order/fill": self._reads.list_fills,
            "order/trade": self._reads.list_trades,
            "order/{id}": self._reads.one_order,
            "position": self._reads.positions,
            "position/active": self._reads.active_position,
        }
        return [
            WebSocketRoute("/v1/stream", self._socket),
            *(Route(f"/v1/{path}", self._answering(do)) for path, do in gets.items()),
            Route("/v1/order", self._place, methods=["POST"]),
            Route("/v1/order/cancel", self._cancel, methods=["POST"]),
            Route("/v1/order/dry-run", self._dry_run, methods=["POST"]),
        ]

    def live(self, subaccount_id: int, symbol: str | None = None) -> list[Order]:
        """The open orders of a subaccount, in one market or all."""
        return self._do(lambda: self.exchange.live(subaccount_id, symbol))

    def rest(
        self,
        direction: str,
        price: str,
        amount: str,
        *,
        subaccount_id: int = 0,
        symbol: str | None = None,
        label: str = "",
    ) -> Order:
        """A stranger's resting order, put into the book directly; or of a subaccount, under a
        client id, as another tool of its owner places it."""
        terms = (symbol or self.symbol, direction, Decimal(price), Decimal(amount))
        return self._do(lambda: self.exchange.rest(*terms, subaccount_id, label))

    def take(self, direction: str, amount: str, *, symbol: str | None = None) -> None:
        """A stranger takes that much from the other side in the next block, at whatever price."""
        terms = (symbol or self.symbol, direction, Decimal(amount))
        self._do(lambda: self.exchange.take(*terms))

    def match(self) -> None:
        """End the block of now."""
        self._do(self.exchange.match_block)

    # HTTP

    def _answering(self, do: Callable[[Json], Any]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            asked = {**request.query_params, **request.path_params}
            try:
                await self._delay()
                return _json(200, do(asked))
            except ApiError as error:
                return _refused(error)

        return answer

    async def _place(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        if self.faults.swallowed > 0:
            self.faults.swallowed -= 1
            self.received.append(("order", body))
            return _json(504, _TIMEOUT)
        try:
            await self._delay()
            placed = self.exchange.place(body)
        except ApiError as error:
            return _refused(error)
        if self.faults.lose_replies > 0:
            self.faults.lose_replies -= 1
            await asyncio.sleep(self.faults.lost_after_s)
            return _json(504, _TIMEOUT)
        return _json(201, placed, remaining=self.exchange.rules.writes_left(body["data"]["sender"]))

    async def _cancel(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        try:
            await self._delay()
            results = self.exchange.cancel(body)
        except ApiError as error:
            return _refused(error)
        left = self.exchange.rules.writes_left(body["data"]["sender"])
        return _json(202, {"data": results}, remaining=left)

    async def _delay(self) -> None:
        await asyncio.sleep(self.faults.reply_delay_s)
        if self.faults.mute:
            await asyncio.sleep(_SILENCE_S)
            raise ApiError(503, "too late")

    async def _dry_run(self, request: Request) -> Response:
        data = orjson.loads(await request.body())["data"]
        margin = Decimal(data["price"]) * Decimal(data["quantity"]) / 10
        return _json(201, {"code": "Ok", "marginRequired": format(margin, "f")})

    # WebSocket

    def _client(self, socket: WebSocket) -> _Client:
        return _Client(socket)

    async def _heard(self, client: _Client, request: Json) -> None:
        wanted = request.get("data") or {}
        kind = wanted.get("type", "")
        key = (kind, wanted.get("symbol") or wanted.get("subaccountId") or "")
        if self.faults.refused_channel and self.faults.refused_channel in kind:
            code = {"ok": False, "code": "SUBSCRIPTION_LIMIT_EXCEEDED"}
            client.outbox.put_nowait(orjson.dumps(code))
            return
        client.outbox.put_nowait(orjson.dumps({"ok": True}))
        if request.get("event") == "unsubscribe":
            client.streams.discard(key)
            return
        client.streams.add(key)
        if kind == "L2Book" and key[1] in PRODUCTS:
            at_ms, levels = self._book_of(key[1])
            client.outbox.put_nowait(_event("L2Book", {"s": key[1], "t": at_ms, **levels}))

    def _push(self, kind: str, key: str, data: Json) -> None:
        if self.faults.no_pushes:
            return
        for client in self._clients:
            if (kind, key) not in client.streams:
                continue
            twice = self.faults.duplicate_pushes and kind != "L2Book"
            client.push(_event(kind, data), twice=twice, backwards=self.faults.reversed_pushes)

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(BLOCK_S)
            self.exchange.match_block()
            for symbol in PRODUCTS:
                self._publish(symbol)

    def _book_of(self, symbol: str) -> tuple[int, Json]:
        """What was published last; the first time what there is."""
        if symbol not in self._published:
            self._published[symbol] = (self.exchange.now_ms(), self.exchange.levels(symbol))
        return self._published[symbol]

    def _publish(self, symbol: str) -> None:
        """What changed since the last time, as absolute quantities."""
        before_ms, before = self._book_of(symbol)
        now_ms, now = self.exchange.now_ms(), self.exchange.levels(symbol)
        if now == before or now_ms <= before_ms:
            return
        self._published[symbol] = (now_ms, now)
        if self.faults.skipped_books > 0:
            self.faults.skipped_books -= 1
            return
        changes = {side: _changes(dict(before[side]), dict(now[side])) for side in ("a", "b")}
        self._push("L2Book", symbol, {"s": symbol, "t": now_ms, "pt": before_ms, **changes})


def _changes(before: dict[str, str], now: dict[str, str]) -> list[list[str]]:
    gone = [[price, "0"] for price in before if price not in now]
    return gone + [[price, size] for price, size in now.items() if before.get(price) != size]


def _event(kind: str, data: Json) -> bytes:
    return orjson.dumps({"e": kind, "t": data.get("t"), "data": data})


def _json(status: int, content: Any, *, remaining: int | None = None) -> Response:
    headers = {} if remaining is None else {"RateLimit-Remaining": str(remaining)}
    return Response(
        orjson.dumps(content), status_code=status, headers=headers, media_type="application/json"
    )


def _refused(error: ApiError) -> Response:
    body = {"error": error.title, "message": error.message, "statusCode": error.status}
    if error.kind:
        body["type"] = error.kind
    response = _json(error.status, body)
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response
