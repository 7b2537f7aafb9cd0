"""WebSockets of venues, as all our connections: one trust store, no proxy of the environment."""

from __future__ import annotations

from typing import Any

from websockets.asyncio.client import connect

from mm_bot.io.dial import trust_store


def connecting(url: str, **options: Any) -> connect:
    """What `websockets` gives for that, to be awaited or entered. Its own default would take a
    proxy that `HTTPS_PROXY` names in silence, and trust the system's authorities alone.

    Raises:
        NoConnectionError: where the file of authorities cannot be read.
    """
    context = trust_store() if url.lower().startswith("wss:") else None
    return connect(url, ssl=context, proxy=None, **options)
