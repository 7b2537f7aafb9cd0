"""The exchange for commands. Nothing here places an order, or takes the one-writer lock unasked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

from mm_bot.app.venue import venue_of
from mm_bot.clock import SystemClock
from mm_bot.errors import EdgeError, UnreachableError
from mm_bot.settings import Settings
from mm_bot.venues.base import LiveVenue

T = TypeVar("T")


@asynccontextmanager
async def commanding(settings: Settings, timeout_s: float = 5.0) -> AsyncIterator[LiveVenue]:
    """The exchange of these settings for one command; every wait is bounded by `timeout_s`."""
    timeout_ms = max(100, int(timeout_s * 1000))
    venue = venue_of(settings, SystemClock(), command_timeout_ms=timeout_ms)
    try:
        yield venue
    finally:
        await venue.aclose()


async def asked(question: Awaitable[T]) -> T:
    """The answer, or an UnreachableError that names who did not give one."""
    try:
        return await question
    except EdgeError as error:
        raise UnreachableError(f"{error.source} is unreachable: {error.reason}") from None


async def in_time(question: Awaitable[T], timeout_s: float, source: str) -> T:
    """The answer within `timeout_s`, else an EdgeError."""
    try:
        async with asyncio.timeout(timeout_s):
            return await question
    except TimeoutError:
        raise EdgeError(source, f"no answer within {timeout_s:g} s") from None


def now_ms() -> int:
    return time.time_ns() // 1_000_000
