"""The commands of the fake Derive: orders, replaces and cancels, each checked and answered."""

from __future__ import annotations

import uuid
from decimal import Decimal

from integration_harness.venues.derive.book import Book, crosses, shown
from integration_harness.venues.derive.model import STEP, Json, Order, RpcError, Trader
from integration_harness.venues.derive.rules import Band, check_order

_OVER = {"cancelled": 11003, "filled": 11004, "expired": 11005}


class Exchange:
    """What changes something there."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.received: list[tuple[str, Json]] = []
        """Every private request that changes something, as it came."""
        self.band: Band | None = None
        """The lowest and the highest price that is taken."""
        self.most_live: dict[str, int] = {"buy": 0, "sell": 0}
        """The most live orders labelled `mm:` that a direction of one account ever had."""

    def place(self, trader: Trader, params: Json) -> Json:
        self.received.append(("private/order", params))
        self._refuse()
        order = self._checked(trader, params)
        trades = self._enter(trader, order)
        if self.book.faults.confirmation_timeouts > 0:
            self.book.faults.confirmation_timeouts -= 1
            raise RpcError(9000, "order confirmation timeout")
        return {"order": shown(order, self.book.now_s()), "trades": trades}

    def replace(self, trader: Trader, params: Json) -> Json:
        """Both, or neither, or the cancel alone where only the new order is refused."""
        self.received.append(("private/replace", params))
        self._refuse()
        old = self._to_replace(trader, params)
        self._race(old)
        expected = params.get("expected_filled_amount")
        if expected is not None and old.filled > Decimal(expected):
            raise RpcError(11006, "more was filled than expected")
        if old.status != "open":
            raise RpcError(_OVER.get(old.status, 11006), f"already {old.status}")
        self.book.cancelled(old, "user_request")
        answer: Json = {
            "cancelled_order": shown(old, self.book.now_s()),
            "order": None,
            "create_order_error": None,
            "trades": [],
        }
        try:
            if self.book.faults.failed_creates > 0:
                self.book.faults.failed_creates -= 1
                raise RpcError(11008, "post only would cross")
            order = self._checked(trader, params)
        except RpcError as error:
            return {**answer, "create_order_error": error.told}
        order.replaced_order_id = old.order_id
        answer["trades"] = self._enter(trader, order)
        if self.book.faults.confirmation_timeouts > 0:
            self.book.faults.confirmation_timeouts -= 1
            raise RpcError(9000, "order confirmation timeout")
        return {**answer, "order": shown(order, self.book.now_s())}

    def cancel(self, trader: Trader, params: Json) -> Json:
        self.received.append(("private/cancel", params))
        order = self._of(trader, params["order_id"])
        self._race(order)
        if order.status != "open":
            raise RpcError(_OVER.get(order.status, 11006), f"already {order.status}")
        self.book.cancelled(order, "user_request")
        return shown(order, self.book.now_s())

    def cancel_by_nonce(self, trader: Trader, params: Json) -> Json:
        self.received.append(("private/cancel_by_nonce", params))
        trader.nonces.add(params["nonce"])
        found = [o for o in self.book.live(trader.subaccount_id) if o.nonce == params["nonce"]]
        for order in found:
            self.book.cancelled(order, "user_request")
        return {"cancelled_orders": len(found)}

    def _refuse(self) -> None:
        """What refuses any order before it is looked at."""
        if self.book.faults.rate_limited > 0 or self.book.faults.no_orders:
            self.book.faults.rate_limited = max(0, self.book.faults.rate_limited - 1)
            raise RpcError(-32000, "rate limit exceeded", "retry in 1000 ms")
        if self.book.faults.refused > 0:
            self.book.faults.refused -= 1
            raise RpcError(11000, "insufficient funds")

    def _checked(self, trader: Trader, params: Json) -> Order:
        """The order that it asks for, where nothing speaks against it; its nonce is used then."""
        if params.get("mmp") and self.book.faults.mmp_frozen:
            raise RpcError(11015, "market maker protection froze the orders")
        check_order(trader, params, self.book.now_s(), self.band)
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
            created_ms=int(self.book.now_s() * 1000),
        )
        met = [o for o in self.book.opposite(order) if crosses(order, o)]
        if any(o.subaccount_id == trader.subaccount_id for o in met):
            raise RpcError(11007, "self-crossing disallowed")
        if params.get("time_in_force") == "post_only" and met:
            raise RpcError(11008, "post only would cross")
        trader.nonces.add(params["nonce"])
        return order

    def _enter(self, trader: Trader, order: Order) -> list[Json]:
        trades = self.book.match(order)
        ours = [o for o in self.book.live(trader.subaccount_id) if o.label.startswith("mm:")]
        count = sum(o.direction == order.direction for o in ours)
        self.most_live[order.direction] = max(self.most_live[order.direction], count)
        return trades

    def _to_replace(self, trader: Trader, params: Json) -> Order:
        named = [name for name in ("order_id_to_cancel", "nonce_to_cancel") if name in params]
        if len(named) != 1:
            raise RpcError(-32602, "give one of order_id_to_cancel and nonce_to_cancel")
        if named == ["order_id_to_cancel"]:
            return self._of(trader, params["order_id_to_cancel"])
        for order in self.book.live(trader.subaccount_id):
            if order.nonce == params["nonce_to_cancel"]:
                return order
        raise RpcError(11006, "order does not exist")

    def _of(self, trader: Trader, order_id: str) -> Order:
        order = self.book.orders.get(order_id)
        if order is None or order.subaccount_id != trader.subaccount_id:
            raise RpcError(11006, "order does not exist")
        return order

    def _race(self, order: Order) -> None:
        """A stranger fills a part of an order just before its cancel is looked at."""
        if order.status != "open" or self.book.faults.filled_before_cancel <= 0:
            return
        self.book.faults.filled_before_cancel -= 1
        side = "sell" if order.direction == "buy" else "buy"
        self.book.match(self.book.foreign(side, order.price, (order.left / 4).quantize(STEP), 0))
