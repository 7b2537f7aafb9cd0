"""The book of the fake Derive: one perpetual, price-time priority, trades and how they settle."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from integration_harness.venues.derive.model import FAR, SYMBOL, TICK, Faults, Json, Order, Trader

Push = Callable[[str, Any], None]


class Book:
    """Orders and trades. `push` takes a channel and its data; the book's is pushed whenever
    `orderbook` is."""

    def __init__(self, push: Push) -> None:
        self.faults = Faults()
        self.traders: dict[int, Trader] = {}
        self.orders: dict[str, Order] = {}
        self.trades: list[Json] = []
        self._failed: set[str] = set()
        """Trades whose failure was pushed."""
        self._push = push
        self._ticks = itertools.count(1)

    def now_s(self) -> float:
        """Unix seconds by the exchange's clock."""
        return time.time() + self.faults.clock_ahead_s

    def live(self, subaccount_id: int) -> list[Order]:
        """The open orders of a subaccount."""
        now = self.now_s()
        return [
            o
            for o in self.orders.values()
            if o.subaccount_id == subaccount_id and o.status == "open" and o.expiry_s > now
        ]

    def cancelled(self, order: Order, reason: str) -> None:
        order.status, order.cancel_reason = "cancelled", reason
        self._push_order(order)
        self._push("orderbook", None)

    def expire(self) -> None:
        for order in self.orders.values():
            if order.status == "open" and order.expiry_s <= self.now_s():
                order.status = "expired"

    def rest(
        self, direction: str, price: Decimal, amount: Decimal, subaccount_id: int, label: str
    ) -> Order:
        """An order put into the book directly."""
        order = self.foreign(direction, price, amount, subaccount_id)
        order.label = label
        self.match(order)
        return order

    def take(self, direction: str, amount: Decimal) -> None:
        """A stranger takes that much, at whatever price, and withdraws the rest."""
        order = self.foreign(direction, FAR if direction == "buy" else TICK, amount, 0)
        order.takes = True
        self.match(order)

    def foreign(self, direction: str, price: Decimal, amount: Decimal, subaccount_id: int) -> Order:
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
            created_ms=int(self.now_s() * 1000),
        )

    def opposite(self, order: Order) -> list[Order]:
        now = self.now_s()
        side = "sell" if order.direction == "buy" else "buy"
        found = [
            o
            for o in self.orders.values()
            if o.direction == side and o.status == "open" and o.expiry_s > now
        ]
        sign = 1 if side == "sell" else -1
        return sorted(found, key=lambda o: (sign * o.price, o.created_ms))

    def match(self, order: Order) -> list[Json]:
        """Trade with what it crosses; what is left of it rests, but for a taker's."""
        made: list[Json] = []
        for other in self.opposite(order):
            if not order.left or not crosses(order, other):
                break
            amount, at_ms = min(order.left, other.left), int(self.now_s() * 1000)
            for each, role in ((order, "taker"), (other, "maker")):
                each.filled += amount
                if not each.left:
                    each.status = "filled"
                trade = self._trade(each, other.price, amount, role, at_ms)
                if each is order:
                    made.append(trade)
            self._push_order(other)
        if order.takes:
            order.status = "cancelled" if order.left else "filled"
        self.orders[order.order_id] = order
        self._push_order(order)
        self._push("orderbook", None)
        return made

    def _trade(self, order: Order, price: Decimal, amount: Decimal, role: str, at_ms: int) -> Json:
        trade = {
            "trade_id": str(uuid.uuid4()),
            "order_id": order.order_id,
            "instrument_name": SYMBOL,
            "direction": order.direction,
            "trade_price": format(price, "f"),
            "trade_amount": format(amount, "f"),
            "trade_fee": "0",
            "liquidity_role": role,
            "timestamp": at_ms,
            "label": order.label,
            "subaccount_id": order.subaccount_id,
            "tx_hash": None,
            "fails": False,
        }
        trader = self.traders.get(order.subaccount_id)
        if trader is not None:
            sign = 1 if order.direction == "buy" else -1
            trader.position += sign * amount
            trader.collateral -= sign * amount * price
            if self.faults.unsettled > 0:
                self.faults.unsettled -= 1
                trade["fails"] = True
        self.trades.append(trade)
        told = self.told(trade)
        self._push(f"{order.subaccount_id}.trades", [told])
        if role == "taker":
            self._push(f"trades.{SYMBOL}", [told])
        return told

    def told(self, trade: Json) -> Json:
        """A private trade as it stands now: how far it has settled."""
        done = self._settled(trade) and not self.faults.settlement_unlisted
        status = "SettlingError" if trade["fails"] else "Settled"
        told = {name: value for name, value in trade.items() if name != "fails"}
        return {**told, "batch_status": status if done else "Batching"}

    def settle(self) -> None:
        """Tell of each trade that failed by now."""
        for trade in self.trades:
            if trade["fails"] and trade["trade_id"] not in self._failed and self._settled(trade):
                self._failed.add(trade["trade_id"])
                told = {**self.told(trade), "batch_status": "SettlingError"}
                self._push(f"{trade['subaccount_id']}.trades.SettlingError", [told])

    def _settled(self, trade: Json) -> bool:
        return bool(self.now_s() * 1000 >= trade["timestamp"] + self.faults.settle_s * 1000)

    def snapshot(self) -> Json:
        """The snapshot that is pushed."""
        levels: dict[str, dict[Decimal, Decimal]] = {"buy": {}, "sell": {}}
        now = self.now_s()
        for o in self.orders.values():
            if o.status == "open" and o.expiry_s > now:
                side = levels[o.direction]
                side[o.price] = side.get(o.price, Decimal(0)) + o.left
        bids, asks = sorted(levels["buy"].items(), reverse=True), sorted(levels["sell"].items())
        return {
            "instrument_name": SYMBOL,
            "timestamp": int(now * 1000),
            "publish_id": next(self._ticks),
            "bids": [[format(p, "f"), format(s, "f")] for p, s in bids[:20]],
            "asks": [[format(p, "f"), format(s, "f")] for p, s in asks[:20]],
        }

    def _push_order(self, order: Order) -> None:
        self._push(f"{order.subaccount_id}.orders", [shown(order, self.now_s())])


def crosses(order: Order, other: Order) -> bool:
    if order.direction == "buy":
        return order.price >= other.price
    return order.price <= other.price


def shown(order: Order, now_s: float) -> Json:
    """An order object."""
    return {
        "subaccount_id": order.subaccount_id,
        "order_id": order.order_id,
        "instrument_name": SYMBOL,
        "direction": order.direction,
        "label": order.label,
        "creation_timestamp": order.created_ms,
        "last_update_timestamp": int(now_s * 1000),
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
        "replaced_order_id": order.replaced_order_id,
    }
