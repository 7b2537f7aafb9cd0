"""One careful GET: `Fetcher`, the only place where an anchor meets HTTP, and its errors ours.

A body is at most `BODY_BYTES_MAX`, is not compressed, and is JSON or plain text with status 200;
all else is refused with its own reason. Redirects are not followed: whoever may redirect us names
the price. There is no deadline in here, since the reader's covers the whole read.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from mm_bot.io.asked_to_wait import retry_after_s
from mm_bot.io.errors import FOREIGN, AskedToWaitError, describe
from mm_bot.io.http import LeanClient, Prepared, open_client
from mm_bot.io.http_connection import Answer as Head
from mm_bot.io.http_connection import AnswerTooLargeError
from mm_bot.io.streamed_body import StreamedBody
from mm_bot.prices.source import AnchorError, RejectReason

BODY_BYTES_MAX = 64 * 1024
STREAMED = {"stream": True}
"""Of a request whose body is read as it comes."""
CONTENT_TYPES = ("application/json", "text/json", "text/plain")

# At INFO httpx logs each URL whole, and an operator's URL may hold a key.
logging.getLogger("httpx").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`age_ms` is by its HTTP `Age`, which caches on the way add; 0 where there is none."""

    body: bytes
    age_ms: int


class Fetcher:
    """GETs of one source over one kept connection."""

    def __init__(self, source: str, url: str, headers: Mapping[str, str] | None = None) -> None:
        self._source = source
        self._url = url
        self._headers = {"accept": "application/json, text/plain", "accept-encoding": "identity"}
        self._headers.update(headers or {})
        self._client: LeanClient | None = None
        self._request: Prepared | None = None

    async def get(self) -> Answer:
        """The body of a plain 200, and how old a cache says that it is.

        Raises:
            AnchorError: where anything else came back, or nothing.
        """
        try:
            if self._client is None:
                self._client = new_client(self._headers)
            if self._request is None:
                self._request = self._client.prepared("GET", self._url)
            head, streamed = await self._client.streamed(self._request)
            try:
                refuse_unless_ok(head, self._source)
                headers = head.headers
                _refuse_content(headers, self._source)
                body = await self._whole(streamed)
            finally:
                await streamed.aclose()
            return Answer(body=body, age_ms=_age_ms(headers))
        except FOREIGN as error:
            raise refused_from(error, self._source) from None

    async def aclose(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def _whole(self, streamed: StreamedBody) -> bytes:
        body = bytearray()
        async for chunk in streamed:
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                detail = f"over {BODY_BYTES_MAX} bytes"
                raise AnchorError(self._source, RejectReason.TOO_LARGE, detail)
        return bytes(body)


def refused_from(error: Exception, source: str) -> AnchorError:
    """One of the foreign errors as ours, in the words of `io.errors`."""
    detail = describe(error)
    if isinstance(error, AskedToWaitError):
        return AnchorError(source, RejectReason.RATE_LIMITED, detail)
    if isinstance(error, AnswerTooLargeError):
        return AnchorError(source, RejectReason.TOO_LARGE, detail)
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return AnchorError(source, RejectReason.TIMEOUT, detail)
    if isinstance(error, httpx.ReadError):
        return AnchorError(source, RejectReason.BROKEN_ANSWER, detail)
    if isinstance(error, httpx.NetworkError | OSError | UnicodeError | httpx.InvalidURL):
        return AnchorError(source, RejectReason.UNREACHABLE, detail)
    return AnchorError(source, RejectReason.BROKEN_ANSWER, detail)


def new_client(headers: Mapping[str, str]) -> LeanClient:
    """A client for one source. It has no deadline: that of the whole read covers it."""
    return open_client("", None, headers)


def refuse_unless_ok(response: httpx.Response | Head, source: str) -> None:
    """Refuse any status but 200."""
    status = response.status_code
    if status == 200:
        return
    if 300 <= status < 400:
        raise AnchorError(source, RejectReason.REDIRECT, f"status {status}")
    if status == 429:
        raise AnchorError(
            source,
            RejectReason.RATE_LIMITED,
            "status 429",
            retry_after_ms=_retry_after_ms(response.headers),
        )
    raise AnchorError(source, RejectReason.STATUS, f"status {status}")


def _refuse_content(headers: httpx.Headers, source: str) -> None:
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    json_like = content_type.startswith("application/") and content_type.endswith("+json")
    if content_type and content_type not in CONTENT_TYPES and not json_like:
        raise AnchorError(source, RejectReason.CONTENT_TYPE, repr(content_type[:40]))
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        # Not asked for, and a small compressed body may unpack to any size.
        raise AnchorError(source, RejectReason.CONTENT_TYPE, f"encoded as {encoding[:20]!r}")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > BODY_BYTES_MAX:
        raise AnchorError(source, RejectReason.TOO_LARGE, f"{length[:20]} bytes")


def _retry_after_ms(headers: httpx.Headers) -> int | None:
    seconds = retry_after_s(headers)
    return None if seconds is None else seconds * 1000


def _age_ms(headers: httpx.Headers) -> int:
    """How old the answer was when a cache gave it; 0 where it does not say."""
    seconds = headers.get("age", "").strip()
    return int(seconds[:9]) * 1000 if seconds.isascii() and seconds.isdecimal() else 0
