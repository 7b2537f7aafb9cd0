"""The exchange behind the fake Ethereal: books, accounts, signatures, limits, and its faults."""

from __future__ import annotations

import itertools
import re
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from eth_account import Account
from eth_account.messages import encode_typed_data

Json = dict[str, Any]
Push = Callable[[str, str, Json], None]

BLOCK_S: Final = 0.2
DOMAIN: Final = {
    "name": "Ethereal",
    "version": "1",
    "chainId": 13374202,
    "verifyingContract": "0x1F0327A80e43FEF1Cd872DC5d38dCe4A165c0643",
}
TYPES: Final = {
    "TradeOrder": "address sender, bytes32 subaccount, uint128 quantity, uint128 price, "
    "bool reduceOnly, uint8 side, uint8 engineType, uint32 productId, uint64 nonce, "
    "uint64 signedAt",
    "CancelOrder": "address sender, bytes32 subaccount, uint64 nonce",
}
WRITES_PER_MINUTE: Final = 220
NONCE_WINDOW_NS: Final = 600 * 10**9
SIGNED_WITHIN_S: Final = 60
LONGEST_LIFE_S: Final = 6_652_800
SLOW_INDEX_MS: Final = 1_000
LINK_LIFE_MS: Final = 90 * 86_400_000
_BILLION: Final = 10**9
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TITLES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    ticker: str
    base: str
    product_id: str
    onchain_id: int
    tick: Decimal
    lot: Decimal
    most: Decimal


PRODUCTS: Final = {
    "ETHUSD": Product(
        ticker="ETHUSD",
        base="ETH",
        product_id="2c0a9b52-2b5a-4f51-9d0c-000000000002",
        onchain_id=2,
        tick=Decimal("0.1"),
        lot=Decimal("0.001"),
        most=Decimal(1000),
    ),
    "BTCUSD": Product(
        ticker="BTCUSD",
        base="BTC",
        product_id="bc7d5575-3711-4532-a000-312bfacfb767",
        onchain_id=1,
        tick=Decimal(1),
        lot=Decimal("0.00001"),
        most=Decimal(1000),
    ),
}


class ApiError(Exception):
    """An answer that is no success."""

    def __init__(
        self, status: int, message: str, kind: str = "", retry_after_s: int | None = None
    ) -> None:
        self.status, self.message, self.kind = status, message, kind
        self.retry_after_s = retry_after_s
        super().__init__(message)

    @property
    def title(self) -> str:
        return _TITLES[self.status]


@dataclass(slots=True)
class Faults:
    """What goes wrong, until it is turned off again."""

    lose_replies: int = 0
    """So many orders are taken and then answered with 504."""
    lost_after_s: float = 0.0
    rate_limited: int = 0
    """So many orders are refused with 429."""
    cancels_not_found: int = 0
    """So many cancels answer NotFound and leave the order, as while it is in flight."""
    results: deque[str] = field(default_factory=deque)
    """The next orders are created and end at once with these."""
    codes: deque[str] = field(default_factory=deque)
    """The next orders are refused with 422 and these."""
    slow_index: bool = False
    """For a second after an order came no list and no client id finds it."""
    late_fills_s: float = 0.0
    """Fills are listed so much later than they happen."""
    late_positions_s: float = 0.0
    skipped_books: int = 0
    """So many changes of a book are never pushed."""
    duplicate_pushes: bool = False
    reversed_pushes: bool = False
    refused_channel: str = ""
    suspended: bool = False
    maintenance: bool = False
    """Writes answer 503."""
    foreign_contract: bool = False
    inactive: bool = False
    clock_ahead_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Order:
    order_id: str
    product: Product
    subaccount_id: int
    direction: str
    price: Decimal
    amount: Decimal
    label: str
    """Its client id."""
    nonce: str
    sender: str
    expiry_s: int
    created_ms: int
    updated_ms: int
    post_only: bool = True
    filled: Decimal = Decimal(0)
    status: str = "NEW"
    reason: str = ""

    @property
    def left(self) -> Decimal:
        return self.amount - self.filled

    @property
    def side(self) -> int:
        return 0 if self.direction == "buy" else 1

    @property
    def works(self) -> bool:
        return self.status in ("NEW", "FILLED_PARTIAL")


