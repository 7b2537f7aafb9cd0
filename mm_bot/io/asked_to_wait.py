"""Services that asked to be left alone for a while, by 429 or 503 with `Retry-After`.

Their requests fail unsent meanwhile. Urgent ones, which are cancels, still go out, from a reserve
of `URGENT_AT_ONCE` that regains one a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from mm_bot.io.bucket import Bucket
from mm_bot.io.errors import AskedToWaitError
from mm_bot.io.http_connection import Answer

RETRY_AFTER_LIMIT_S: Final = 60
URGENT_AT_ONCE: Final = 20
URGENT_PER_S: Final = 1
_TOO_MANY: Final = (429, 503)
Origin = tuple[str, str, int]
"""Scheme, host and port."""


def retry_after_s(headers: Mapping[str, str]) -> int | None:
    """For how many seconds an answer asks to be left alone, a minute at the most; None where it
    does not say."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return min(int(text[:9]), RETRY_AFTER_LIMIT_S)
    try:
        left_s = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return max(0, min(int(left_s) + 1, RETRY_AFTER_LIMIT_S))


@dataclass(slots=True)
class _Pause:
    """Until when one service is left alone, and what is left for the urgent."""

    reserve: Bucket
    until_s: float = 0.0
    status: int = 0


class Pauses:
    """Of every service that asked for one."""

    def __init__(self) -> None:
        self._by_origin: dict[Origin, _Pause] = {}

    def refuse(self, origin: Origin, request: httpx.Request, *, urgent: bool) -> None:
        """Raises `AskedToWaitError` where that service is to be left alone."""
        pause = self._by_origin.get(origin)
        if pause is None:
            return
        now_s = asyncio.get_running_loop().time()
        if now_s >= pause.until_s:
            return
        if urgent and pause.reserve.take():
            return
        left_s = pause.until_s - now_s
        raise AskedToWaitError(
            f"it answered {pause.status} and asked to be left alone for another {left_s:.0f} s",
            request=request,
        )

    def note(self, origin: Origin, answer: Answer) -> None:
        """What an answer asks for."""
        if answer.status_code not in _TOO_MANY:
            return
        wait_s = retry_after_s(answer.headers)
        if wait_s:
            clock = asyncio.get_running_loop().time
            full = _Pause(Bucket(URGENT_PER_S, URGENT_AT_ONCE, clock))
            pause = self._by_origin.setdefault(origin, full)
            pause.until_s = max(pause.until_s, clock() + wait_s)
            pause.status = answer.status_code
