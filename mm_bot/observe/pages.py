"""The bot's pages: liveness, readiness, metrics, status, and the page for people at `/`.

/healthz  200 while the process runs; nothing else is looked at
/readyz   200 with no reasons, else 503 with all of them at once
/metrics  the exposition for Prometheus
/status   everything an operator asks, as JSON
/why      the last decision, step by step for each side, as JSON
/history  the last hour, as JSON, for the page's pictures

Providers are asked at each request. Every text goes through `redact` on its way out, since reasons
carry the words of foreign errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mm_bot.observe.http_response import Handler, Response, json_response

METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HTML = "text/html; charset=utf-8"
RATE = 50.0
"""Answers a second and page: a hundred times what a scraper and a probe ask."""


def _as_it_is(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What the pages are made from."""

    ready: Callable[[], Sequence[str]]
    """Every reason not to be ready; none means ready."""
    status: Callable[[], Mapping[str, object]]
    metrics: Callable[[], bytes]
    why: Callable[[], Mapping[str, object]] | None = None
    history: Callable[[], Mapping[str, object]] | None = None
    page: Callable[[], bytes] | None = None
    redact: Callable[[str], str] = _as_it_is

    def routes(self) -> dict[str, Handler]:
        routes: dict[str, Handler] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._metrics,
            "/status": self._status,
        }
        if self.why is not None:
            routes["/why"] = self._why
        if self.history is not None:
            routes["/history"] = self._history
        if self.page is not None:
            routes["/"] = self._page
        return routes

    def _healthz(self, query: str) -> Response:
        return json_response({"status": "ok"})

    def _readyz(self, query: str) -> Response:
        reasons = list(self.ready())
        status = 503 if reasons else 200
        return self._redacted(json_response({"ready": not reasons, "reasons": reasons}, status))

    def _metrics(self, query: str) -> Response:
        return Response(body=self.metrics(), content_type=METRICS_CONTENT_TYPE)

    def _status(self, query: str) -> Response:
        return self._redacted(json_response(self.status()))

    def _why(self, query: str) -> Response:
        assert self.why is not None
        return self._redacted(json_response(self.why()))

    def _history(self, query: str) -> Response:
        assert self.history is not None
        return self._redacted(json_response(self.history()))

    def _page(self, query: str) -> Response:
        assert self.page is not None
        return Response(body=self.page(), content_type=HTML)

    def _redacted(self, response: Response) -> Response:
        body = self.redact(response.body.decode()).encode()
        return Response(status=response.status, body=body, content_type=response.content_type)
