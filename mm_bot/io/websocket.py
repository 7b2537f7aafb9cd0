"""WebSockets, as all our connections: one trust store, no proxy, no redirects."""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.uri import parse_uri

from mm_bot.io.dial import dial, trust_store


class NoRedirects(connect):
    """Whoever may redirect us names the price, and is given our subscription. The library follows
    ten, and a `Location` that is no address is an error of none of its kinds."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def connecting(url: str, **options: Any) -> connect:
    """What `websockets` gives for that, to be awaited or entered. Its own default would take a
    proxy that `HTTPS_PROXY` names in silence, and trust the system's authorities alone.

    Raises:
        NoConnectionError: where the file of authorities cannot be read.
    """
    context = trust_store() if url.lower().startswith("wss:") else None
    return NoRedirects(url, ssl=context, proxy=None, **options)


async def opened(url: str, *, timeout_s: float, message_bytes_max: int) -> ClientConnection:
    """A connection whose name is looked up by `io.dial`, without compression; entering it closes
    it in the end.

    Raises:
        WebSocketException: it is refused, or is no WebSocket.
        OSError, UnicodeError: no connection comes about, in time.
    """
    where = parse_uri(url)
    async with asyncio.timeout(timeout_s):
        dialled = await dial(where.host, where.port)
    return await connecting(
        url,
        sock=dialled,
        compression=None,
        max_size=message_bytes_max,
        open_timeout=timeout_s,
        close_timeout=1,
    )
