"""The exchange behind the fake Coinbase: one spot book, one key's portfolio, and its faults."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable
from decimal import Decimal

from integration_harness.venues.coinbase.model import (
    FEES,
    LEAST,
    LOT,
    MAKER_FEE,
    OURS,
    SYMBOL,
    TICK,
    Faults,
    Json,
    Order,
    cancelled,
    failure,
    iso,
    ms_of,
    success,
)

Push = Callable[[str, Json], None]


class Exchange:
    """Everything but the wire. `push` takes a channel and an event."""

    def __init__(self, push: Push) -> None:
        self.faults = Faults()
        self.orders: dict[str, Order] = {}
        self.fills: list[Json] = []
        self.trades: list[Json] = []
        self.received: list[tuple[str, Json]] = []
        """Every write, as it came."""
        self.wallets = {"BTC": Decimal(100), "USD": Decimal(10_000_000)}
        self.most_live: dict[str, int] = {"buy": 0, "sell": 0}
        """The most live orders with our prefix that a side of the portfolio had."""
        self._push = push
        self._numbers = itertools.count(1)

    def now_ms(self) -> int:
        return int((time.time() + self.faults.clock_ahead_s) * 1000)

    def live(self, subaccount_id: int) -> list[Order]:
        self.advance()
        return [o for o in self.orders.values() if o.subaccount_id == subaccount_id and o.live]

    # Writes

    def place(self, body: Json) -> Json:
        self.advance()
        kind, terms = next(iter(body["order_configuration"].items()))
        for known in self.orders.values():
            if known.label == body["client_order_id"] and known.subaccount_id == OURS:
                return success(known)
        why = self._why_not(body, kind, terms)
        if why:
            return failure(why)
        order = Order(
            order_id=str(uuid.uuid4()),
            subaccount_id=OURS,
            direction=body["side"].lower(),
            price=Decimal(terms["limit_price"]),
            amount=Decimal(terms["base_size"]),
            label=body["client_order_id"],
            end_ms=ms_of(terms["end_time"]) if kind == "limit_limit_gtd" else None,
            created_ms=self.now_ms(),
            terms={kind: terms},
        )
        self.orders[order.order_id] = order
        self._changed(order)
        same = [o for o in self.live(OURS) if o.label.startswith(f"mm:{SYMBOL}:")]
        count = sum(o.direction == order.direction for o in same)
        self.most_live[order.direction] = max(self.most_live[order.direction], count)
        return success(order)

    def _why_not(self, body: Json, kind: str, terms: Json) -> str:
        if self.faults.reasons:
            return self.faults.reasons.popleft()
        price, size = Decimal(terms["limit_price"]), Decimal(terms["base_size"])
        if body["product_id"] != SYMBOL or body["side"] not in ("BUY", "SELL"):
            return "INVALID_PRODUCT_ID"
        if kind not in ("limit_limit_gtd", "limit_limit_gtc"):
            return "UNSUPPORTED_ORDER_CONFIGURATION"
        if self.faults.cancel_only:
            return "ORDER_ENTRY_DISABLED"
        if price % TICK or price <= 0:
            return "INVALID_PRICE_PRECISION"
        if size % LOT:
            return "INVALID_SIZE_PRECISION"
        if size < LEAST:
            return "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL"
        if kind == "limit_limit_gtd" and ms_of(terms["end_time"]) <= self.now_ms():
            return "INVALID_END_TIME"
        side = body["side"].lower()
        needs = size if side == "sell" else price * size * (1 + MAKER_FEE)
        currency = "BTC" if side == "sell" else "USD"
        if needs > self.wallets[currency] - self.held(currency):
            return "INSUFFICIENT_FUND"
        met = [other for other in self._opposite(side) if _crosses(side, price, other)]
        if met and terms["post_only"]:
            return "INVALID_LIMIT_PRICE_POST_ONLY"
        return ""

    def cancel(self, order_id: str) -> Json:
        self.advance()
        order = self.orders.get(order_id)
        if order is not None:
            self._race(order)
        if order is None or not order.live or order.subaccount_id != OURS:
            return cancelled(order_id, "UNKNOWN_CANCEL_ORDER")
        if order.status == "CANCEL_QUEUED":
            return cancelled(order_id, "DUPLICATE_CANCEL_REQUEST")
        order.status = "CANCEL_QUEUED"
        self._changed(order)
        return cancelled(order_id, "")

    def _race(self, order: Order) -> None:
        """A stranger fills a part of an order just before its cancel is looked at."""
        if not order.works or self.faults.filled_before_cancel <= 0:
            return
        self.faults.filled_before_cancel -= 1
        side = "sell" if order.direction == "buy" else "buy"
        self._match(self._foreign(side, order.price, (order.left / 4).quantize(LOT), 0, ""))

    def held(self, currency: str) -> Decimal:
        side = "sell" if currency == "BTC" else "buy"
        mine = [o for o in self.orders.values() if o.subaccount_id == OURS and o.live]
        rest = (o for o in mine if o.direction == side)
        return sum(
            (o.left if side == "sell" else o.left * o.price * (1 + MAKER_FEE) for o in rest),
            Decimal(0),
        )

    # The book

    def advance(self) -> None:
        """What time does: pending orders reach the book or fail, queued cancels happen, orders
        end."""
        now_ms, pending_ms = self.now_ms(), self.faults.pending_s * 1000
        for order in list(self.orders.values()):
            if order.live and order.end_ms is not None and order.end_ms <= now_ms:
                self._over(order, "EXPIRED")
            elif order.status == "CANCEL_QUEUED":
                self._over(order, "CANCELLED", "User requested cancel")
            elif order.status == "PENDING" and now_ms >= order.created_ms + pending_ms:
                self._reach_book(order)

    def _reach_book(self, order: Order) -> None:
        crosses = any(
            _crosses(order.direction, order.price, other)
            for other in self._opposite(order.direction)
        )
        (terms,) = order.terms.values()
        if (crosses and terms["post_only"]) or self.faults.failed_later > 0:
            self.faults.failed_later -= not crosses
            self._over(order, "FAILED", "INVALID_LIMIT_PRICE_POST_ONLY")
            return
        order.status = "OPEN"
        self._match(order)

    def _over(self, order: Order, status: str, message: str = "") -> None:
        order.status, order.message = status, message
        self._changed(order)

    def rest(
        self, direction: str, price: Decimal, amount: Decimal, subaccount_id: int, label: str
    ) -> Order:
        order = self._foreign(direction, price, amount, subaccount_id, label)
        self._match(order)
        return order

    def take(self, direction: str, amount: Decimal) -> None:
        """A stranger takes that much, at whatever price, and withdraws the rest."""
        self.advance()
        price = Decimal(10**9) if direction == "buy" else TICK
        order = self._foreign(direction, price, amount, 0, "")
        self._match(order)
        if order.live:
            self._over(order, "CANCELLED")

    def _foreign(
        self, direction: str, price: Decimal, amount: Decimal, subaccount_id: int, label: str
    ) -> Order:
        terms = {"base_size": str(amount), "limit_price": str(price), "post_only": False}
        order = Order(
            order_id=str(uuid.uuid4()),
            subaccount_id=subaccount_id,
            direction=direction,
            price=price,
            amount=amount,
            label=label,
            end_ms=None,
            created_ms=self.now_ms(),
            terms={"limit_limit_gtc": terms},
            status="OPEN",
        )
        self.orders[order.order_id] = order
        return order

    def _opposite(self, direction: str) -> list[Order]:
        side = "sell" if direction == "buy" else "buy"
        found = [o for o in self.orders.values() if o.direction == side and o.works]
        sign = 1 if side == "sell" else -1
        return sorted(found, key=lambda o: (sign * o.price, o.created_ms))

    def _match(self, order: Order) -> None:
        for other in self._opposite(order.direction):
            if not order.left or not _crosses(order.direction, order.price, other):
                break
            amount = min(order.left, other.left)
            trade_id = str(next(self._numbers))
            for each, role in ((order, "TAKER"), (other, "MAKER")):
                each.filled += amount
                each.value += amount * other.price
                if not each.left:
                    each.status = "FILLED"
                self._book_fill(each, other.price, amount, role, trade_id)
                self._changed(each)
            self._book_trade(order, other.price, amount, trade_id)
        self._changed(order)

    def _book_fill(
        self, order: Order, price: Decimal, amount: Decimal, role: str, trade_id: str
    ) -> None:
        if order.subaccount_id != OURS:
            return
        sign = 1 if order.direction == "buy" else -1
        commission = amount * price * FEES[role]
        self.wallets["BTC"] += sign * amount
        self.wallets["USD"] -= sign * amount * price + commission
        at = iso(self.now_ms())
        self.fills.append(
            {
                "entry_id": str(uuid.uuid4()),
                "trade_id": trade_id,
                "order_id": order.order_id,
                "product_id": SYMBOL,
                "side": order.direction.upper(),
                "price": format(price, "f"),
                "size": format(amount, "f"),
                "size_in_quote": False,
                "commission": format(commission, "f"),
                "liquidity_indicator": role,
                "trade_time": at,
                "sequence_timestamp": at,
                "trade_type": "FILL",
            }
        )

    def _book_trade(self, taker: Order, price: Decimal, amount: Decimal, trade_id: str) -> None:
        trade = {
            "trade_id": trade_id,
            "product_id": SYMBOL,
            "price": format(price, "f"),
            "size": format(amount, "f"),
            "side": "SELL" if taker.direction == "buy" else "BUY",  # the maker's
            "time": iso(self.now_ms()),
        }
        self.trades.append(trade)
        self._push("market_trades", {"type": "update", "trades": [trade]})

    def levels(self) -> dict[tuple[str, Decimal], Decimal]:
        """Size by side (bid or offer) and price."""
        found: dict[tuple[str, Decimal], Decimal] = {}
        for o in self.orders.values():
            if o.works:
                key = ("bid" if o.direction == "buy" else "offer", o.price)
                found[key] = found.get(key, Decimal(0)) + o.left
        return found

    def _changed(self, order: Order) -> None:
        if order.subaccount_id == OURS:
            self._push("user", {"type": "update", "orders": [self.cumulative(order)]})
        self._push("l2_data", {})

    def cumulative(self, order: Order) -> Json:
        """As the user channel shows it."""
        average = order.value / order.filled if order.filled else Decimal(0)
        return {
            "order_id": order.order_id,
            "client_order_id": order.label,
            "product_id": SYMBOL,
            "status": order.status,
            "order_side": order.direction.upper(),
            "cumulative_quantity": format(order.filled, "f"),
            "leaves_quantity": format(order.left if order.live else Decimal(0), "f"),
            "avg_price": format(average, "f"),
        }


def _crosses(direction: str, price: Decimal, other: Order) -> bool:
    return price >= other.price if direction == "buy" else price <= other.price
