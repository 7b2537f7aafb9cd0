"""What a strategy sees (`View`) and what it says (`Quotes`): the seam between the bot and it.

A strategy is pure: all it knows is the view and what it kept itself (`Kept`). Its `Quotes` say what
is to rest and carry their own explanation, one `Explanation` for each thing that made a number, so
that nobody computes it a second time. Whatever a strategy wants, reconciliation holds its levels
against the ladder's bounds together with what rests already, and every halt wins.

Invariants of a ladder, whatever the strategy (behaviour.md section 4; tests cite the numbers):
1. Bids are floored and asks are ceiled to the tick: rounding is never worse for us.
2. Own bid < own ask.
3. No level crosses or touches the best opposite order that is not managed by us.
4. Per side the levels stay within capacity, notional limit and inventory headroom together.
5. Bounds are used up from the best level outwards: a level is cut only where all outer ones are
   gone or cut.
6. A side is quoted, or it has a `Reason` with the numbers that bound it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Protocol

from mm_bot.core.balances import Holdings
from mm_bot.core.declared import Measure, StepReason
from mm_bot.core.exact import (
    NO_SIZE,
    Amount,
    Price,
    Size,
    floor_to_step,
    multiply,
)
from mm_bot.core.explained import Explained, Explanation
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Instrument, Level, Side
from mm_bot.core.ledger import OpenOrder
from mm_bot.core.policy import OperatorMode
from mm_bot.core.reference import ReferenceSource
from mm_bot.core.risk import Halt
from mm_bot.core.snapshot import BookOrder, Fill


class MissingReason(Enum):
    """Why a wanted level is not resting; a strategy's steps have reasons of their own."""

    OPERATOR_MODE = "operator_mode"
    HALTED = "halted"
    MARKET_CLOSED = "market_closed"
    BASE_BALANCE = "available_base_balance"
    QUOTE_BALANCE = "available_quote_balance"
    NOTIONAL_LIMIT = "notional_limit"
    INVENTORY_LIMIT = "inventory_limit"
    PRICE_TOO_LOW = "price_below_one_tick"
    AWAITING_EVIDENCE = "awaiting_evidence"
    OWN_ORDER_IN_THE_WAY = "own_order_in_the_way"
    REFUSED_RECENTLY = "refused_recently"
    CLOCK_OFF = "clock_off"
    BALANCES_BEHIND_FILLS = "balances_behind_fills"
    ORDERS_UNREAD = "orders_unread"
    CANCEL_PENDING = "cancel_pending"
    STUCK_IN_MATCHING = "stuck_in_matching"
    CROSSED_BY_OTHERS = "crossed_by_others"
    SIGNED_LIABILITY = "signed_liability"
    OUTSIDE_PRICE_LIMITS = "outside_price_limits"
    DEGRADED = "degraded"


Reason = MissingReason | StepReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A level (or with `index` None a whole side) that is not quoted, and why."""

    side: Side
    index: int | None
    reason: Reason
    numbers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """What we want to rest, best first a side."""

    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    missing: tuple[Missing, ...] = ()
    skew_bps: Decimal = Decimal(0)
    """Shift of both sides; positive moves quotes down. Rounded to 0.0001 for display."""
    bounds: Mapping[Side, tuple[Bound, ...]] | None = None
    """What limited each side at its start, for the status and `why` output."""

    def side(self, side: Side) -> tuple[Level, ...]:
        return self.bids if side is Side.BUY else self.asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A limit on the sum of one side: `left` of something of which one unit of size takes `per`
    (times the price where `priced`)."""

    reason: Reason
    left: Decimal
    per: Decimal = Decimal(1)
    priced: bool = False

    def takes(self, size: Decimal, worth: Decimal) -> Decimal:
        """How much of `left` orders use whose sizes, and prices times sizes, add up to these."""
        return multiply(self.per, worth if self.priced else size)

    def unit(self, price: Price) -> Decimal:
        """How much of `left` one unit of size uses at that price."""
        return multiply(self.per, price.value) if self.priced else self.per


