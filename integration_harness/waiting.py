"""Waiting for something the outside can see, with an end.

Every wait has a limit; one that runs out says what it waited for and the last thing it saw. A look
that fails because a part of the exchange is away is one more thing that was seen, not an error.
Time in which the machine gave no processor may be taken out of a wait, up to four limits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx
import psycopg

from integration_harness.starvation import Starvation

T = TypeVar("T")

AWAY: Final = (httpx.HTTPError, psycopg.Error, OSError)
"""What a look raises while a part of the exchange, or the bot, is away."""
_LONGEST_SHOWN: Final = 900
_LIMITS_AT_MOST: Final = 5
"""However starved, a wait ends after so many of its limits."""


class CheckError(Exception):
    """Something that must hold does not; the text says what was expected and what was seen."""


class WaitRanOutError(CheckError):
    """A wait reached its limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The longest wait for anything, and the time from look to look."""

    timeout_seconds: float = 120.0
    poll_seconds: float = 0.25


def wait_until(
    what: str,
    look: Callable[[], T],
    accept: Callable[[T], bool],
    limits: Limits,
    *,
    alive: Callable[[], str | None] | None = None,
    starved: Starvation | None = None,
) -> T:
    """The first thing `look` gives that `accept` accepts.

    `alive` tells why waiting is of no use any more, such as a bot that ended; None where it is.
    What `starved` has counted does not count as waited.

    Raises:
        WaitRanOutError: at the limit, or where there is nothing left to wait for.
    """
    began = time.monotonic()
    while True:
        seen: object
        try:
            found = look()
            if accept(found):
                return found
            seen = found
        except AWAY as error:
            seen = f"{type(error).__name__}: {error}"
        over = alive() if alive is not None else None
        waited = time.monotonic() - began
        if over is not None:
            raise WaitRanOutError(f"waited for {what}, but {over}; last seen: {shown(seen)}")
        limit_seconds = limits.timeout_seconds
        lost = 0.0 if starved is None else starved.seconds
        if waited > limit_seconds + min(lost, (_LIMITS_AT_MOST - 1) * limit_seconds):
            limit = f"{limit_seconds:g} s"
            raise WaitRanOutError(f"waited {limit} for {what}; last seen: {shown(seen)}")
        time.sleep(limits.poll_seconds)


def require(holds: bool, claim: str, seen: object = "") -> None:
    """CheckError where a claim does not hold."""
    if not holds:
        raise CheckError(f"{claim}; seen: {shown(seen)}" if seen != "" else claim)


def shown(value: object) -> str:
    """A value as it fits into a message."""
    text = str(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
