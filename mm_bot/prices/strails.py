"""The mid of the StablesRail board, in cNGN per USDC.

The board is unsorted and holds dead orders: only those whose status is `active` or empty count. It
does not say which way its prices count; cNGN per USDC is far above 1 and its inverse far below, so
a board below 1 is inverted, order by order, and its buyers become sellers.
"""

from __future__ import annotations

from urllib.parse import urlencode

from mm_bot.core.exact import Price
from mm_bot.prices.fetch import Fetcher
from mm_bot.prices.parse import inverse, json_object, price_of
from mm_bot.prices.source import AnchorError, Reading, RejectReason
from mm_bot.prices.specs import StrailsSpec

ORDERS_MAX = 10
ONE, ZERO = Price.of(1), Price.of(0)
HALF = Price.of("0.5").value


class StrailsSource:
    """GETs the board."""

    name = "strails"
    min_interval_ms = 0

    def __init__(self, spec: StrailsSpec) -> None:
        query = urlencode({"pair": spec.pair, "limit": ORDERS_MAX})
        url = f"{spec.base_url.rstrip('/')}/fx/orderbook?{query}"
        headers = {"x-api-key": spec.api_key} if spec.api_key else {}
        self._fetcher = Fetcher(self.name, url, headers)

    async def read(self) -> Reading:
        answer = await self._fetcher.get()
        price = mid_of(answer.body, self.name)
        return Reading(price=price, as_of_ms=None, age_ms=answer.age_ms)

    async def aclose(self) -> None:
        await self._fetcher.aclose()


def mid_of(body: bytes, source: str) -> Price:
    """The human mid of one answer."""
    data = json_object(body, source).get("data")
    if not isinstance(data, dict):
        raise AnchorError(source, RejectReason.MALFORMED, "no object 'data'")
    bids = _active(data.get("buyOrders"), source)
    asks = _active(data.get("sellOrders"), source)
    if not bids or not asks:
        raise AnchorError(source, RejectReason.ONE_SIDED, f"no {'sell' if bids else 'buy'} order")
    if max(bids) < ONE and max(asks) < ONE:
        bids, asks = (
            [inverse(price, source) for price in asks],
            [inverse(price, source) for price in bids],
        )
    bid, ask = max(bids), min(asks)
    if bid >= ask:
        raise AnchorError(source, RejectReason.CROSSED, f"buy {bid}, sell {ask}")
    return (bid + ask).times(HALF)


def _active(orders: object, source: str) -> list[Price]:
    """Prices of the orders that count; one broken order makes the whole board suspect."""
    if not isinstance(orders, list):
        raise AnchorError(source, RejectReason.MALFORMED, "no list of orders")
    prices = []
    for order in orders:
        if not isinstance(order, dict):
            raise AnchorError(source, RejectReason.MALFORMED, "an order that is no object")
        status = order.get("status") or ""
        if not isinstance(status, str) or status.strip().lower() not in ("", "active"):
            continue
        price = price_of(order.get("price"), source)
        if price <= ZERO:
            raise AnchorError(source, RejectReason.NOT_POSITIVE, str(price))
        prices.append(price)
    return prices
