"""What the fake Derive answers to questions that change nothing."""

from __future__ import annotations

from integration_harness.venues.derive.book import shown
from integration_harness.venues.derive.exchange import Exchange
from integration_harness.venues.derive.model import SYMBOL, Json, RpcError, Trader
from integration_harness.venues.derive.rules import (
    ASSET,
    BASE_FEE,
    DOMAIN_SEPARATOR,
    TAKER_FEE,
    TRADE_MODULE,
    recovered,
)


class Reads:
    """By method; each takes the params of a question."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def instrument(self, params: Json) -> Json:
        if params.get("instrument_name") != SYMBOL:
            raise RpcError(12001, "instrument not found")
        return {
            "instrument_name": SYMBOL,
            "instrument_type": "perp",
            "is_active": True,
            "base_currency": "ETH",
            "quote_currency": "USDC",
            "base_asset_address": ASSET,
            "base_asset_sub_id": "0",
            "tick_size": "0.01",
            "amount_step": "0.001",
            "minimum_amount": "0.01",
            "maximum_amount": "1000",
            "maker_fee_rate": "0.0001",
            "taker_fee_rate": format(TAKER_FEE, "f"),
            "base_fee": format(BASE_FEE, "f"),
        }

    def account(self, mine: list[Trader]) -> Json:
        return {
            "cancel_on_disconnect": any(t.cancel_on_disconnect for t in mine),
            "subaccount_ids": [t.subaccount_id for t in mine],
            "websocket_matching_tps": self._exchange.book.faults.tps,
        }

    def order_debug(self, trader: Trader, params: Json) -> Json:
        return {
            "domain_separator": DOMAIN_SEPARATOR,
            "module": TRADE_MODULE,
            "owner": trader.owner,
            "expected_signer": params["signer"],
            "recovered_signer": recovered(trader, params),
        }

    def subaccount(self, trader: Trader, params: Json) -> Json:
        exchange = self._exchange.book
        positions = [{"instrument_name": SYMBOL, "amount": format(trader.position, "f")}]
        live = exchange.live(trader.subaccount_id)
        return {
            "subaccount_id": trader.subaccount_id,
            "positions": positions if trader.position else [],
            "collaterals": [{"asset_name": "USDC", "amount": format(trader.collateral, "f")}],
            "open_orders": [shown(order, exchange.now_s()) for order in live],
        }

    def order_history(self, trader: Trader, params: Json) -> Json:
        """Terminal orders alone, newest first."""
        exchange = self._exchange.book
        exchange.expire()
        ended = [
            shown(o, exchange.now_s())
            for o in exchange.orders.values()
            if o.subaccount_id == trader.subaccount_id and o.status != "open"
        ]
        return {"orders": _page(ended[::-1], params), "pagination": {"count": len(ended)}}

    def trade_history(self, trader: Trader, params: Json) -> Json:
        since = params.get("from_timestamp", 0)
        found = [
            self._exchange.book.told(t)
            for t in self._exchange.book.trades
            if t["subaccount_id"] == trader.subaccount_id and t["timestamp"] >= since
        ]
        return {"trades": _page(found[::-1], params), "pagination": {"count": len(found)}}

    def ticker(self) -> tuple[str, Json]:
        """Its channel, and the band of prices that are taken."""
        low, high = self._exchange.band or (None, None)
        told = {
            "minp": None if low is None else format(low, "f"),
            "maxp": None if high is None else format(high, "f"),
        }
        data = {"timestamp": int(self._exchange.book.now_s() * 1000), "instrument_ticker": told}
        return f"ticker_slim.{SYMBOL}.1000", data


def _page(entries: list[Json], params: Json) -> list[Json]:
    size, page = params.get("page_size", 100), params.get("page", 1)
    return entries[(page - 1) * size : page * size]
