"""What the fake Ethereal answers when it is asked."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from integration_harness.venues.ethereal.exchange import Exchange
from integration_harness.venues.ethereal.model import (
    PRODUCTS,
    ApiError,
    Json,
    Order,
    Product,
    Trader,
)
from integration_harness.venues.ethereal.rules import DOMAIN, TYPES

SLOW_INDEX_MS: Final = 1_000


class Reads:
    """Each method takes what was asked, as text, and gives the body of the answer."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def config(self) -> Json:
        domain: Json = dict(DOMAIN)
        if self.exchange.faults.foreign_contract:
            domain["verifyingContract"] = "0x" + "ab" * 20
        return {"domain": domain, "signatureTypes": dict(TYPES)}

    def products(self, asked: Json) -> Json:
        status = "CLOSED" if self.exchange.faults.inactive else "ACTIVE"
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
        levels = self.exchange.levels(product.ticker)
        now_ms = self.exchange.now_ms()
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
            levels = self.exchange.levels(self._product(product_id).ticker)
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
        for trader in self.exchange.traders.values():
            if trader.uuid == asked.get("subaccountId"):
                return trader
        raise ApiError(404, "subaccount not found")

    def subaccounts(self, asked: Json) -> Json:
        found = [
            {"id": t.uuid, "name": t.word, "account": t.owner, "createdAt": 0}
            for t in self.exchange.traders.values()
            if t.owner == asked["sender"].lower()
        ]
        return _page(found, asked)

    def balance(self, asked: Json) -> Json:
        if self.exchange.faults.hidden_collateral:
            raise ApiError(503, "balances are away")
        trader = self._trader(asked)
        free = self.exchange.available(trader)
        entry = {
            "tokenName": "USD",
            "amount": format(trader.collateral, "f"),
            "available": format(free, "f"),
            "totalUsed": format(trader.collateral - free, "f"),
            "updatedAt": self.exchange.now_ms(),
        }
        return _page([entry], asked)

    def links(self, asked: Json) -> Json:
        trader = self._trader(asked)
        found = [
            {"signer": s, "status": trader.link_status, "expiresAt": trader.link_ends_ms}
            for s in sorted(trader.signers - {trader.owner})
        ]
        return _page(found, asked)

    def one_order(self, asked: Json) -> Json:
        self.exchange.expire()
        order = self.exchange.orders.get(asked["id"])
        if order is None:
            raise ApiError(404, "order not found")
        return self._shown(order)

    def list_orders(self, asked: Json) -> Json:
        self.exchange.expire()
        trader = self._trader(asked)
        for name in ("isWorking", "isPending"):
            if asked.get(name, "true") != "true":
                raise ApiError(400, f"{name} accepts only true")
        indexed_ms = self.exchange.now_ms() - (
            SLOW_INDEX_MS if self.exchange.faults.slow_index else 0
        )
        found = []
        for order in self.exchange.orders.values():
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
        trader = self.exchange.traders.get(order.subaccount_id)
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
        """Self-trades are left out unless they are asked for."""
        trader = self._trader(asked)
        after = int(asked.get("createdAfter", -1))
        listed_ms = self.exchange.now_ms() - int(self.exchange.faults.late_fills_s * 1000)
        product_ids = asked.get("productIds")
        found = [
            f
            for f in self.exchange.fills
            if f["subaccountId"] == trader.uuid
            and (asked.get("includeSelfTrades") == "true" or f["id"] not in self.exchange.own_fills)
            and after < f["createdAt"] <= listed_ms
            and (not product_ids or f["productId"] in product_ids.split(","))
        ]
        return _page(found if asked.get("order") == "asc" else found[::-1], asked)

    def list_trades(self, asked: Json) -> Json:
        found = [t for t in self.exchange.telling.trades if t["productId"] == asked["productId"]]
        return _page(found[::-1], asked)

    def _position(self, trader: Trader, product: Product) -> Json | None:
        shown_ms = self.exchange.now_ms() - int(self.exchange.faults.late_positions_s * 1000)
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
