"""Where foreign exceptions become ours.

    httpx.HTTPError, InvalidURL, StreamError, CookieConflict   ┐
    orjson.JSONDecodeError                                     ├─>  EdgeError(source, reason)
    OSError (TimeoutError is one)                              ┘
    psycopg.Error                            in `postgres`, so that public reads do not import it

The reason names the class, never the foreign text: that may carry a user name, a URL with a
password, or a key in a query.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

import httpx
import orjson

from mm_bot.errors import EdgeError

FOREIGN: Final = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    httpx.CookieConflict,
    orjson.JSONDecodeError,
    OSError,
)
NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
"""Raised before the first byte of a request left us: it certainly did not arrive."""


@contextmanager
def edge(source: str) -> Iterator[None]:
    """Turn what an outside library raises inside into an `EdgeError` of this source."""
    try:
        yield
    except FOREIGN as error:
        raise EdgeError(source, describe(error)) from None


def describe(error: Exception) -> str:
    """What happened, without the foreign text."""
    name = type(error).__name__
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return f"no answer in time ({name})"
    if isinstance(error, httpx.ConnectError):
        return f"no connection ({name})"
    if isinstance(error, orjson.JSONDecodeError):
        return "the answer is no JSON"
    return name


def redact(url: str) -> str:
    """Scheme, host and port of a URL: no user, no password, and neither path nor query, where node
    providers put their keys."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "<malformed url>"
    if not parts.scheme or not host:
        return "<malformed url>"
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")
