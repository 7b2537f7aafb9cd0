"""A price from any HTTP service: `{"price": 123.45}` or a bare number.

The market is asked for with `market=<symbol>` unless the URL already names one. `generated_at`
(RFC 3339, without a zone UTC; or unix seconds or milliseconds) is the data's time; where it is
absent the read's counts, less the HTTP `Age`. One that is there and unreadable is warned of once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from mm_bot.fields.kinds import HTTP_URL
from mm_bot.fields.model import variable
from mm_bot.prices.parse import NumberText, price_of, price_or_object, time_ms
from mm_bot.prices.source import AnchorError, Reading, RejectReason
from mm_bot.prices.spec import SourceContext, SourceSettings

if TYPE_CHECKING:
    from mm_bot.prices.fetch import Answer

_LOG = logging.getLogger("mm_bot.prices")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSpec:
    """`http`"""

    url: str = field(repr=False)
    """May hold a key."""
    market: str

    def build(self, context: SourceContext) -> HttpSource:
        return HttpSource(self.url, self.market)


class HttpSettings(SourceSettings):
    word = "http"
    of_this_market = True

    url: Annotated[str | None, HTTP_URL] = variable(
        "URL", "For `http`; `market=<symbol>` is added to its query."
    )

    def spec(self, market: str, feed: str) -> HttpSpec:
        return HttpSpec(url=self.url or "", market=market)


SOURCE = HttpSettings


class HttpSource:
    """GET `url`, which may be a secret, for the price of `market`."""

    name = "http"
    min_interval_ms = 0

    def __init__(self, url: str, market: str) -> None:
        from mm_bot.prices.fetch import Fetcher

        self._fetcher = Fetcher(self.name, url_for_market(url, market))
        self._warned = False

    async def read(self) -> Reading:
        answer = await self._fetcher.get()
        reading, unreadable = reading_of(answer, self.name)
        if unreadable and not self._warned:
            self._warned = True
            _LOG.warning(
                "%s: its generated_at cannot be read: %s; the time of the read counts, so a frozen "
                "service goes unnoticed: RFC 3339 or unix seconds are read",
                self.name,
                unreadable,
            )
        return reading

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


def reading_of(answer: Answer, source: str) -> tuple[Reading, str]:
    """The price and time in one answer, and a time that is there and unreadable, else ""."""
    told = price_or_object(answer.body, source)
    if isinstance(told, NumberText):
        return Reading(price=price_of(told, source), as_of_ms=None, age_ms=answer.age_ms), ""
    if "price" not in told:
        raise AnchorError(source, RejectReason.NO_PRICE, "no field 'price'")
    time = told.get("generated_at")
    as_of_ms = time_ms(time)
    reading = Reading(
        price=price_of(told["price"], source), as_of_ms=as_of_ms, age_ms=answer.age_ms
    )
    return reading, repr(time)[:40] if time is not None and as_of_ms is None else ""
