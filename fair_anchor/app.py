"""The service's pages: `/price`, `/healthz`, `/readyz`, `/metrics`.

Every answer but `/metrics` is JSON, errors too:

    400  the market is not one of those priced here
    502  no source has a spot, or it gives no fair value; `tried` has the reason of each source
    503  `/healthz` and `/readyz`, where some market could not be priced now

`FairAnchor` decides, `Pages` are its HTTP. Nothing here waits longer than the sources may.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import parse_qsl

from fair_anchor.exchange_reads import Futures
from fair_anchor.fair_value import Carry, Quote, Spot, exact_number, quote_future, quote_spot
from fair_anchor.metrics import METRICS_TYPE, Metrics
from fair_anchor.spot import NoSpotError, Slot, SpotFinder
from mm_bot.clock import Clock
from mm_bot.errors import EdgeError
from mm_bot.observe.http_response import Handler, Response
from mm_bot.observe.render import to_json


class NoPriceError(Exception):
    """The answer to a request that gets no price."""

    def __init__(self, status: HTTPStatus, reason: str, **details: object) -> None:
        self.status = status
        self.body = {"error": reason, **details}
        super().__init__(reason)


class FairAnchor:
    """Prices markets from the spot that `finder` has."""

    def __init__(
        self,
        *,
        spot_symbol: str,
        futures: Futures,
        any_market: bool,
        carry: Carry,
        finder: SpotFinder,
        outside: tuple[Slot, ...],
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """`outside` are the finder's slots that are not the exchange's own."""
        self._spot_symbol = spot_symbol
        self._futures = futures
        self._any_market = any_market
        self._carry = carry
        self._finder = finder
        self._outside = outside
        self._metrics = metrics
        self._clock = clock

    async def price(self, market: str) -> Quote:
        """The price of one market; of the only future where `market` is empty.

        Raises:
            NoPriceError: where there is none.
        """
        if market == self._spot_symbol:
            # The exchange's own prices would tell its market maker what he quotes himself.
            return quote_spot(market, await self._spot(self._outside, market))
        futures = await self._known_futures()
        name = market or (next(iter(futures)) if len(futures) == 1 else "")
        if name in futures:
            expiry_ms = futures[name]
        elif self._any_market and len(futures) == 1:
            expiry_ms = next(iter(futures.values()))
        else:
            supported = [*sorted(futures), self._spot_symbol]
            reason = "market is not supported" if market else "give market=<symbol>"
            raise NoPriceError(
                HTTPStatus.BAD_REQUEST, reason, market=market[:64], supported=supported
            )
        return self._fair(name, expiry_ms, await self._future_spot(name))

    async def health(self) -> tuple[HTTPStatus, Mapping[str, object]]:
        """Whether every future has a positive finite fair value now."""
        try:
            futures = await self._known_futures()
            spot = await self._future_spot("")
            quotes = [self._fair(name, at_ms, spot) for name, at_ms in sorted(futures.items())]
        except NoPriceError as error:
            return HTTPStatus.SERVICE_UNAVAILABLE, {"status": "unavailable", **error.body}
        passed_over = {slot.name: slot.reason for slot in self._finder.slots if slot.failing}
        return HTTPStatus.OK, {
            "status": "degraded" if spot.degraded else "ok",
            "source": spot.source,
            "spot": exact_number(spot.price.value),
            "confidence": spot.confidence.value,
            "fair": {quote.market: exact_number(quote.fair.value) for quote in quotes},
            "failing_sources": passed_over,
        }

    async def _known_futures(self) -> Mapping[str, int]:
        try:
            return await self._futures.all()
        except EdgeError as error:
            raise NoPriceError(HTTPStatus.BAD_GATEWAY, f"futures unknown: {error}") from None

    async def _future_spot(self, market: str) -> Spot:
        try:
            spot = await self._spot(self._finder.slots, market)
        except NoPriceError:
            self._metrics.spot_used(None)
            raise
        self._metrics.spot_used(spot)
        return spot

    async def _spot(self, slots: tuple[Slot, ...], market: str) -> Spot:
        try:
            return await self._finder.find(slots)
        except NoSpotError as error:
            tried = [{"source": name, "reason": reason} for name, reason in error.tried]
            named = {"market": market} if market else {}
            raise NoPriceError(HTTPStatus.BAD_GATEWAY, str(error), **named, tried=tried) from None

    def _fair(self, market: str, expiry_ms: int, spot: Spot) -> Quote:
        try:
            quote = quote_future(market, expiry_ms, spot, self._carry, self._clock.now_ms())
        except ValueError as error:
            raise NoPriceError(
                HTTPStatus.BAD_GATEWAY, f"no fair value: {error}", market=market
            ) from None
        self._metrics.priced(quote)
        return quote


class Pages:
    """The pages of `service`, each an answer to a raw query string. Every text goes through
    `redact` on its way out, since reasons carry the words of foreign errors."""

    def __init__(self, service: FairAnchor, metrics: Metrics, redact: Callable[[str], str]) -> None:
        self._service = service
        self._metrics = metrics
        self._redact = redact

    def routes(self) -> dict[str, Handler]:
        return {
            "/price": self._price,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._show_metrics,
        }

    async def _price(self, query: str) -> Response:
        asked = dict(parse_qsl(query, keep_blank_values=True))
        try:
            quote = await self._service.price(asked.get("market", ""))
        except NoPriceError as error:
            return self._told(error.status, error.body)
        return Response(body=quote.to_json() + b"\n")

    async def _healthz(self, query: str) -> Response:
        return self._told(*await self._service.health())

    async def _readyz(self, query: str) -> Response:
        status, health = await self._service.health()
        reasons = [health["error"]] if status != HTTPStatus.OK else []
        return self._told(status, {"ready": not reasons, "reasons": reasons})

    def _show_metrics(self, query: str) -> Response:
        return Response(body=self._metrics.render(), content_type=METRICS_TYPE)

    def _told(self, status: HTTPStatus, value: object) -> Response:
        body = self._redact(to_json(value).decode()).encode()
        return Response(status=status.value, body=body + b"\n")
