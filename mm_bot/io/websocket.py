"""WebSockets, as all our connections: one trust store, no proxy, no redirects."""

from __future__ import annotations

from typing import Any

from websockets.asyncio.client import connect

from mm_bot.io.dial import trust_store


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
