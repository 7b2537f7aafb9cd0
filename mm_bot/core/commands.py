"""What we tell the exchange, and the three ways a command can end.

A command is **accepted**, **refused**, or **unknown**, and unknown never collapses into the other
two: a timeout, a 5xx, a broken body, a 409, a 404 on a cancel say nothing about what is live.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order to sign: everything but the signature. Human units."""

    order_id: str
    side: Side
    price: Price
    size: Size
    notional: Amount
    """In the quote; where the size grid is on the quote, exactly what is sent."""
    nonce: int
    expiry_s: int
    """Unix seconds; the last second in which the order may execute."""
    may_take: bool = False
    """Whether it may trade at once; a quote never may, where the exchange can refuse that."""
    reduce_only: bool = False
    """Whether the exchange must refuse it where it would add to the position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedOrder:
    """An order with everything that its exchange wants of it, ready to be sent, as often as needed,
    as the same bytes."""

    order: NewOrder
    body: bytes


class Verdict(Enum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one command ended.

    `conflict` marks the 409 of a place: either our order is there already or its nonce belongs to
    something else; only the order table can tell. `left` is what the order of an accepted command
    had left, as a notional. `detail` is for people, never for decisions.
    """

    verdict: Verdict
    detail: str = ""
    conflict: bool = False
    left: Amount | None = None
    unjudged: bool = False
    """Refused before anybody looked at the order: not sent, or turned away for now. It says nothing
    of the same bytes sent before."""
    held: bool = False
    """Of a cancel whose end is unknown: the order may only be in the matcher's hands for a moment,
    and the same cancel is worth another try at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """How a cancel and the place of its successor ended that went out as one command.

    Three ends: both unknown; the old order gone and the new one taken or refused; or neither done,
    which `cancel` says by being refused. There the old order rests as before.
    """

    cancel: Outcome
    place: Outcome

    @classmethod
    def neither(cls, verdict: Verdict, detail: str, *, conflict: bool = False) -> Replaced:
        """Both refused or both unknown, for one reason."""
        return cls(
            cancel=Outcome(verdict=verdict, detail=detail),
            place=Outcome(verdict=verdict, detail=detail, conflict=conflict),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the loop must know of the next observation, beside "our live orders here". How it is
    asked is the exchange's business."""

    order_ids: tuple[str, ...]
    """Wanted whatever their status: orders that we last knew as live or unknown."""
    nonces: tuple[int, ...]
    """Nonces of ours that another order may hold (after a conflict): whose are they?"""
    fills_after: int | None
    """Number of the fill after which fills are wanted; None, before the first read, for none."""
    settling: tuple[tuple[str, int], ...] = ()
    """Order ids and nonces whose fills are wanted as of the balances' own block."""
    include_unexpired: bool
    """Also every order of ours here that has not expired, whatever its status: once, at start-up,
    for what our old signatures can still cost."""
