"""Who may connect to the pages, and how often each of them is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

CLIENT_LIMIT_PERCENT = 50
"""Of the connections, how many one client may hold."""
BURST_S = 0.5
"""For how long a page may make up for answers that it was not asked for."""


class Connection(Protocol):
    """An open one."""

    client: str
    """Its address."""
    active_at_s: float
    """When it was last answered, or came."""

    @property
    def busy(self) -> bool:
        """Whether an answer to it is being worked on."""

    def cut(self) -> None: ...


def admit(held: Collection[Connection], client: str, limit: int) -> bool:
    """Whether one more connection of `client` is let in beside those `held`. Where all `limit`
    places are taken, or the client's share of them, the one that asked for nothing the longest is
    cut to make room; False where all are at work."""
    leaving = [c for c in held if c.client == client]
    if len(leaving) < limit * CLIENT_LIMIT_PERCENT // 100:
        leaving = []
    if len(held) >= limit:
        leaving = leaving or list(held)
    if not leaving:
        return True
    idle = [c for c in leaving if not c.busy]
    if not idle:
        return len(held) < limit
    min(idle, key=lambda c: c.active_at_s).cut()
    return True


class Turns:
    """Each page is answered `rate` times a second; None is without bounds."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._free_at_s: dict[str, float] = {}

    @property
    def bounded(self) -> bool:
        return self._rate is not None

    def delay_s(self, page: str) -> float:
        """How long this answer has to wait for its turn, which it takes; not positive for none."""
        if self._rate is None:
            return 0.0
        now_s = asyncio.get_running_loop().time()
        free_at_s = max(self._free_at_s.get(page, 0.0), now_s - BURST_S)
        self._free_at_s[page] = free_at_s + 1 / self._rate
        return free_at_s - now_s
