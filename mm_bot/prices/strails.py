"""The mid of the StablesRail board, in cNGN per USDC.

The board is unsorted and holds dead orders: only those whose status is `active` or empty count. It
does not say which way its prices count; cNGN per USDC is far above 1 and its inverse far below, so
a board below 1 is inverted, order by order, and its buyers become sellers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlencode

from pydantic import SecretStr

from mm_bot.core.exact import Price
from mm_bot.fields.kinds import API_KEY, BASE_URL, token
from mm_bot.fields.model import variable
from mm_bot.prices.parse import inverse, json_object, price_of
from mm_bot.prices.source import AnchorError, Reading, RejectReason
from mm_bot.prices.spec import SourceContext, SourceSettings, text_of

ORDERS_MAX = 10
ONE, ZERO = Price.of(1), Price.of(0)
HALF = Price.of("0.5").value
_PAIR = token("a pair such as CNGN-USDC", r"[A-Za-z0-9._-]{1,48}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StrailsSpec:
    """The StablesRail board."""

    base_url: str = field(repr=False)
    api_key: str | None = field(default=None, repr=False)
    pair: str = "CNGN-USDC"

    def build(self, context: SourceContext) -> StrailsSource:
        return StrailsSource(self)


class StrailsSettings(SourceSettings):
    word = "strails"

    api_url: Annotated[str | None, BASE_URL] = variable(
        "STRAILS_API_URL", "For `strails`: without `/fx/orderbook`."
    )
    api_key: Annotated[SecretStr | None, API_KEY] = variable(
        "STRAILS_API_KEY", "For `strails`: sent as `x-api-key`.", absent="none is sent"
    )
    pair: Annotated[str, _PAIR] = variable(
        "STRAILS_PAIR", "For `strails`: whose board is read.", default="CNGN-USDC"
    )

    def spec(self, market: str, feed: str) -> StrailsSpec:
        return StrailsSpec(
            base_url=self.api_url or "", api_key=text_of(self.api_key), pair=self.pair
        )


SOURCE = StrailsSettings


class StrailsSource:
    """GETs the board."""

    name = "strails"
    min_interval_ms = 0

    def __init__(self, spec: StrailsSpec) -> None:
        from mm_bot.prices.fetch import Fetcher

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
