"""Things that run at once: how their failures are told, and how they are ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar, overload

T = TypeVar("T")
U = TypeVar("U")


@overload
async def in_order(first: Awaitable[T], second: Awaitable[U], /) -> tuple[T, U]: ...


@overload
async def in_order(*asked: Awaitable[T]) -> tuple[T, ...]: ...


async def in_order(*asked: Awaitable[object]) -> tuple[object, ...]:
    """The answers to what is asked at once, each gone to its end, so that nothing half-made stays
    behind. Of several failures the first of this list is raised, whichever came first."""
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return tuple(answers)


async def ended(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancels those that still run and comes back when all have ended, however they did."""
    begun = [task for task in tasks if task is not None]
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)
