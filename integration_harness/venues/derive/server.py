"""Derive v3 as a server: JSON-RPC over a WebSocket and over HTTP, on one port.

One book with price-time priority; orders, trades, positions and collateral by subaccount; every
signature checked with eth-account's own typed data. `faults` are switches a test may turn at any
time. Source: the vendor's v3 specification, 2026-11.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from integration_harness.venues.derive.book import Book
from integration_harness.venues.derive.exchange import Exchange
from integration_harness.venues.derive.model import (
    SYMBOL,
    Faults,
    Json,
    Order,
    RpcError,
    Trader,
)
from integration_harness.venues.derive.reads import Reads
from integration_harness.venues.derive.rules import stamp_signer
from integration_harness.venues.serving import Client, FakeServer

MUTE_S: Final = 60.0
BOOK_EVERY_S: Final = 0.5
WRITES: Final = ("private/order", "private/replace")
"""What places an order."""


@dataclass(eq=False, slots=True)
class _Client(Client):
    wallet: str = ""
    channels: set[str] = field(default_factory=set)


class DeriveServer(FakeServer[_Client]):
    """One perpetual, ETH-PERP."""

    symbol: Final = SYMBOL
    log_level = "error"

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(self._push)
        self.exchange = Exchange(self.book)
        self._reads = Reads(self.exchange)

    # For tests

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/v3/ws"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v3"

    @property
    def faults(self) -> Faults:
        return self.book.faults

    @property
    def traders(self) -> dict[int, Trader]:
        return self.book.traders

    @property
    def orders(self) -> dict[str, Order]:
        return self.book.orders

    @property
    def trades(self) -> list[Json]:
        return self.book.trades

    @property
    def received(self) -> list[tuple[str, Json]]:
        """Every private request that changes something, as it came."""
        return self.exchange.received

    @property
    def most_live(self) -> Mapping[str, int]:
        return self.exchange.most_live

    def add_trader(self, owner: str, subaccount_id: int, signer: str) -> Trader:
        trader = Trader(
            owner=owner.lower(),
            subaccount_id=subaccount_id,
            signers={owner.lower(), signer.lower()},
        )
        self.traders[subaccount_id] = trader
        return trader

    def live(self, subaccount_id: int) -> list[Order]:
        """The open orders of a subaccount."""
        return self._do(lambda: self.book.live(subaccount_id))

    def rest(
        self, direction: str, price: str, amount: str, *, subaccount_id: int = 0, label: str = ""
    ) -> Order:
        """A resting order put into the book directly: a stranger's, or as from another tool of a
        subaccount."""
        terms = direction, Decimal(price), Decimal(amount)
        return self._do(lambda: self.book.rest(*terms, subaccount_id, label))

    def take(self, direction: str, *amounts: str) -> None:
        """A stranger takes that much from the other side, at whatever price; of several amounts
        each, in milliseconds of their own, with nobody else in between."""

        def take_each() -> None:
            for amount in amounts:
                self.book.take(direction, Decimal(amount))
                time.sleep(0.001)  # nothing tells the order of trades of one millisecond

        self._do(take_each)

    def set_band(self, low: str, high: str) -> None:
        """Take prices between these alone, and say so."""
        self.exchange.band = (Decimal(low), Decimal(high))
        self._do(lambda: self._push(*self._reads.ticker()))

    # The wire

    def _routes(self) -> list[BaseRoute]:
        return [
            WebSocketRoute("/v3/ws", self._socket),
            Route("/v3/{method:path}", self._http, methods=["POST"]),
        ]

    async def _http(self, request: Request) -> Response:
        method = request.path_params["method"]
        params = orjson.loads(await request.body() or b"{}")
        if self.faults.mute:
            await asyncio.sleep(MUTE_S)  # longer than anybody waits
        wallet = ""
        if method.startswith("private/"):
            stamp = request.headers.get("x-derivetimestamp", "")
            wallet = request.headers.get("x-derivewallet", "").lower()
            signature = request.headers.get("x-derivesignature", "")
            if not self._is_wallet(wallet, stamp, signature):
                return Response(_envelope(None, error=RpcError(14021, "wallet header missing")))
        try:
            return Response(_envelope(None, result=self._call(method, params, wallet)))
        except RpcError as error:
            return Response(_envelope(None, error=error), status_code=400)

    async def _live(self) -> None:
        """Snapshots of the book go on in a quiet market too."""
        while True:
            await asyncio.sleep(BOOK_EVERY_S)
            self._push("orderbook", None)
            self.exchange.book.settle()

    def _client(self, socket: WebSocket) -> _Client:
        return _Client(socket)

    def _hang_up(self, client: _Client, code: int) -> None:
        self._left(client)
        super()._hang_up(client, code)

    def _left(self, client: _Client) -> None:
        if client not in self._clients:
            return
        super()._left(client)
        for trader in self._of(client.wallet):
            if trader.cancel_on_disconnect and not self.faults.disconnects_unseen:
                for order in self.book.live(trader.subaccount_id):
                    self.book.cancelled(order, "cancel_on_disconnect")

    async def _heard(self, client: _Client, request: dict[str, Any]) -> None:
        method, params, number = request["method"], request.get("params", {}), request.get("id")
        if self.faults.mute or self._swallows(method, params):
            return
        if self.faults.reply_delay_s:
            await asyncio.sleep(self.faults.reply_delay_s)
        try:
            if method == "public/login":
                result: Any = self._login(client, params)
            elif method == "subscribe":
                result = self._subscribe(client, params["channels"])
            elif method == "private/set_cancel_on_disconnect":
                for trader in self._of(client.wallet):
                    trader.cancel_on_disconnect = params["enabled"] and not self.faults.disarmed
                result = "ok"
            else:
                result = self._call(method, params, client.wallet)
        except RpcError as error:
            client.outbox.put_nowait(_envelope(number, error=error))
            return
        if method in WRITES and self.faults.lose_replies > 0:
            self.faults.lose_replies -= 1
            return
        client.outbox.put_nowait(_envelope(number, result=result))
        if method == "subscribe":
            self._push_book(client)
            self._push(*self._reads.ticker())

    def _swallows(self, method: str, params: Json) -> bool:
        if method not in WRITES or self.faults.swallowed <= 0:
            return False
        self.faults.swallowed -= 1
        self.received.append((method, params))
        return True

    def _is_wallet(self, wallet: str, stamp: str, signature: str) -> bool:
        signer = stamp_signer(stamp, signature, self.book.now_s())
        return signer is not None and any(signer in t.signers for t in self._of(wallet))

    def _of(self, wallet: str) -> list[Trader]:
        return [trader for trader in self.traders.values() if trader.owner == wallet]

    def _login(self, client: _Client, params: Json) -> list[int]:
        wallet = params["wallet"].lower()
        if not self._is_wallet(wallet, params["timestamp"], params["signature"]):
            raise RpcError(14014, "invalid signature")
        client.wallet = wallet
        return [trader.subaccount_id for trader in self._of(wallet)]

    def _subscribe(self, client: _Client, channels: list[str]) -> Json:
        status = {}
        for channel in channels:
            if self.faults.refused_channel and self.faults.refused_channel in channel:
                status[channel] = "channel refused"
                continue
            client.channels.add(channel)
            status[channel] = "ok"
        return {"status": status, "current_subscriptions": sorted(client.channels)}

    def _call(self, method: str, params: Json, wallet: str) -> Any:
        exchange, reads = self.exchange, self._reads
        if method == "public/get_instrument":
            return reads.instrument(params)
        if method == "public/get_time":
            return int(self.book.now_s() * 1000)
        if method == "private/get_account":
            return reads.account(self._of(wallet))
        known: dict[str, Callable[[Trader, Json], Any]] = {
            "private/order": exchange.place,
            "private/replace": exchange.replace,
            "private/cancel": exchange.cancel,
            "private/cancel_by_nonce": exchange.cancel_by_nonce,
            "private/order_debug": reads.order_debug,
            "private/get_subaccount": reads.subaccount,
            "private/get_order_history": reads.order_history,
            "private/get_trade_history": reads.trade_history,
        }
        if method not in known:
            raise RpcError(-32601, "method not found", method)
        trader = self.traders.get(params.get("subaccount_id", -1))
        if trader is None or trader.owner != wallet:
            raise RpcError(14001, "subaccount not found")
        return known[method](trader, params)

    # Pushes

    def _push(self, channel: str, data: Any) -> None:
        if self.faults.no_pushes:
            return
        for client in list(self._clients):
            if channel == "orderbook":
                self._push_book(client)
            elif channel in client.channels:
                client.push(
                    _pushed(channel, data),
                    twice=self.faults.duplicate_pushes,
                    backwards=self.faults.reversed_pushes,
                )

    def _push_book(self, client: _Client) -> None:
        channel = f"orderbook.{SYMBOL}.1.20"
        if channel in client.channels:
            client.outbox.put_nowait(_pushed(channel, self.book.snapshot()))


def _pushed(channel: str, data: Any) -> bytes:
    params = {"channel": channel, "data": data}
    return orjson.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params})


def _envelope(number: Any, *, result: Any = None, error: RpcError | None = None) -> bytes:
    if error is not None:
        return orjson.dumps({"id": number, "error": error.told})
    return orjson.dumps({"id": number, "result": result})
