"""One careful GET: `Fetcher`, the only place where an anchor meets HTTP, and its errors ours.

A body is at most `BODY_BYTES_MAX`, is not compressed, and is JSON or plain text with status 200;
all else is refused with its own reason. Redirects are not followed: whoever may redirect us names
the price. There is no deadline in here, since the reader's covers the whole read.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping

import httpx

from mm_bot.prices.source import AnchorError, Refusal

BODY_BYTES_MAX = 64 * 1024
RETRY_AFTER_SECONDS_MAX = 60
CONTENT_TYPES = ("application/json", "text/json", "text/plain")

# At INFO httpx logs each URL whole, and an operator's URL may hold a key.
logging.getLogger("httpx").setLevel(logging.WARNING)


class Fetcher:
    """GETs of one source over one kept connection."""

    def __init__(self, source: str, url: str, headers: Mapping[str, str] | None = None) -> None:
        self._source = source
        self._url = url
        self._headers = {"accept": "application/json, text/plain", "accept-encoding": "identity"}
        self._headers.update(headers or {})
        self._client: httpx.AsyncClient | None = None

    async def get(self) -> bytes:
        """The body of a plain 200.

        Raises:
            AnchorError: where anything else came back, or nothing.
        """
        try:
            if self._client is None:
                self._client = new_client(self._url, self._headers)
            async with self._client.stream("GET", self._url) as response:
                refuse_unless_ok(response, self._source)
                return await self._body(response)
        except FOREIGN_ERRORS as error:
            raise refused_from(error, self._source) from None

    async def aclose(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def _body(self, response: httpx.Response) -> bytes:
        _refuse_content(response, self._source)
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                detail = f"over {BODY_BYTES_MAX} bytes"
                raise AnchorError(self._source, Refusal.TOO_LARGE, detail)
        return bytes(body)


FOREIGN_ERRORS = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    httpx.CookieConflict,
    OSError,
    UnicodeError,  # a host name that is none
)
"""Everything that httpx and what lies below it raise for the world's faults."""


def refused_from(error: Exception, source: str) -> AnchorError:
    """One of `FOREIGN_ERRORS` as ours. Its words are left out: they may quote a header."""
    detail = type(error).__name__
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return AnchorError(source, Refusal.TIMEOUT, detail)
    if isinstance(error, httpx.NetworkError | OSError | UnicodeError | httpx.InvalidURL):
        return AnchorError(source, Refusal.UNREACHABLE, detail)
    return AnchorError(source, Refusal.BROKEN_ANSWER, detail)


def new_client(url: str, headers: Mapping[str, str]) -> httpx.AsyncClient:
    """A client for one source, free of the environment's proxies and passwords."""
    # Loading the authorities takes 20 ms, which a plain URL need not pay; an empty store refuses
    # every certificate, so nothing is weakened where it should turn out to be used.
    verify = True if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(
        headers=dict(headers),
        verify=verify,
        trust_env=False,
        follow_redirects=False,
        timeout=None,
        limits=httpx.Limits(max_connections=2, keepalive_expiry=4.0),
    )


def refuse_unless_ok(response: httpx.Response, source: str) -> None:
    """Refuse any status but 200."""
    status = response.status_code
    if status == 200:
        return
    if response.is_redirect or 300 <= status < 400:
        raise AnchorError(source, Refusal.REDIRECT, f"status {status}")
    if status == 429:
        raise AnchorError(
            source, Refusal.RATE_LIMITED, "status 429", retry_after_ms=_retry_after_ms(response)
        )
    raise AnchorError(source, Refusal.STATUS, f"status {status}")


def _refuse_content(response: httpx.Response, source: str) -> None:
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    json_like = content_type.startswith("application/") and content_type.endswith("+json")
    if content_type and content_type not in CONTENT_TYPES and not json_like:
        raise AnchorError(source, Refusal.CONTENT_TYPE, repr(content_type[:40]))
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        # Not asked for, and a small compressed body may unpack to any size.
        raise AnchorError(source, Refusal.CONTENT_TYPE, f"encoded as {encoding[:20]!r}")
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > BODY_BYTES_MAX:
        raise AnchorError(source, Refusal.TOO_LARGE, f"{length[:20]} bytes")


def _retry_after_ms(response: httpx.Response) -> int | None:
    seconds = response.headers.get("retry-after", "").strip()
    if not (seconds.isascii() and seconds.isdecimal()):
        return None
    return min(int(seconds[:9]), RETRY_AFTER_SECONDS_MAX) * 1000
