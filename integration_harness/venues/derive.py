"""Derive v3 as a server: JSON-RPC over a WebSocket and over HTTP, on one port.

One book with price-time priority; orders, trades, positions and collateral by subaccount; every
signature checked with eth-account's own typed data. `faults` are switches a test may turn at any
time. Source: the vendor's v3 specification, 2026-11.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import orjson
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from integration_harness.venues.serving import Client, FakeServer

CHAIN_ID: Final = 11155111
MATCHING: Final = "0xeB8d770ec18DB98Db922E9D83260A585b9F0DeAD"
TRADE_MODULE: Final = "0xB8D20c2B7a1Ad2EE33Bc50eF10876eD3035b5e7b"
DOMAIN: Final = {
    "name": "Matching",
    "version": "1.0",
    "chainId": CHAIN_ID,
    "verifyingContract": MATCHING,
}
DOMAIN_SEPARATOR: Final = "0x24d674cd5f2b9d564691c51e9d88f649b99246a2244dd74ce27b96578d773e85"
ACTION: Final = {
    "Action": [
        {"name": "subaccountId", "type": "uint256"},
        {"name": "nonce", "type": "uint256"},
        {"name": "module", "type": "address"},
        {"name": "data", "type": "bytes"},
        {"name": "expiry", "type": "uint256"},
        {"name": "owner", "type": "address"},
        {"name": "signer", "type": "address"},
    ]
}
ONE: Final = 10**18
NONCE_WINDOW_NS: Final = 3600 * 10**9
LEAST_LIFE_S: Final = 300
MUTE_S: Final = 60.0
LONGEST_LIFE_S: Final = 10_368_000


class RpcError(Exception):
    """An answered error."""

    def __init__(self, code: int, message: str, data: str = "") -> None:
        self.code, self.message, self.data = code, message, data
        super().__init__(message)


@dataclass(slots=True)
class Faults:
    """What goes wrong, until it is turned off again."""

    lose_replies: int = 0
    """So many replies to orders are never sent, though the orders are taken."""
    confirmation_timeouts: int = 0
    """So many orders are taken and answered with 9000."""
    rate_limited: int = 0
    """So many requests to the matching engine are refused with -32000."""
    duplicate_pushes: bool = False
    reversed_pushes: bool = False
    refused_channel: str = ""
    disarmed: bool = False
    """Cancel-on-disconnect is not kept, though asked for."""
    disconnects_unseen: bool = False
    """It is kept, and does nothing."""
    swallowed: int = 0
    """So many orders are neither taken nor answered."""
    refused: int = 0
    """So many orders are refused for want of funds."""
    no_orders: bool = False
    """Every order is refused with -32000; cancels are not."""
    filled_before_cancel: int = 0
    """So many cancels come just after a part of their order was filled."""
    no_pushes: bool = False
    mute: bool = False
    """Nothing is answered."""
    reply_delay_s: float = 0.0
    clock_s: float = 0.0
    """How far the exchange's clock is ahead of the machine's."""


@dataclass(slots=True, kw_only=True)
class Order:
    order_id: str
    subaccount_id: int
    direction: str
    price: Decimal
    amount: Decimal
    label: str
    nonce: str
    signer: str
    expiry_s: int
    created_ms: int
    filled: Decimal = Decimal(0)
    status: str = "open"
    cancel_reason: str = ""

    @property
    def left(self) -> Decimal:
        return self.amount - self.filled


@dataclass(slots=True, kw_only=True)
class Trader:
    """A wallet with one subaccount, and the keys that may sign for it."""

    owner: str
    subaccount_id: int
    signers: set[str]
    position: Decimal = Decimal(0)
    collateral: Decimal = Decimal(1_000_000)
    cancel_on_disconnect: bool = False


@dataclass(eq=False, slots=True)
class _Client(Client):
    wallet: str = ""
    channels: set[str] = field(default_factory=set)


class DeriveServer(FakeServer[_Client]):
    """One perpetual, ETH-PERP."""

    symbol: Final = "ETH-PERP"
    log_level = "error"

    def __init__(self) -> None:
        super().__init__()
        self.faults = Faults()
        self.traders: dict[int, Trader] = {}
        self.orders: dict[str, Order] = {}
        self.trades: list[dict[str, Any]] = []
        self.received: list[tuple[str, dict[str, Any]]] = []
        """Every private request that changes something, as it came."""
        self.band: tuple[Decimal, Decimal] | None = None
        """The lowest and the highest price that is taken."""
        self.most_live: dict[str, int] = {"buy": 0, "sell": 0}
        """The most live orders labelled `mm:` that a direction of one account ever had."""
        self._nonces: set[tuple[str, str]] = set()
        self._ticks = itertools.count(1)

    # For tests

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/v3/ws"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v3"

    def add_trader(self, owner: str, subaccount_id: int, signer: str) -> Trader:
        trader = Trader(
            owner=owner.lower(),
            subaccount_id=subaccount_id,
            signers={owner.lower(), signer.lower()},
        )
        self.traders[subaccount_id] = trader
        return trader

    def _routes(self) -> list[BaseRoute]:
        return [
            WebSocketRoute("/v3/ws", self._socket),
            Route("/v3/{method:path}", self._http, methods=["POST"]),
        ]

    def live(self, subaccount_id: int) -> list[Order]:
        """The open orders of a subaccount."""
        now = self._now()
        return [
            o
            for o in self.orders.values()
            if o.subaccount_id == subaccount_id and o.status == "open" and o.expiry_s > now
        ]

    def rest(
        self, direction: str, price: str, amount: str, *, subaccount_id: int = 0, label: str = ""
    ) -> Order:
        """A resting order put into the book directly: a stranger's, or as from another tool of a
        subaccount."""
        order: Order = self._do(
            lambda: self._add_foreign(direction, price, amount, subaccount_id, label)
        )
        return order

    def take(self, direction: str, amount: str) -> None:
        """A stranger takes that much from the other side, at whatever price."""
        price = Decimal(10**9) if direction == "buy" else Decimal("0.01")
        taker = self._foreign_order(direction, price, Decimal(amount), 0)
        self._do(lambda: self._match(taker))

    def set_band(self, low: str, high: str) -> None:
        """Take prices between these alone, and say so."""
        self.band = (Decimal(low), Decimal(high))
        self._do(lambda: self._push(*self._ticker()))

    def _now(self) -> float:
        """Unix seconds by the exchange's clock."""
        return time.time() + self.faults.clock_s

    # The wire

    async def _http(self, request: Request) -> Response:
        method = request.path_params["method"]
        params = orjson.loads(await request.body() or b"{}")
        if self.faults.mute:
            await asyncio.sleep(MUTE_S)  # longer than anybody waits
        wallet = ""
        if method.startswith("private/"):
            stamp = request.headers.get("x-derivetimestamp", "")
            wallet = request.headers.get("x-derivewallet", "")
            signature = request.headers.get("x-derivesignature", "")
            if not self._is_wallet(wallet, stamp, signature):
                return Response(_envelope(None, error=RpcError(14021, "wallet header missing")))
        try:
            return Response(_envelope(None, result=self._call(method, params, wallet.lower())))
        except RpcError as error:
            return Response(_envelope(None, error=error), status_code=400)

    def _client(self, socket: WebSocket) -> _Client:
        return _Client(socket)

    def _hang_up(self, client: _Client, code: int) -> None:
        self._left(client)
        super()._hang_up(client, code)

    def _left(self, client: _Client) -> None:
        if client not in self._clients:
            return
        super()._left(client)
        for trader in self.traders.values():
            armed = trader.cancel_on_disconnect and not self.faults.disconnects_unseen
            if trader.owner == client.wallet and armed:
                for order in self.live(trader.subaccount_id):
                    self._cancelled(order, "cancel_on_disconnect")

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
        if method == "private/order" and self.faults.lose_replies > 0:
            self.faults.lose_replies -= 1
            return
        client.outbox.put_nowait(_envelope(number, result=result))
        if method == "subscribe":
            self._push_book(client)
            self._push(*self._ticker())

    def _swallows(self, method: str, params: dict[str, Any]) -> bool:
        if method != "private/order" or self.faults.swallowed <= 0:
            return False
        self.faults.swallowed -= 1
        self.received.append((method, params))
        return True

    def _is_wallet(self, wallet: str, stamp: str, signature: str) -> bool:
        try:
            found = Account.recover_message(encode_defunct(text=stamp), signature=signature)
            fresh = abs(int(stamp) / 1000 - self._now()) < 60
        except Exception:
            return False
        return fresh and any(found.lower() in t.signers for t in self._of(wallet.lower()))

    def _of(self, wallet: str) -> list[Trader]:
        return [trader for trader in self.traders.values() if trader.owner == wallet]

    def _login(self, client: _Client, params: dict[str, Any]) -> list[int]:
        wallet = params["wallet"].lower()
        if not self._is_wallet(wallet, params["timestamp"], params["signature"]):
            raise RpcError(14014, "invalid signature")
        client.wallet = wallet
        return [trader.subaccount_id for trader in self._of(wallet)]

    def _subscribe(self, client: _Client, channels: list[str]) -> dict[str, Any]:
        status = {}
        for channel in channels:
            if self.faults.refused_channel and self.faults.refused_channel in channel:
                status[channel] = "channel refused"
                continue
            client.channels.add(channel)
            status[channel] = "ok"
        return {"status": status, "current_subscriptions": sorted(client.channels)}

    # The methods

    def _call(self, method: str, params: dict[str, Any], wallet: str) -> Any:
        if method == "public/get_instrument":
            return self._instrument(params)
        if method == "public/get_time":
            return int(self._now() * 1000)
        if not method.startswith("private/"):
            raise RpcError(-32601, "method not found", method)
        if method == "private/get_account":
            mine = self._of(wallet)
            return {
                "cancel_on_disconnect": any(t.cancel_on_disconnect for t in mine),
                "subaccount_ids": [t.subaccount_id for t in mine],
                "websocket_matching_tps": 5,
            }
        trader = self.traders.get(params.get("subaccount_id", -1))
        if trader is None or trader.owner != wallet:
            raise RpcError(14001, "subaccount not found")
        known: dict[str, Callable[[Trader, dict[str, Any]], Any]] = {
            "private/order": self._order,
            "private/order_debug": self._order_debug,
            "private/cancel": self._cancel,
            "private/cancel_by_nonce": self._cancel_by_nonce,
            "private/get_subaccount": self._subaccount,
            "private/get_order_history": self._order_history,
            "private/get_trade_history": self._trade_history,
        }
        if method not in known:
            raise RpcError(-32601, "method not found", method)
        return known[method](trader, params)

    def _instrument(self, params: dict[str, Any]) -> dict[str, Any]:
        if params.get("instrument_name") != self.symbol:
            raise RpcError(12001, "instrument not found")
        return {
            "instrument_name": self.symbol,
            "instrument_type": "perp",
            "is_active": True,
            "base_currency": "ETH",
            "quote_currency": "USDC",
            "base_asset_address": "0xaf65752c4643e25c02f693f9d4fe19cf23a095e3",
            "base_asset_sub_id": "0",
            "tick_size": "0.01",
            "amount_step": "0.001",
            "minimum_amount": "0.01",
            "maximum_amount": "1000",
            "maker_fee_rate": "0.0001",
            "taker_fee_rate": "0.0003",
            "base_fee": "0.1",
        }

    def _order(self, trader: Trader, params: dict[str, Any]) -> dict[str, Any]:
        self.received.append(("private/order", params))
        if self.faults.rate_limited > 0:
            self.faults.rate_limited -= 1
            raise RpcError(-32000, "rate limit exceeded", "retry in 1000 ms")
        if self.faults.no_orders:
            raise RpcError(-32000, "rate limit exceeded", "retry in 1000 ms")
        if self.faults.refused > 0:
            self.faults.refused -= 1
            raise RpcError(11000, "insufficient funds")
        self._check_signature(trader, params)
        key = (trader.owner, params["nonce"])
        if key in self._nonces:
            raise RpcError(11017, "nonce not unique")
        self._check_terms(params)
        order = Order(
            order_id=str(uuid.uuid4()),
            subaccount_id=trader.subaccount_id,
            direction=params["direction"],
            price=Decimal(params["limit_price"]),
            amount=Decimal(params["amount"]),
            label=params.get("label", ""),
            nonce=params["nonce"],
            signer=params["signer"],
            expiry_s=params["signature_expiry_sec"],
            created_ms=int(self._now() * 1000),
        )
        crossed = [o for o in self._opposite(order) if self._crosses(order, o)]
        if any(o.subaccount_id == trader.subaccount_id for o in crossed):
            raise RpcError(11007, "self-crossing disallowed")
        if params.get("time_in_force") == "post_only" and crossed:
            raise RpcError(11008, "post only would cross")
        self._nonces.add(key)
        trades = self._match(order)
        ours = [o for o in self.live(trader.subaccount_id) if o.label.startswith("mm:")]
        count = sum(o.direction == order.direction for o in ours)
        self.most_live[order.direction] = max(self.most_live[order.direction], count)
        if self.faults.confirmation_timeouts > 0:
            self.faults.confirmation_timeouts -= 1
            raise RpcError(9000, "order confirmation timeout")
        return {"order": self._shown(order), "trades": trades}

    def _check_terms(self, params: dict[str, Any]) -> None:
        price, amount = Decimal(params["limit_price"]), Decimal(params["amount"])
        now = self._now()
        if not LEAST_LIFE_S <= params["signature_expiry_sec"] - now <= LONGEST_LIFE_S:
            raise RpcError(11011, "invalid signature expiry")
        if abs(int(params["nonce"]) - int(now * 10**9)) > NONCE_WINDOW_NS:
            raise RpcError(11018, "nonce date outside of the window")
        if amount % Decimal("0.001") or not Decimal("0.01") <= amount <= 1000:
            raise RpcError(11012, "invalid amount")
        outside = self.band is not None and not self.band[0] <= price <= self.band[1]
        if price % Decimal("0.01") or price <= 0 or outside:
            raise RpcError(11013, "invalid limit price")
        least_fee = price * Decimal("0.0003") + Decimal("0.1") / amount
        if Decimal(params["max_fee"]) < least_fee:
            raise RpcError(11023, "signed max fee too low")

    def _check_signature(self, trader: Trader, params: dict[str, Any]) -> None:
        if self._recovered(trader, params) not in trader.signers:
            raise RpcError(14014, "invalid signature")

    def _recovered(self, trader: Trader, params: dict[str, Any]) -> str:
        words = (
            bytes.fromhex("af65752c4643e25c02f693f9d4fe19cf23a095e3").rjust(32, b"\0"),
            (0).to_bytes(32),
            int(Decimal(params["limit_price"]) * ONE).to_bytes(32, signed=True),
            int(Decimal(params["amount"]) * ONE).to_bytes(32, signed=True),
            int(Decimal(params["max_fee"]) * ONE).to_bytes(32),
            trader.subaccount_id.to_bytes(32),
            int(params["direction"] == "buy").to_bytes(32),
        )
        message = {
            "subaccountId": trader.subaccount_id,
            "nonce": int(params["nonce"]),
            "module": TRADE_MODULE,
            "data": b"".join(words),
            "expiry": params["signature_expiry_sec"],
            "owner": trader.owner,
            "signer": params["signer"],
        }
        typed = encode_typed_data(DOMAIN, ACTION, message)
        found: str = Account.recover_message(typed, signature=params["signature"])
        return found.lower()

    def _order_debug(self, trader: Trader, params: dict[str, Any]) -> dict[str, Any]:
        return {
            "domain_separator": DOMAIN_SEPARATOR,
            "module": TRADE_MODULE,
            "owner": trader.owner,
            "expected_signer": params["signer"],
            "recovered_signer": self._recovered(trader, params),
        }

    def _cancel(self, trader: Trader, params: dict[str, Any]) -> dict[str, Any]:
        self.received.append(("private/cancel", params))
        order = self.orders.get(params["order_id"])
        self._race(order)
        if order is None or order.subaccount_id != trader.subaccount_id:
            raise RpcError(11006, "order does not exist")
        if order.status != "open":
            codes = {"cancelled": 11003, "filled": 11004, "expired": 11005}
            raise RpcError(codes.get(order.status, 11006), f"already {order.status}")
        self._cancelled(order, "user_request")
        return self._shown(order)

    def _race(self, order: Order | None) -> None:
        """A stranger fills a part of an order just before its cancel is looked at."""
        if order is None or order.status != "open" or self.faults.filled_before_cancel <= 0:
            return
        self.faults.filled_before_cancel -= 1
        side = "sell" if order.direction == "buy" else "buy"
        part = (order.left / 4).quantize(Decimal("0.001"))
        self._match(self._foreign_order(side, order.price, part, 0))

    def _cancel_by_nonce(self, trader: Trader, params: dict[str, Any]) -> dict[str, Any]:
        self.received.append(("private/cancel_by_nonce", params))
        self._nonces.add((trader.owner, params["nonce"]))
        found = [o for o in self.live(trader.subaccount_id) if o.nonce == params["nonce"]]
        for order in found:
            self._cancelled(order, "user_request")
        return {"cancelled_orders": len(found)}

    def _subaccount(self, trader: Trader, params: dict[str, Any]) -> dict[str, Any]:
        positions = [{"instrument_name": self.symbol, "amount": format(trader.position, "f")}]
        return {
            "subaccount_id": trader.subaccount_id,
            "positions": positions if trader.position else [],
            "collaterals": [{"asset_name": "USDC", "amount": format(trader.collateral, "f")}],
            "open_orders": [self._shown(o) for o in self.live(trader.subaccount_id)],
        }

    def _order_history(self, trader: Trader, params: dict[str, Any]) -> dict[str, Any]:
        self._expire()
        ended = [
            self._shown(o)
            for o in self.orders.values()
            if o.subaccount_id == trader.subaccount_id and o.status != "open"
        ]
        return {"orders": _page(ended[::-1], params), "pagination": {"count": len(ended)}}

    def _trade_history(self, trader: Trader, params: dict[str, Any]) -> dict[str, Any]:
        since = params.get("from_timestamp", 0)
        found = [
            t
            for t in self.trades
            if t["subaccount_id"] == trader.subaccount_id and t["timestamp"] >= since
        ]
        return {"trades": _page(found[::-1], params), "pagination": {"count": len(found)}}

    # The book

    def _foreign_order(
        self, direction: str, price: Decimal, amount: Decimal, subaccount_id: int
    ) -> Order:
        number = next(self._ticks)
        return Order(
            order_id=f"foreign-{number}",
            subaccount_id=subaccount_id,
            direction=direction,
            price=price,
            amount=amount,
            label="",
            nonce=str(number),
            signer="",
            expiry_s=2**40,
            created_ms=int(self._now() * 1000),
        )

    def _add_foreign(
        self, direction: str, price: str, amount: str, subaccount_id: int, label: str
    ) -> Order:
        order = self._foreign_order(direction, Decimal(price), Decimal(amount), subaccount_id)
        order.label = label
        self._match(order)
        return order

    def _opposite(self, order: Order) -> list[Order]:
        now = self._now()
        side = "sell" if order.direction == "buy" else "buy"
        found = [
            o
            for o in self.orders.values()
            if o.direction == side and o.status == "open" and o.expiry_s > now
        ]
        sign = 1 if side == "sell" else -1
        return sorted(found, key=lambda o: (sign * o.price, o.created_ms))

    def _crosses(self, order: Order, other: Order) -> bool:
        if order.direction == "buy":
            return order.price >= other.price
        return order.price <= other.price

    def _match(self, order: Order) -> list[dict[str, Any]]:
        """Trade with what it crosses; what is left of it rests, but for a taker from outside."""
        made: list[dict[str, Any]] = []
        for other in self._opposite(order):
            if not order.left or not self._crosses(order, other):
                break
            amount = min(order.left, other.left)
            for each, role in ((order, "taker"), (other, "maker")):
                each.filled += amount
                if not each.left:
                    each.status = "filled"
                trade = self._trade(each, other.price, amount, role)
                if each is order:
                    made.append(trade)
            self._push_order(other)
        if order.order_id.startswith("foreign") and order.price in (10**9, Decimal("0.01")):
            order.status = "cancelled" if order.left else "filled"
        self.orders[order.order_id] = order
        self._push_order(order)
        self._push_books()
        return made

    def _trade(self, order: Order, price: Decimal, amount: Decimal, role: str) -> dict[str, Any]:
        trade = {
            "trade_id": str(uuid.uuid4()),
            "order_id": order.order_id,
            "instrument_name": self.symbol,
            "direction": order.direction,
            "trade_price": format(price, "f"),
            "trade_amount": format(amount, "f"),
            "trade_fee": "0",
            "liquidity_role": role,
            "timestamp": int(self._now() * 1000),
            "label": order.label,
            "subaccount_id": order.subaccount_id,
        }
        trader = self.traders.get(order.subaccount_id)
        if trader is not None:
            sign = 1 if order.direction == "buy" else -1
            trader.position += sign * amount
            trader.collateral -= sign * amount * price
        self.trades.append(trade)
        self._push(f"{order.subaccount_id}.trades", [trade])
        if role == "taker":
            self._push(f"trades.{self.symbol}", [trade])
        return trade

    def _cancelled(self, order: Order, reason: str) -> None:
        order.status, order.cancel_reason = "cancelled", reason
        self._push_order(order)
        self._push_books()

    def _expire(self) -> None:
        for order in self.orders.values():
            if order.status == "open" and order.expiry_s <= self._now():
                order.status = "expired"

    def _shown(self, order: Order) -> dict[str, Any]:
        return {
            "subaccount_id": order.subaccount_id,
            "order_id": order.order_id,
            "instrument_name": self.symbol,
            "direction": order.direction,
            "label": order.label,
            "creation_timestamp": order.created_ms,
            "last_update_timestamp": int(self._now() * 1000),
            "limit_price": format(order.price, "f"),
            "amount": format(order.amount, "f"),
            "filled_amount": format(order.filled, "f"),
            "order_type": "limit",
            "time_in_force": "post_only",
            "order_status": order.status,
            "cancel_reason": order.cancel_reason,
            "nonce": order.nonce,
            "signer": order.signer,
            "signature_expiry_sec": order.expiry_s,
        }

    # Pushes

    def _ticker(self) -> tuple[str, dict[str, Any]]:
        low, high = self.band or (None, None)
        told = {
            "minp": None if low is None else format(low, "f"),
            "maxp": None if high is None else format(high, "f"),
        }
        data = {"timestamp": int(self._now() * 1000), "instrument_ticker": told}
        return f"ticker_slim.{self.symbol}.1000", data

    def _push_order(self, order: Order) -> None:
        self._push(f"{order.subaccount_id}.orders", [self._shown(order)])

    def _push_books(self) -> None:
        if self.faults.no_pushes:
            return
        for client in self._clients:
            self._push_book(client)

    def _push_book(self, client: _Client) -> None:
        channel = f"orderbook.{self.symbol}.1.20"
        if channel in client.channels:
            client.outbox.put_nowait(_pushed(channel, self._book()))

    def _book(self) -> dict[str, Any]:
        levels: dict[str, dict[Decimal, Decimal]] = {"buy": {}, "sell": {}}
        now = self._now()
        for o in self.orders.values():
            if o.status == "open" and o.expiry_s > now:
                side = levels[o.direction]
                side[o.price] = side.get(o.price, Decimal(0)) + o.left
        bids, asks = sorted(levels["buy"].items(), reverse=True), sorted(levels["sell"].items())
        return {
            "instrument_name": self.symbol,
            "timestamp": int(now * 1000),
            "publish_id": next(self._ticks),
            "bids": [[format(p, "f"), format(s, "f")] for p, s in bids[:20]],
            "asks": [[format(p, "f"), format(s, "f")] for p, s in asks[:20]],
        }

    def _push(self, channel: str, data: Any) -> None:
        if self.faults.no_pushes:
            return
        for client in self._clients:
            if channel not in client.channels:
                continue
            faults = self.faults
            client.push(
                _pushed(channel, data),
                twice=faults.duplicate_pushes,
                backwards=faults.reversed_pushes,
            )


def _page(entries: list[dict[str, Any]], params: dict[str, Any]) -> list[dict[str, Any]]:
    size, page = params.get("page_size", 100), params.get("page", 1)
    return entries[(page - 1) * size : page * size]


def _pushed(channel: str, data: Any) -> bytes:
    params = {"channel": channel, "data": data}
    return orjson.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params})


def _envelope(number: Any, *, result: Any = None, error: RpcError | None = None) -> bytes:
    if error is not None:
        told = {"code": error.code, "message": error.message, "data": error.data}
        return orjson.dumps({"id": number, "error": told})
    return orjson.dumps({"id": number, "result": result})