@dataclass(slots=True, kw_only=True)
class Trader:
    """An owner with one subaccount, and the keys that may sign for it."""

    owner: str
    subaccount_id: int
    name: str
    signers: set[str]
    collateral: Decimal = Decimal(1_000_000)
    positions: dict[str, Decimal] = field(default_factory=dict)
    """Signed, by ticker."""
    history: list[tuple[int, str, Decimal]] = field(default_factory=list)
    """(time, ticker, position from then on)."""

    @property
    def uuid(self) -> str:
        return str(uuid.UUID(int=self.subaccount_id))

    @property
    def word(self) -> str:
        return "0x" + self.name.encode().ljust(32, b"\0").hex()

    @property
    def position(self) -> Decimal:
        """Of the first product."""
        return self.positions.get("ETHUSD", Decimal(0))


class Exchange:
    """Everything but the wire. `push` takes a stream's type, its symbol or subaccount, and data."""

    def __init__(self, push: Push) -> None:
        self.faults = Faults()
        self.traders: dict[int, Trader] = {}
        self.orders: dict[str, Order] = {}
        self.fills: list[Json] = []
        self.trades: list[Json] = []
        self.received: list[tuple[str, Json]] = []
        self._push = push
        self._nonces: set[tuple[str, str]] = set()
        self._writes: dict[int, deque[float]] = {}
        self._held: list[Order] = []
        self._numbers = itertools.count(1)

    def now_ms(self) -> int:
        return int((time.time() + self.faults.clock_ahead_s) * 1000)

    def add_trader(self, owner: str, subaccount_id: int, signer: str) -> Trader:
        trader = Trader(
            owner=owner.lower(),
            subaccount_id=subaccount_id,
            name="primary",
            signers={owner.lower(), signer.lower()},
        )
        self.traders[subaccount_id] = trader
        return trader

    def live(self, subaccount_id: int, symbol: str | None = None) -> list[Order]:
        """Open orders, also those that wait for a block."""
        self._expire()
        return [
            o
            for o in self.orders.values()
            if o.subaccount_id == subaccount_id
            and (o.works or o.status == "PENDING")
            and symbol in (None, o.product.ticker)
        ]

    # Orders

    def place(self, body: Json) -> Json:
        self.received.append(("order", body))
        data = body["data"]
        trader = self._signed("TradeOrder", data, body["signature"])
        self._count_write(trader)
        if self.faults.rate_limited > 0:
            self.faults.rate_limited -= 1
            raise ApiError(429, "too many requests", "RATE_LIMIT_ACCOUNT")
        self._may_write()
        product = self._check_terms(data)
        self._use_nonce(data)
        client = data.get("clientOrderId") or ""
        if client and any(
            o.label == client and o.subaccount_id == trader.subaccount_id
            for o in self.orders.values()
        ):
            raise ApiError(422, "DuplicateClientOrderId")
        if self.faults.codes:
            raise ApiError(422, self.faults.codes.popleft())
        self._check_margin(trader, data)
        order = self._made(product, data, trader, client)
        result = self._enter(order)
        return {
            "id": order.order_id,
            "clientOrderId": client or None,
            "filled": "0",
            "result": result,
        }

    def _made(self, product: Product, data: Json, trader: Trader, client: str) -> Order:
        now_ms = self.now_ms()
        return Order(
            order_id=str(uuid.uuid4()),
            product=product,
            subaccount_id=trader.subaccount_id,
            direction="sell" if data["side"] else "buy",
            price=Decimal(data["price"]),
            amount=Decimal(data["quantity"]),
            label=client,
            nonce=data["nonce"],
            sender=data["sender"].lower(),
            expiry_s=data.get("expiresAt", data["signedAt"] + LONGEST_LIFE_S),
            created_ms=now_ms,
            updated_ms=now_ms,
            post_only=bool(data.get("postOnly")),
        )

    def _enter(self, order: Order) -> str:
        """The result of a new order: it rests, is refused, or waits for its block."""
        self.orders[order.order_id] = order
        if self.faults.results:
            order.status, order.reason = "REJECTED", self.faults.results.popleft()
        elif not order.post_only:
            order.status = "PENDING"
            self._held.append(order)
        elif any(self._crosses(order, other) for other in self._opposite(order)):
            order.status, order.reason = "REJECTED", "ImmediateMatchPostOnly"
        self._push_order(order)
        return order.reason or "Ok"

    def cancel(self, body: Json) -> list[Json]:
        self.received.append(("order/cancel", body))
        data = body["data"]
        trader = self._signed("CancelOrder", data, body["signature"])
        self._count_write(trader)
        self._may_write()
        self._use_nonce(data)
        ids, clients = data.get("orderIds") or [], data.get("clientOrderIds") or []
        if not (ids or clients) or max(len(ids), len(clients)) > 200:
            raise ApiError(400, "between 1 and 200 orders")
        mine = [o for o in self.orders.values() if o.subaccount_id == trader.subaccount_id]
        by_id, by_client = {o.order_id: o for o in mine}, {o.label: o for o in mine if o.label}
        results = [{"id": i, "result": self._cancel_one(by_id.get(i))} for i in ids]
        for client in clients:
            order = by_client.get(client)
            named = {"clientOrderId": client, "result": self._cancel_one(order)}
            results.append({"id": order.order_id, **named} if order is not None else named)
        return results

    def _cancel_one(self, order: Order | None) -> str:
        self._expire()
        if order is None:
            return "NotFound"
        if self.faults.cancels_not_found > 0:
            self.faults.cancels_not_found -= 1
            return "NotFound"
        ended = {"FILLED": "AlreadyFilled", "EXPIRED": "AlreadyExpired"}
        if not order.works and order.status != "PENDING":
            return ended.get(order.status, "AlreadyCanceled")
        self._ended(order, "CANCELED")
        return "Ok"

    def _ended(self, order: Order, status: str, reason: str = "") -> None:
        order.status, order.reason, order.updated_ms = status, reason, self.now_ms()
        self._push_order(order)

    def _expire(self) -> None:
        for order in self.orders.values():
            if (
                order.works or order.status == "PENDING"
            ) and order.expiry_s * 1000 <= self.now_ms():
                self._ended(order, "EXPIRED")

    # What a write must satisfy

    def _signed(self, name: str, data: Json, signature: str) -> Trader:
        """Whose it is, by the signature alone."""
        fields = [f.split(" ") for f in TYPES[name].split(", ")]
        types = {name: [{"name": each, "type": kind} for kind, each in fields]}
        message: Json = {
            "sender": data["sender"],
            "subaccount": data["subaccount"],
            "nonce": int(data["nonce"]),
        }
        if name == "TradeOrder":
            message |= {
                "quantity": int(Decimal(data["quantity"]) * _BILLION),
                "price": int(Decimal(data.get("price") or 0) * _BILLION),
                "reduceOnly": data["reduceOnly"],
                "side": data["side"],
                "engineType": data["engineType"],
                "productId": data["onchainId"],
                "signedAt": data["signedAt"],
            }
            if abs(data["signedAt"] - self.now_ms() / 1000) > SIGNED_WITHIN_S:
                raise ApiError(400, "signedAt is too far from now")
        typed = encode_typed_data(DOMAIN, types, message)
        found = Account.recover_message(typed, signature=signature).lower()
        if found != data["sender"].lower():
            raise ApiError(401, "invalid signature")
        for trader in self.traders.values():
            if trader.word == data["subaccount"] and found in trader.signers:
                return trader
        raise ApiError(422, "InvalidSigner")

    def _may_write(self) -> None:
        if self.faults.maintenance:
            raise ApiError(503, "maintenance")
        if self.faults.suspended:
            raise ApiError(422, "ExchangeSuspended")

    def _use_nonce(self, data: Json) -> None:
        key = (data["sender"].lower(), data["nonce"])
        if abs(int(data["nonce"]) - self.now_ms() * 10**6) > NONCE_WINDOW_NS:
            raise ApiError(400, "nonce is outside of the window")
        if key in self._nonces:
            raise ApiError(422, "NonceAlreadyUsed")
        self._nonces.add(key)

    def _count_write(self, trader: Trader) -> None:
        sent = self._writes.setdefault(trader.subaccount_id, deque())
        now = time.monotonic()
        while sent and now - sent[0] >= 60:
            sent.popleft()
        if len(sent) >= WRITES_PER_MINUTE:
            raise ApiError(429, "too many requests", "RATE_LIMIT_ACCOUNT", 1)
        sent.append(now)

    def writes_left(self, sender: str) -> int:
        for trader in self.traders.values():
            if sender.lower() in trader.signers:
                return WRITES_PER_MINUTE - len(self._writes.get(trader.subaccount_id, ()))
        return 0

    def _check_terms(self, data: Json) -> Product:
        product = next((p for p in PRODUCTS.values() if p.onchain_id == data["onchainId"]), None)
        if product is None:
            raise ApiError(404, "product not found")
        price, amount = Decimal(data["price"]), Decimal(data["quantity"])
        client = data.get("clientOrderId")
        if client and not _CLIENT_ID.fullmatch(client):
            raise ApiError(400, "clientOrderId must be a UUID or up to 32 letters and digits")
        if data["type"] != "LIMIT" or data["timeInForce"] not in ("GTD", "IOC", "FOK"):
            raise ApiError(400, "only limit orders here")
        if price <= 0 or price % product.tick:
            raise ApiError(400, "price is no multiple of the tick size")
        if not 0 < amount <= product.most or amount % product.lot:
            raise ApiError(422, "InvalidQuantity")
        life_s = data.get("expiresAt", data["signedAt"] + 1) - self.now_ms() / 1000
        if not 0 < life_s <= LONGEST_LIFE_S:
            raise ApiError(422, "InvalidExpireTime")
        return product

    def _available(self, trader: Trader) -> Decimal:
        held = sum((o.left * o.price / 10 for o in self.live(trader.subaccount_id)), Decimal(0))
        return trader.collateral - held

    def _check_margin(self, trader: Trader, data: Json) -> None:
        if Decimal(data["price"]) * Decimal(data["quantity"]) / 10 > self._available(trader):
            raise ApiError(422, "InsufficientBalance")

    # The books

    def rest(
        self,
        symbol: str,
        direction: str,
        price: Decimal,
        amount: Decimal,
        subaccount_id: int,
        label: str,
    ) -> Order:
        order = self._foreign(symbol, direction, price, amount, subaccount_id, label)
        self.orders[order.order_id] = order
        self._match(order)
        return order

    def take(self, symbol: str, direction: str, amount: Decimal) -> None:
        """An order of a stranger that takes at whatever price, in the next block."""
        price = Decimal(10**9) if direction == "buy" else PRODUCTS[symbol].tick
        order = self._foreign(symbol, direction, price, amount, 0, "")
        order.status, order.post_only = "PENDING", False
        self.orders[order.order_id] = order
        self._held.append(order)

    def _foreign(
        self,
        symbol: str,
        direction: str,
        price: Decimal,
        amount: Decimal,
        subaccount_id: int,
        label: str,
    ) -> Order:
        return Order(
            order_id=str(uuid.uuid4()),
            product=PRODUCTS[symbol],
            subaccount_id=subaccount_id,
            direction=direction,
            price=price,
            amount=amount,
            label=label,
            nonce=str(next(self._numbers)),
            sender="0x" + "00" * 20,
            expiry_s=2**34,
            created_ms=self.now_ms(),
            updated_ms=self.now_ms(),
        )

    def match_block(self) -> None:
        """What waited takes what rests now; what is left of it ends, as after an IOC."""
        self._expire()
        held, self._held = self._held, []
        for order in held:
            if order.status != "PENDING":
                continue
            order.status = "NEW"
            self._match(order)
            if order.left:
                self._ended(order, "CANCELED")

    def _opposite(self, order: Order) -> list[Order]:
        self._expire()
        side = "sell" if order.direction == "buy" else "buy"
        found = [
            o
            for o in self.orders.values()
            if o.product is order.product and o.direction == side and o.works
        ]
        sign = 1 if side == "sell" else -1
        return sorted(found, key=lambda o: (sign * o.price, o.created_ms))

    def _crosses(self, order: Order, other: Order) -> bool:
        if order.direction == "buy":
            return order.price >= other.price
        return order.price <= other.price

    def _match(self, order: Order) -> None:
        for other in self._opposite(order):
            if not order.left or not self._crosses(order, other):
                break
            if other.subaccount_id == order.subaccount_id and order.subaccount_id:
                self._ended(other, "CANCELED", "MakerCanceledByTaker")
                continue
            amount = min(order.left, other.left)
            for each, is_maker in ((order, False), (other, True)):
                each.filled += amount
                each.status = "FILLED_PARTIAL" if each.left else "FILLED"
                each.updated_ms = self.now_ms()
                self._book_fill(each, other.price, amount, is_maker=is_maker)
                self._push_order(each)
            self._book_trade(order, other, amount)

    def _book_fill(self, order: Order, price: Decimal, amount: Decimal, *, is_maker: bool) -> None:
        trader = self.traders.get(order.subaccount_id)
        if trader is None:
            return
        fill = {
            "id": str(uuid.uuid4()),
            "orderId": order.order_id,
            "clientOrderId": order.label or None,
            "price": format(price, "f"),
            "filled": format(amount, "f"),
            "type": "LIMIT",
            "side": order.side,
            "reduceOnly": False,
            "feeUsd": "0",
            "isMaker": is_maker,
            "productId": order.product.product_id,
            "subaccountId": trader.uuid,
            "createdAt": self.now_ms(),
        }
        sign = -1 if order.side else 1
        ticker = order.product.ticker
        held = trader.positions.get(ticker, Decimal(0)) + sign * amount
        trader.positions[ticker] = held
        trader.history.append((self.now_ms(), ticker, held))
        self.fills.append(fill)
        pushed = {
            "id": fill["id"],
            "oid": order.order_id,
            "px": fill["price"],
            "sz": fill["filled"],
        }
        self._push("OrderFill", trader.uuid, {"t": fill["createdAt"], "d": [pushed]})
        self._push("PositionUpdate", trader.uuid, {"t": fill["createdAt"], "d": []})

    def _book_trade(self, taker: Order, maker: Order, amount: Decimal) -> None:
        sides = [self.traders.get(o.subaccount_id) for o in (taker, maker)]
        trade = {
            "id": str(uuid.uuid4()),
            "price": format(maker.price, "f"),
            "filled": format(amount, "f"),
            "side": taker.side,
            "productId": taker.product.product_id,
            "createdAt": self.now_ms(),
        }
        self.trades.append(trade)
        shown = {
            "id": trade["id"],
            "px": trade["price"],
            "sz": trade["filled"],
            "sd": taker.side,
            "sids": [trader.uuid for trader in sides if trader is not None],
        }
        ticker = taker.product.ticker
        self._push("TradeFill", ticker, {"s": ticker, "t": trade["createdAt"], "d": [shown]})

    def levels(self, symbol: str) -> Json:
        """Both sides as they are pushed, best first."""
        self._expire()
        sides: dict[str, dict[Decimal, Decimal]] = {"buy": {}, "sell": {}}
        for o in self.orders.values():
            if o.product.ticker == symbol and o.works:
                side = sides[o.direction]
                side[o.price] = side.get(o.price, Decimal(0)) + o.left
        bids, asks = sorted(sides["buy"].items(), reverse=True), sorted(sides["sell"].items())
        return {
            "b": [[format(price, "f"), format(size, "f")] for price, size in bids],
            "a": [[format(price, "f"), format(size, "f")] for price, size in asks],
        }

    def _push_order(self, order: Order) -> None:
        trader = self.traders.get(order.subaccount_id)
        if trader is None:
            return
        shown = {
            "id": order.order_id,
            "cloid": order.label or None,
            "otyp": "LIMIT",
            "qty": format(order.amount, "f"),
            "aqty": format(order.left, "f"),
            "fill": format(order.filled, "f"),
            "px": format(order.price, "f"),
            "sd": order.side,
            "s": order.product.ticker,
            "sid": trader.uuid,
            "st": order.status,
            "t": order.updated_ms,
            "et": order.expiry_s,
            "po": order.post_only,
        }
        self._push("OrderUpdate", trader.uuid, {"t": order.updated_ms, "d": [shown]})

    # Reads

    def config(self) -> Json:
        domain: Json = dict(DOMAIN)
        if self.faults.foreign_contract:
            domain["verifyingContract"] = "0x" + "ab" * 20
        return {"domain": domain, "signatureTypes": dict(TYPES)}

    def products(self, asked: Json) -> Json:
        status = "CLOSED" if self.faults.inactive else "ACTIVE"
        listed = [
            {
                "id": p.product_id,
                "ticker": p.ticker,
                "displayTicker": f"{p.base}-USD",
                "engineType": 0,
                "onchainId": p.onchain_id,
                "status": status,
                "baseTokenName": p.base,
                "quoteTokenName": "USD",
                "tickSize": format(p.tick, "f"),
                "lotSize": format(p.lot, "f"),
                "minPrice": format(p.tick, "f"),
                "maxPrice": "900719925",
                "minQuantity": format(p.lot, "f"),
                "maxQuantity": format(p.most, "f"),
                "makerFee": "0",
                "takerFee": "0.0003",
                "maxLeverage": 10,
            }
            for p in PRODUCTS.values()
            if asked.get("ticker") in (None, p.ticker)
        ]
        return _page(listed, asked)

    def liquidity(self, asked: Json) -> Json:
        product = self._product(asked["productId"])
        levels = self.levels(product.ticker)
        now_ms = self.now_ms()
        return {
            "productId": product.product_id,
            "timestamp": now_ms,
            "previousTimestamp": now_ms - 200,
            "bids": levels["b"],
            "asks": levels["a"],
        }

    def market_price(self, asked: Json) -> Json:
        prices = []
        for product_id in asked["productIds"].split(","):
            levels = self.levels(self._product(product_id).ticker)
            price = {"productId": product_id}
            if levels["b"]:
                price["bestBidPrice"] = levels["b"][0][0]
            if levels["a"]:
                price["bestAskPrice"] = levels["a"][0][0]
            prices.append(price)
        return {"data": prices}

    def _product(self, product_id: str) -> Product:
        for product in PRODUCTS.values():
            if product.product_id == product_id:
                return product
        raise ApiError(404, "product not found")

    def _trader(self, asked: Json) -> Trader:
        for trader in self.traders.values():
            if trader.uuid == asked.get("subaccountId"):
                return trader
        raise ApiError(404, "subaccount not found")

    def subaccounts(self, asked: Json) -> Json:
        found = [
            {"id": t.uuid, "name": t.word, "account": t.owner, "createdAt": 0}
            for t in self.traders.values()
            if t.owner == asked["sender"].lower()
        ]
        return _page(found, asked)

    def balance(self, asked: Json) -> Json:
        trader = self._trader(asked)
        free = self._available(trader)
        entry = {
            "tokenName": "USD",
            "amount": format(trader.collateral, "f"),
            "available": format(free, "f"),
            "totalUsed": format(trader.collateral - free, "f"),
            "updatedAt": self.now_ms(),
        }
        return _page([entry], asked)

    def links(self, asked: Json) -> Json:
        trader = self._trader(asked)
        found = [
            {"signer": s, "status": "ACTIVE", "expiresAt": self.now_ms() + LINK_LIFE_MS}
            for s in sorted(trader.signers - {trader.owner})
        ]
        return _page(found, asked)

    def one_order(self, asked: Json) -> Json:
        self._expire()
        order = self.orders.get(asked["id"])
        if order is None:
            raise ApiError(404, "order not found")
        return self._shown(order)

    def list_orders(self, asked: Json) -> Json:
        self._expire()
        trader = self._trader(asked)
        for name in ("isWorking", "isPending"):
            if asked.get(name, "true") != "true":
                raise ApiError(400, f"{name} accepts only true")
        indexed_ms = self.now_ms() - (SLOW_INDEX_MS if self.faults.slow_index else 0)
        found = []
        for order in self.orders.values():
            product_ids = asked.get("productIds")
            skip = (
                order.subaccount_id != trader.subaccount_id
                or order.created_ms > indexed_ms
                or (product_ids and order.product.product_id not in product_ids.split(","))
                or asked.get("clientOrderId", order.label) != order.label
                or ("isWorking" in asked and not order.works)
                or ("isPending" in asked and order.status != "PENDING")
            )
            if not skip:
                found.append(self._shown(order))
        return _page(found[::-1], asked)

    def _shown(self, order: Order) -> Json:
        trader = self.traders.get(order.subaccount_id)
        shown = {
            "id": order.order_id,
            "clientOrderId": order.label or None,
            "type": "LIMIT",
            "availableQuantity": format(order.left, "f"),
            "quantity": format(order.amount, "f"),
            "side": order.side,
            "productId": order.product.product_id,
            "subaccountId": trader.uuid if trader is not None else "",
            "status": order.status,
            "reduceOnly": False,
            "close": False,
            "updatedAt": order.updated_ms,
            "createdAt": order.created_ms,
            "sender": order.sender,
            "price": format(order.price, "f"),
            "filled": format(order.filled, "f"),
            "stopPrice": "0",
            "timeInForce": "GTD",
            "expiresAt": order.expiry_s,
            "postOnly": order.post_only,
        }
        return shown | ({"rejectedReason": order.reason} if order.reason else {})

    def list_fills(self, asked: Json) -> Json:
        """Self-trades cannot happen here: the resting order is cancelled instead."""
        trader = self._trader(asked)
        after = int(asked.get("createdAfter", -1))
        listed_ms = self.now_ms() - int(self.faults.late_fills_s * 1000)
        product_ids = asked.get("productIds")
        found = [
            f
            for f in self.fills
            if f["subaccountId"] == trader.uuid
            and after < f["createdAt"] <= listed_ms
            and (not product_ids or f["productId"] in product_ids.split(","))
        ]
        return _page(found if asked.get("order") == "asc" else found[::-1], asked)

    def list_trades(self, asked: Json) -> Json:
        found = [t for t in self.trades if t["productId"] == asked["productId"]]
        return _page(found[::-1], asked)

    def _position(self, trader: Trader, product: Product) -> Json | None:
        shown_ms = self.now_ms() - int(self.faults.late_positions_s * 1000)
        known = [h for h in trader.history if h[1] == product.ticker]
        then = [h for h in known if h[0] <= shown_ms]
        held = trader.positions.get(product.ticker, Decimal(0))
        at_ms = known[-1][0] if known else 0
        if len(then) < len(known):
            at_ms, _, held = then[-1] if then else (0, "", Decimal(0))
        if not held:
            return None
        return {
            "id": f"{trader.uuid}:{product.ticker}",
            "size": format(abs(held), "f"),
            "side": 1 if held < 0 else 0,
            "cost": "0",
            "realizedPnl": "0",
            "productId": product.product_id,
            "createdAt": at_ms,
            "updatedAt": at_ms,
        }

    def positions(self, asked: Json) -> Json:
        trader = self._trader(asked)
        each = (self._position(trader, product) for product in PRODUCTS.values())
        return _page([position for position in each if position is not None], asked)

    def active_position(self, asked: Json) -> Json:
        found = self._position(self._trader(asked), self._product(asked["productId"]))
        if found is None:
            raise ApiError(404, "no active position")
        return found


def _page(entries: list[Json], asked: Json) -> Json:
    size, begin = int(asked.get("limit", 100)), int(asked.get("cursor") or 0)
    end = begin + size
    more = end < len(entries)
    return {
        "data": entries[begin:end],
        "hasNext": more,
        "nextCursor": str(end) if more else None,
    }