def fit(
    market: Instrument, bounds: Iterable[Bound], price: Price, wanted: Size
) -> tuple[Size, Bound | None]:
    """As much of `wanted` as the bounds leave, on the lot, and the bound that cut it, if any."""
    step = market.size_step.value
    size, binding = wanted, None
    for bound in bounds:
        largest = NO_SIZE
        if bound.left > 0:
            largest = Size(floor_to_step(bound.left, bound.unit(price), step))
        if largest < size:
            size, binding = largest, bound
    return market.floor_size(size), binding


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePrice:
    """What one source says, and the source's own time of it, else that of its read."""

    source: ReferenceSource
    price: Price
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything a strategy sees."""

    market: Instrument
    now_ms: int
    mode: OperatorMode
    reference: Price | None
    """None where nothing can be quoted around; a strategy is asked all the same, to remember."""
    half_known: Price | None = None
    """Without a reference, what to quote the one side around that can still be right
    (`degrade.py`); nothing is learned from it."""
    source: ReferenceSource = ReferenceSource.NONE
    reference_ms: int | None = None
    """The reference's own time, where its source tells it; else that of its read."""
    prices: tuple[SourcePrice, ...] = ()
    """Of every source that could have been the reference."""
    widening_bps: Decimal = Decimal(0)
    """How much the sources of the reference disagree."""
    holdings: Holdings | None
    touch: Mapping[Side, Price]
    """Best resting price a side of everything that is not managed by us, but for takers who are
    about to trade with a quote of ours."""
    resting: Mapping[Side, tuple[Size, Amount]]
    """Size and worth a side of own orders here that are not managed by us: they count in limits."""
    others: Mapping[Side, tuple[BookOrder, ...]] = field(default_factory=dict)
    """Orders of everybody but us, best first."""
    open_orders: tuple[OpenOrder, ...] = ()
    """Every managed order of ours that may be live."""
    balances_read_ms: int | None = None
    """When the read that gave the holdings began, by our clock."""
    reductions_ms: tuple[int, ...] = ()
    """See `Memory`."""
    fills: tuple[Fill, ...] = ()
    """Our fills that were seen for the first time in this cycle."""
    fill_totals: FillTotals = field(default_factory=FillTotals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a strategy keeps from one cycle to the next."""

    value: Mapping[str, object] | None = None
    """By name, each frozen; None in the first cycle of a process."""
    saved: Mapping[str, object] = field(default_factory=dict)
    """What of it survives a restart, as JSON values; written with the next state file."""
    durable: Mapping[str, object] = field(default_factory=dict)
    """The same, but on disk before the cycle that changed it is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """A forced way out of an inventory beyond its hard limit: one order that may trade at once."""

    side: Side
    level: Level | None
    """What to send now; None where an order is under way or the next one is not due yet."""
    life_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hanging:
    """Own orders that hold no slot any more, by id."""

    stay: frozenset[str] = frozenset()
    """They rest, and are renewed at their price."""
    over: frozenset[str] = frozenset()
    """They go."""

    def __contains__(self, order_id: str) -> bool:
        return order_id in self.stay or order_id in self.over


NONE_HANGS = Hanging()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotes:
    """What a strategy says."""

    ladder: Ladder
    explanations: Iterable[Explanation] = field(default_factory=Explained)
    """Read by people alone, so those of the built-in steps are made when they are read."""
    lasting: tuple[Explanation, ...] = ()
    """Those of them of which the log tells when they begin to hold and when they no longer do."""
    halts: tuple[Halt, ...] = ()
    """Why nothing of ours may rest, whatever the ladder."""
    hanging: Hanging = NONE_HANGS
    reduction: Reduction | None = None
    """What may be sent all the same where inventory alone halts (`reduction.py`)."""
    kept: Kept = field(default_factory=Kept)
    measures: Iterable[Measure] = ()
    """Numbers of its own for the metrics; those of the built-in steps are made when they are read.
    """


class Strategy(Protocol):
    """Turns what is seen into what is wanted; pure. It may have a `declared` beside: what its
    measures and reasons are."""

    @property
    def levels(self) -> int:
        """Slots a side; a ladder may have fewer levels."""

    @property
    def state_kinds(self) -> Mapping[str, type]:
        """The class of each value of `Kept.value`, so that a journal can be read again."""

    def quote(self, view: View, kept: Kept) -> Quotes: ...
