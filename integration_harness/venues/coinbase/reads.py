"""What the fake Coinbase answers when it is asked."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from integration_harness.venues.coinbase.exchange import Exchange
from integration_harness.venues.coinbase.model import (
    FEES,
    LEAST,
    LOT,
    OURS,
    SYMBOL,
    TICK,
    Json,
    Order,
    iso,
)

PORTFOLIO: Final = "11111111-2222-4333-8444-555555555555"
_PAGE: Final = 100


class Reads:
    """Each method takes what was asked, as text, and gives the body of the answer; None is 404."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def time(self, asked: Json) -> Json:
        now_ms = self._exchange.now_ms()
        return {"iso": iso(now_ms), "epochMillis": str(now_ms)}

    def product(self, asked: Json) -> Json | None:
        if asked["id"] != SYMBOL:
            return None
        return {
            "product_id": SYMBOL,
            "product_type": "SPOT",
            "status": "online",
            "base_currency_id": "BTC",
            "quote_currency_id": "USD",
            "price_increment": format(TICK, "f"),
            "quote_increment": "0.01",
            "base_increment": format(LOT, "f"),
            "base_min_size": format(LEAST, "f"),
            "base_max_size": "3400",
            "is_disabled": False,
            "trading_disabled": False,
            "cancel_only": self._exchange.faults.cancel_only,
            "view_only": False,
            "auction_mode": False,
            "alias": "",
            "alias_to": ["BTC-USDC"],
        }

    def permissions(self, asked: Json) -> Json:
        return {
            "can_view": True,
            "can_trade": True,
            "can_transfer": self._exchange.faults.can_transfer,
            "portfolio_uuid": PORTFOLIO,
            "portfolio_type": "DEFAULT",
        }

    def fees(self, asked: Json) -> Json:
        rates = {f"{role.lower()}_fee_rate": format(rate, "f") for role, rate in FEES.items()}
        return {"fee_tier": {"pricing_tier": "Advanced 1", **rates}}

    def accounts(self, asked: Json) -> Json:
        self._exchange.advance()
        found = []
        for currency, total in self._exchange.wallets.items():
            held = self._exchange.held(currency)
            found.append(
                {
                    "uuid": currency,
                    "currency": currency,
                    "available_balance": _money(total - held, currency),
                    "hold": _money(held, currency),
                    "active": True,
                    "ready": True,
                }
            )
        return _page("accounts", found, asked)

    def book(self, asked: Json) -> Json:
        self._exchange.advance()
        sides: dict[str, list[Json]] = {"bid": [], "offer": []}
        for (side, price), size in sorted(self._exchange.levels().items()):
            sides[side].append({"price": format(price, "f"), "size": format(size, "f")})
        book = {
            "product_id": SYMBOL,
            "bids": sides["bid"][::-1],
            "asks": sides["offer"],
            "time": iso(self._exchange.now_ms()),
        }
        return {"pricebook": book}

    def ticker(self, asked: Json) -> Json:
        return {"trades": self._exchange.trades[::-1][:50], "best_bid": "", "best_ask": ""}

    def order(self, asked: Json) -> Json | None:
        self._exchange.advance()
        order = self._exchange.orders.get(asked["id"])
        return None if order is None or not _ours(order) else {"order": self._shown(order)}

    def orders(self, asked: Json) -> Json:
        """Newest first. Open ones are without those that are pending or queued."""
        self._exchange.advance()
        since = asked.get("start_date", "")
        found = [
            self._shown(o)
            for o in self._exchange.orders.values()
            if _ours(o)
            and (o.works or "order_status" not in asked)
            and iso(o.created_ms) >= since.replace("Z", "")
        ]
        return _page("orders", found[::-1], asked)

    def fills(self, asked: Json) -> Json:
        """Newest first."""
        exchange = self._exchange
        listed = iso(exchange.now_ms() - int(exchange.faults.late_fills_s * 1000))
        since = asked.get("start_sequence_timestamp", "").replace("Z", "")
        found = [f for f in exchange.fills if since <= f["sequence_timestamp"] <= listed]
        return _page("fills", found[::-1], asked)

    def _shown(self, order: Order) -> Json:
        average = order.value / order.filled if order.filled else Decimal(0)
        return {
            "order_id": order.order_id,
            "client_order_id": order.label,
            "product_id": SYMBOL,
            "side": order.direction.upper(),
            "status": order.status,
            "order_type": "LIMIT",
            "created_time": iso(order.created_ms),
            "filled_size": format(order.filled, "f"),
            "average_filled_price": format(average, "f"),
            "pending_cancel": order.status == "CANCEL_QUEUED",
            "reject_message": order.message if order.status == "FAILED" else "",
            "cancel_message": order.message if order.status == "CANCELLED" else "",
            "order_configuration": order.terms,
        }


def _ours(order: Order) -> bool:
    return order.subaccount_id == OURS


def _money(value: Decimal, currency: str) -> Json:
    return {"value": format(value, "f"), "currency": currency}


def _page(name: str, entries: list[Json], asked: Json) -> Json:
    size, begin = min(int(asked.get("limit", 49)), _PAGE), int(asked.get("cursor") or 0)
    more = begin + size < len(entries)
    cursor = str(begin + size) if more else ""
    return {name: entries[begin : begin + size], "has_next": more, "cursor": cursor}
