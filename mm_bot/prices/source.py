"""What a price source is: `AnchorSource`, the `Reading` it gives, and why it may give none.

A source knows one outside system and its units and nothing else: it turns one answer into one
human price with the time the data is true for, or raises. Whether that price is fresh, plausible
and no jump is judged in one place for all sources (`guarded`), and so is how long a read may take.

Every failure is an `AnchorError` whose `refusal` is a member of a closed set, fit for a metric's
label; the text beside it has the numbers and never a key, a URL or a foreign error's own words.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Protocol

from mm_bot.core.exact import Price
from mm_bot.errors import EdgeError

EthCall = Callable[[str, bytes], Awaitable[bytes]]
"""`eth_call(address, calldata) -> returned bytes` at the latest block; EdgeError where it fails."""
OnBlock = Callable[[Callable[[], None]], None]
"""Registers what is called for each new block; it must not wait."""
OnStream = Callable[[str, str], None]
"""Called with a stream's name and why it is lost, empty where it brings prices; must not raise."""


class RejectReason(Enum):
    """Why a reading became no price."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    BROKEN_ANSWER = "broken answer"
    REDIRECT = "redirect"
    RATE_LIMITED = "rate limited"
    STATUS = "status not 200"
    CONTENT_TYPE = "content type"
    TOO_LARGE = "body too large"
    EMPTY = "empty body"
    MALFORMED = "malformed"
    NO_PRICE = "no price"
    WRONG_PAIR = "wrong pair"
    NOT_FINITE = "not finite"
    NOT_POSITIVE = "not positive"
    IMPLAUSIBLE = "implausible"
    STALE = "too old"
    FUTURE = "from the future"
    OLDER = "older than accepted"
    JUMP = "jump"
    UNCONFIRMED = "unconfirmed jump"
    UNCERTAIN = "too uncertain"
    GAP = "sequence gap"
    ONE_SIDED = "one-sided book"
    CROSSED = "crossed book"
    NO_QUORUM = "no quorum"
    OUTLIER = "outlier"
    UNEXPECTED = "unexpected error"


class AnchorError(EdgeError):
    """This reading is no price.

    `stale` is the reading where its age is what is wrong with it. `retry_after_ms` is how long the
    source asks to be left alone. `parts` is why each of several sources gave nothing.
    """

    def __init__(
        self,
        source: str,
        refusal: RejectReason,
        detail: str = "",
        *,
        stale: Reading | None = None,
        retry_after_ms: int | None = None,
        parts: tuple[AnchorError, ...] = (),
    ) -> None:
        self.refusal = refusal
        self.parts = parts
        self.stale = stale
        self.retry_after_ms = retry_after_ms
        super().__init__(source, f"{refusal.value}: {detail}" if detail else refusal.value)


def unexpected(source: str, error: Exception) -> AnchorError:
    """An error nobody foresaw, as ours: its kind and the line it came from. Its own words are left
    out, as they may hold a key."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return AnchorError(source, RejectReason.UNEXPECTED, type(error).__name__ + place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One price, as the source gave it."""

    price: Price
    as_of_ms: int | None
    """The data's own time, unix milliseconds; None where the source does not tell it."""
    age_ms: int = 0
    """Where it tells none: how old the answer was already when it was read, as a cache says."""
    max_age_ms: int | None = None
    """How old this data may be, where that is its own: a feed that is renewed once in hours. None
    is the limit of whoever judges."""
    widening_bps: Decimal = Decimal(0)
    """By how much the half-spread should grow because sources disagree."""
    used: tuple[str, ...] = ()
    """Names of the sources the price was made from, where there were several."""
    refused: tuple[AnchorError, ...] = ()
    """What the other sources did, where there were several."""


class AnchorSource(Protocol):
    """One outside system that tells a price."""

    @property
    def name(self) -> str:
        """Short and lower-case; a metric's label, a word in a log line."""

    @property
    def min_interval_ms(self) -> int:
        """The source's own limit on how often it may be read; 0 where it has none."""

    async def read(self) -> Reading:
        """One reading. May take for ever: whoever reads sets the limit.

        Raises:
            EdgeError: where there is no price this time; an AnchorError says why.
        """

    async def aclose(self) -> None:
        """Give back connections and tasks. Nothing is read afterwards."""
