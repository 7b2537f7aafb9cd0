"""What one cycle saw: each part with the time it is true for, or why there is none.

A part that could not be read this time keeps its last good value and its age; own orders never
do, since a decision about orders on yesterday's orders would place them twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Generic, TypeVar

from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.orders import RestingOrder

T = TypeVar("T")

CLOCK_SKEW_MS = 2_000
"""More than this between our clock and one of the exchange's is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Generic[T]):
    """One source's answer. `value` is None where it never answered."""

    value: T | None
    as_of_ms: int | None
    """The time the value is true for: by the source's own word where it gives one, else when the
    read began. Unix milliseconds."""
    error: str | None = None
    """Why this cycle's read failed; None where it succeeded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookOrder:
    """One order of the public book, human orientation."""

    order_id: str
    side: Side
    price: Price
    size: Size
    ours: bool
    """Of our owner, whichever subaccount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Both sides, best first, no deeper than the exchange lists (`Capabilities.book_depth`). Orders
    that a matcher holds at that moment may be missing."""

    bids: tuple[BookOrder, ...]
    asks: tuple[BookOrder, ...]
    unreadable: tuple[str, ...] = ()
    """Ids of strangers' orders that were left out, because their numbers are none."""

    def side(self, side: Side) -> tuple[BookOrder, ...]:
        return self.bids if side is Side.BUY else self.asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A public trade, human orientation."""

    trade_id: int
    price: Price
    size: Size
    at_ms: int
    maker_order_id: str
    taker_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One row of `trade_fills` that names an order of ours."""

    trade_id: int
    order_id: str
    side: Side
    """Our order's human side."""
    price: Price
    size: Size
    notional: Amount
    """What changed hands, in the quote: exact where the grid is on it, else price x size x
    multiplier."""
    at_ms: int
    is_maker: bool
    completes_order: bool
    """Whether nothing was left of the order after it; false where its order was not read."""
    steps: int
    """What it filled of the order, in whole steps, counted as `RestingOrder.filled_steps` counts;
    0 where the adapter leaves that at 0."""
    fee: Amount = NO_AMOUNT
    """What we paid for it, in the currency of `notional`; negative is a rebate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """What own live orders outside of this market hold of the two balances."""

    base: Size = NO_SIZE
    quote: Amount = NO_AMOUNT


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedElsewhere:
    """An own order in another market of this subaccount that has not expired: the same cash pays
    for it."""

    order_id: str
    side: Side
    size: Size
    """What is left, in the unit of that market's sizes."""
    notional: Amount
    """What that is worth at its price, in that market's quote."""
    expiry_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IdLookup:
    """Who holds an id or nonce of ours that we asked about. Every order id here belongs to us
    unless `foreign`."""

    order_id: str
    nonce: int
    foreign: bool
    """The row is another owner's (same id), or another id of ours under the same nonce."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOrders:
    """One read of the order table.

    `rows` holds our orders in this market in every live status, and those we asked about whatever
    their status. `others` holds the best live orders of everybody else and, as `ours`, of our
    owner's other subaccounts, also those in `matching`, which the public book leaves out while the
    matcher looks at them.
    """

    rows: tuple[RestingOrder, ...]
    lookups: tuple[IdLookup, ...]
    fills: tuple[Fill, ...]
    """Our fills after the cursor, oldest first."""
    own_trade_ids: frozenset[int]
    """Of the market's latest trades, those in which our owner is maker or taker."""
    newest_trade_id: int | None
    """The highest trade id of the whole exchange: where to start counting fills. None: no trade."""
    others: tuple[BookOrder, ...]
    reserved_elsewhere: Reserved
    signed_elsewhere: tuple[SignedElsewhere, ...] = ()
    """Live ones, and where everything unexpired was asked for, all of those."""
    unreadable: tuple[str, ...] = ()
    """As in `Book`: strangers' rows here that were left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """On-chain totals of the subaccount at one block."""

    base: Size
    """Spot: what we have of the base. Else the signed position."""
    quote: Amount
    """The collateral: the quote on spot, else what margins are paid in."""
    block_number: int
    block_time_ms: int
    settled: Mapping[str, int] = field(default_factory=dict)
    """By order id, in steps, what the chain counts as filled of the orders asked about, at this
    very block: the balances contain that much of them."""
    quote_as_of_ms: int | None = None
    """The time `quote` is true for, where its read alone failed since; None is that of the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorQuote:
    """The last good value of an outside price source and the state of that source."""

    price: Price | None
    as_of_ms: int | None
    """The data's own time where the source tells it, else that of the read."""
    max_age_ms: int | None = None
    """The age limit of this data itself, as of a feed that is renewed once in hours; None is the
    policy's."""
    source: str
    error: str | None = None
    """Why the latest reading was refused or failed; None where it was good."""
    widening_bps: Decimal = Decimal(0)
    """How much its parts disagree: quotes around it are that much wider on each side."""
    used: tuple[str, ...] = ()
    """Of several sources, those that made the price."""
    refused: tuple[str, ...] = ()
    """Of several sources, those that did not, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """How far a clock of the exchange is ahead of ours: the least that its answer allows, so 0
    where both may agree, and negative where it is behind."""

    name: str
    ahead_ms: int

    @property
    def off(self) -> bool:
        """Whether one of the two is wrong: expiries and ages compare them."""
        return abs(self.ahead_ms) > CLOCK_SKEW_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLimits:
    """Orders at prices outside of these are refused by the exchange; None is no limit."""

    low: Price | None
    high: Price | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the exchange showed in one concurrent read of everything."""

    book: Part[Book]
    trades: Part[tuple[Trade, ...]]
    """Newest first."""
    orders: Part[OwnOrders]
    """Only ever of this cycle: `value` is None where this cycle's read failed."""
    balances: Part[Balances]
    balances_read_ms: int | None
    """When the read that gave `balances` began, by our clock (its `as_of_ms` is the block's)."""
    lock_held: bool
    """Whether we are the one writer of this market and subaccount (true in dry runs)."""
    clocks: tuple[ClockReading, ...] = ()
    """The exchange's clocks, as far as its answers tell them."""
    alarms: tuple[str, ...] = ()
    """What the exchange says went wrong there, that no decision mends and a person has to look at.
    Each is told once."""
    price_limits: PriceLimits | None = None
    """Of now, where the exchange has such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything one decision is made from."""

    now_ms: int
    venue: Observation
    anchor: AnchorQuote | None
    """None where no anchor is configured."""
    external: AnchorQuote | None
    """The bootstrap anchor; None where it is off."""
    kill_switch: bool
    unsaved: str | None = None
    """Why what must survive a crash is not on disk; None where it is."""
