"""What the fake Ethereal books and pushes of a fill, a trade, an order; and its levels."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from integration_harness.venues.ethereal.model import Json, Order, Trader

Push = Callable[[str, str, Json], None]


@dataclass(slots=True, kw_only=True)
class Telling:
    """`push` takes a stream's type, its symbol or subaccount, and data."""

    push: Push
    now_ms: Callable[[], int]
    traders: dict[int, Trader]
    orders: dict[str, Order]
    fills: list[Json] = field(default_factory=list)
    trades: list[Json] = field(default_factory=list)

    def fill(self, order: Order, price: Decimal, amount: Decimal, *, is_maker: bool) -> str:
        """The fill's id; none of a stranger's."""
        trader = self.traders.get(order.subaccount_id)
        if trader is None:
            return ""
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
        self.push("OrderFill", trader.uuid, {"t": fill["createdAt"], "d": [pushed]})
        self.push("PositionUpdate", trader.uuid, {"t": fill["createdAt"], "d": []})
        return str(fill["id"])

    def trade(self, taker: Order, maker: Order, amount: Decimal) -> None:
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
        self.push("TradeFill", ticker, {"s": ticker, "t": trade["createdAt"], "d": [shown]})

    def levels(self, symbol: str) -> Json:
        """Both sides as they are pushed, best first."""
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

    def order(self, order: Order) -> None:
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
        self.push("OrderUpdate", trader.uuid, {"t": order.updated_ms, "d": [shown]})
