"""Orders, books and accounts of the fake Ethereal: price-time priority, matched in blocks."""

from __future__ import annotations

import itertools
import time
import uuid
from decimal import Decimal

from integration_harness.venues.ethereal.model import (
    PRODUCTS,
    ApiError,
    Faults,
    Json,
    Order,
    Product,
    Trader,
)
from integration_harness.venues.ethereal.rules import LONGEST_LIFE_S, Rules, reduces
from integration_harness.venues.ethereal.telling import Push, Telling


class Exchange:
    """Everything but the wire. `push` takes a stream's type, its symbol or subaccount, and data."""

    def __init__(self, push: Push) -> None:
        self.faults = Faults()
        self.traders: dict[int, Trader] = {}
        self.orders: dict[str, Order] = {}
        self.own_fills: set[str] = set()
        """Those of self-trades."""
        self.telling = Telling(
            push=push, now_ms=self.now_ms, traders=self.traders, orders=self.orders
        )
        self.received: list[tuple[str, Json]] = []
        self.rules = Rules(self.faults, self.traders, self.now_ms)
        self.most_live: dict[str, int] = {"buy": 0, "sell": 0}
        """The most live orders whose client id is like the bot's that a side of an account had."""
        self._held: list[Order] = []
        self._numbers = itertools.count(1)

    def now_ms(self) -> int:
        return int((time.time() + self.faults.clock_ahead_s) * 1000)

    @property
    def fills(self) -> list[Json]:
        return self.telling.fills

    def levels(self, symbol: str) -> Json:
        """Both sides as they are pushed, best first."""
        self.expire()
        return self.telling.levels(symbol)

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
        self.expire()
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
        trader = self.rules.signed("TradeOrder", data, body["signature"])
        self.rules.count_write(trader)
        if self.faults.rate_limited > 0:
            self.faults.rate_limited -= 1
            raise ApiError(429, "too many requests", "RATE_LIMIT_ACCOUNT")
        self.rules.may_write()
        product = self.rules.check_terms(data)
        self.rules.use_nonce(data)
        client = data.get("clientOrderId") or ""
        if client and any(
            o.label == client and o.subaccount_id == trader.subaccount_id
            for o in self.orders.values()
        ):
            raise ApiError(422, "DuplicateClientOrderId")
        if self.faults.codes:
            raise ApiError(422, self.faults.codes.popleft())
        self._check_margin(trader, data)
        if data["reduceOnly"] and not reduces(trader, product, data):
            raise ApiError(422, "OrderIncreasesPosition")
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
        self.telling.order(order)
        ticker = order.product.ticker
        ours = (f"mm{ticker}b", f"mm{ticker}s")
        live = [o for o in self.live(order.subaccount_id, ticker) if o.label.startswith(ours)]
        same = sum(o.direction == order.direction for o in live)
        self.most_live[order.direction] = max(self.most_live[order.direction], same)
        return order.reason or "Ok"

    def cancel(self, body: Json) -> list[Json]:
        self.received.append(("order/cancel", body))
        data = body["data"]
        trader = self.rules.signed("CancelOrder", data, body["signature"])
        self.rules.count_write(trader)
        self.rules.may_write()
        self.rules.use_nonce(data)
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
        self.expire()
        if order is None:
            return "NotFound"
        if self.faults.cancels_not_found > 0:
            self.faults.cancels_not_found -= 1
            return "NotFound"
        self._race(order)
        ended = {"FILLED": "AlreadyFilled", "EXPIRED": "AlreadyExpired"}
        if not order.works and order.status != "PENDING":
            return ended.get(order.status, "AlreadyCanceled")
        self._ended(order, "CANCELED")
        return "Ok"

    def _race(self, order: Order) -> None:
        """A stranger fills a part of an order just before its cancel is looked at."""
        if not order.works or self.faults.filled_before_cancel <= 0:
            return
        self.faults.filled_before_cancel -= 1
        side = "sell" if order.direction == "buy" else "buy"
        part = (order.left / 4).quantize(order.product.lot)
        taker = self._foreign(order.product.ticker, side, order.price, part, 0, "")
        self.orders[taker.order_id] = taker
        self._match(taker)

    def _ended(self, order: Order, status: str, reason: str = "") -> None:
        order.status, order.reason, order.updated_ms = status, reason, self.now_ms()
        self.telling.order(order)

    def expire(self) -> None:
        for order in self.orders.values():
            if (
                order.works or order.status == "PENDING"
            ) and order.expiry_s * 1000 <= self.now_ms():
                self._ended(order, "EXPIRED")

    def available(self, trader: Trader) -> Decimal:
        held = sum((o.left * o.price / 10 for o in self.live(trader.subaccount_id)), Decimal(0))
        return trader.collateral - held

    def _check_margin(self, trader: Trader, data: Json) -> None:
        if Decimal(data["price"]) * Decimal(data["quantity"]) / 10 > self.available(trader):
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
        self.expire()
        held, self._held = self._held, []
        for order in held:
            if order.status != "PENDING":
                continue
            order.status = "NEW"
            self._match(order)
            if order.left and not order.label:  # a stranger's
                self._ended(order, "CANCELED")

    def _opposite(self, order: Order) -> list[Order]:
        self.expire()
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
            is_own = other.subaccount_id == order.subaccount_id != 0
            if is_own and not self.faults.self_trades:
                self._ended(other, "CANCELED", "MakerCanceledByTaker")
                continue
            amount = min(order.left, other.left)
            for each, is_maker in ((order, False), (other, True)):
                each.filled += amount
                each.status = "FILLED_PARTIAL" if each.left else "FILLED"
                each.updated_ms = self.now_ms()
                number = self.telling.fill(each, other.price, amount, is_maker=is_maker)
                self.own_fills |= {number} if is_own else set()
                self.telling.order(each)
            self.telling.trade(order, other, amount)
