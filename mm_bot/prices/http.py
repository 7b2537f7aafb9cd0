"""A price from any HTTP service: `{"price": 123.45}` or a bare number.

The market is asked for with `market=<symbol>` unless the URL already names one. `generated_at`
(RFC 3339) is the data's time where it is there and readable.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from mm_bot.prices.fetch import Fetcher
from mm_bot.prices.parse import NumberText, price_of, price_or_object, rfc3339_ms
from mm_bot.prices.source import AnchorError, Reading, Refusal


class HttpSource:
    """GET `url`, which may be a secret, for the price of `market`."""

    name = "http"
    min_interval_ms = 0

    def __init__(self, url: str, market: str) -> None:
        self._fetcher = Fetcher(self.name, url_for_market(url, market))

    async def read(self) -> Reading:
        return reading_of(await self._fetcher.get(), self.name)

    async def aclose(self) -> None:
        await self._fetcher.aclose()


def url_for_market(url: str, market: str) -> str:
    """`url` with `market=<symbol>` behind what it already asks, unless it asks for one."""
    parts = urlsplit(url)
    if any(key == "market" for key, _ in parse_qsl(parts.query, keep_blank_values=True)):
        return url
    asked = urlencode({"market": market})
    query = f"{parts.query}&{asked}" if parts.query else asked
    return urlunsplit(parts._replace(query=query))


def reading_of(body: bytes, source: str) -> Reading:
    """The price and time in one answer."""
    answer = price_or_object(body, source)
    if isinstance(answer, NumberText):
        return Reading(price=price_of(answer, source), as_of_ms=None)
    if "price" not in answer:
        raise AnchorError(source, Refusal.NO_PRICE, "no field 'price'")
    as_of_ms = rfc3339_ms(answer.get("generated_at"))
    return Reading(price=price_of(answer["price"], source), as_of_ms=as_of_ms)
