"""One WebSocket of a price source: `connected`, the only place where an anchor meets one.

Errors of the library, in the block too, become ours. Redirects are not followed, bodies are not
compressed, proxies are not used; names are looked up and certificates trusted as in `io.dial`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus, WebSocketException

from mm_bot.io.errors import describe
from mm_bot.io.websocket import opened
from mm_bot.prices.source import AnchorError, RejectReason

__all__ = ["ClientConnection", "connected", "refused_from"]


@asynccontextmanager
async def connected(
    url: str, *, source: str, timeout_ms: int, message_bytes_max: int
) -> AsyncIterator[ClientConnection]:
    """An open connection to `url`.

    Raises:
        AnchorError: of `source`, where it does not open or breaks.
    """
    try:
        timeout_s = timeout_ms / 1000
        async with await opened(
            url, timeout_s=timeout_s, message_bytes_max=message_bytes_max
        ) as connection:
            yield connection
    except (WebSocketException, OSError, UnicodeError) as error:
        raise refused_from(error, source) from None


def refused_from(error: Exception, source: str) -> AnchorError:
    """The one place where errors of the WebSocket library become ours."""
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status == 429:
            return AnchorError(source, RejectReason.RATE_LIMITED, "status 429")
        kind = RejectReason.REDIRECT if 300 <= status < 400 else RejectReason.STATUS
        return AnchorError(source, kind, f"status {status}")
    detail = describe(error)
    if isinstance(error, TimeoutError):
        return AnchorError(source, RejectReason.TIMEOUT, detail)
    outside = isinstance(error, OSError | UnicodeError)
    kind = RejectReason.UNREACHABLE if outside else RejectReason.BROKEN_ANSWER
    return AnchorError(source, kind, detail)
