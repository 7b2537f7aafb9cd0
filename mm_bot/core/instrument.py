"""What is traded: `Instrument` and what its exchange can do, its two sides, one wanted `Level`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from mm_bot.core.changed import made_directly
from mm_bot.core.exact import (
    NO_AMOUNT,
    NO_SIZE,
    Amount,
    Price,
    Size,
    ceil_to_step,
    floor_to_step,
    floored,
    multiply,
    stepped,
)

_ONE = Decimal(1)


class Side(Enum):
    """A side as a human reads it: `BUY` bids for the base, `SELL` asks for the quote."""

    BUY = "buy"
    SELL = "sell"

    __hash__ = object.__hash__  # as good as the enumeration's own, at a fifth of its time

    @property
    def opposite(self) -> Side:
        return _SELL if self is _BUY else _BUY

    @property
    def sign(self) -> int:
        """+1 where a fill adds to the inventory, -1 where it takes from it."""
        return 1 if self is _BUY else -1

    def best_first(self, price: Price) -> Decimal:
        """Sort key that puts the best price of this side first."""
        return price.value.copy_negate() if self is _BUY else price.value

    def is_better(self, price: Price, other: Price) -> bool:
        """Whether an order of this side at `price` gives a taker more than one at `other`."""
        return price > other if self is _BUY else price < other

    def reaches(self, price: Price, opposite: Price) -> bool:
        """Whether an order of this side at `price` crosses or touches an opposite one."""
        return price >= opposite if self is _BUY else price <= opposite


BOTH = _BUY, _SELL = Side.BUY, Side.SELL
"""Both, bids first: walked in a tenth of the enumeration's own time."""


class Kind(Enum):
    """What a unit of size is: the base itself, or a contract on it that ends never or on a date."""

    SPOT = "spot"
    PERPETUAL = "perpetual"
    FUTURE = "future"


class Margin(Enum):
    """What a resting order holds of the balances until it trades or ends.

    FUNDED: a bid its notional of the quote, an ask its size of the base.
    BASE: either side `size x multiplier x margin_rate` of a collateral in units of the base.
    QUOTE: either side `size x multiplier x price x margin_rate` of a collateral in units of the
    quote.
    """

    FUNDED = "funded"
    BASE = "base"
    QUOTE = "quote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an exchange can do, as far as a decision depends on it. The core decides by these and
    never by an exchange's name. The defaults are those of the plainest exchange.

    What it does alike on all of them is no capability: a quote never takes (it is sent post-only
    where that is there), and none is placed that would meet an order of our own."""

    reduce_only: bool = False
    """An order can be refused rather than add to the position."""
    atomic_replace: bool = False
    """A cancel and the place that follows it can be one command."""
    least_order_life_ms: int = 0
    """Orders that would live shorter are refused."""
    resend_safe: bool = False
    """The same signed bytes sent twice make at most one order."""
    nonce_is_time_ns: bool = False
    """Nonces are the time in nanoseconds, and refused where that is far from now."""
    fills_with_orders: bool = True
    """Orders and fills are read at one moment; elsewhere one may show what the other lacks yet."""
    book_names_orders: bool = True
    """The book lists orders by id; elsewhere levels, from which the adapter takes ours out."""
    book_depth: int | None = None
    """Orders a side that a read of the book lists at most; None is all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What is traded, in human units: prices in `quote` per `base`.

    Sizes are of the base where `kind` is spot, else contracts of `multiplier` base units each.
    """

    symbol: str
    base: str
    quote: str
    kind: Kind
    price_tick: Price
    size_step: Size
    """The grid of sizes; where `notional_step` is set, the finest size there is."""
    least_size: Size | None = None
    """The smallest order; None is one step."""
    notional_step: Amount | None = None
    """Where set, an order's amount is a whole multiple of this much of the quote, and its size
    whatever that comes to at its price."""
    multiplier: Decimal
    margin: Margin
    margin_rate: Decimal
    """The part of a position's worth that its collateral must cover; 0 where FUNDED."""
    collateral: str
    """What margins it; the quote where FUNDED."""
    expiry_ms: int | None
    """When trading ends, unix milliseconds; None where it does not."""
    capabilities: Capabilities = Capabilities()
    venue_ref: object = None
    """How the exchange itself names it. Only its adapter reads this."""

    @property
    def is_spot(self) -> bool:
        return self.kind is Kind.SPOT

    def floor_size(self, size: Size) -> Size:
        """`size` on the size grid, downwards; as it is where the grid is on the quote."""
        if self.notional_step is not None:
            return size
        return Size.made(floored(size.value, self.size_step.value))

    def notional(self, price: Price, size: Size) -> Amount:
        """What `size` is worth at `price`, in the quote; on the quote's grid floored to it, so that
        an order is never larger than it was meant to be."""
        worth = multiply(multiply(price.value, size.value), self.multiplier)
        if self.notional_step is not None:
            worth = floored(worth, self.notional_step.value)
        return Amount.made(worth)

    def tradable(self, price: Price, size: Size) -> bool:
        """Whether `size` reaches the smallest order there is: one step of its grid."""
        return self.reaches_least(size, self.notional(price, size))

    def reaches_least(self, size: Size, notional: Amount) -> bool:
        """The same of a size whose worth is known."""
        if self.notional_step is not None:
            return notional >= self.notional_step
        return size >= (self.least_size or self.size_step)

    def counted(self, size: Size, notional: Amount) -> Amount:
        """`size`, worth `notional`, in what the exchange counts orders and fills in: the quote
        where the grid is on it, else the size."""
        return notional if self.notional_step is not None else Amount(size.value)

    def prices(
        self, side: Side, numerator: Decimal, each: Decimal, count: int, denominator: Decimal
    ) -> tuple[Price, ...]:
        """So many on the tick, of bids floored and of asks ceiled, each numerator by `each` more
        than the last."""
        up, tick = side is Side.SELL, self.price_tick.value
        at = stepped(numerator, each, count, denominator, tick, up=up)
        return tuple([Price.made(price) for price in at])

    def floor_price(self, numerator: Decimal, denominator: Decimal) -> Price:
        return Price.made(floor_to_step(numerator, denominator, self.price_tick.value))

    def ceil_price(self, numerator: Decimal, denominator: Decimal) -> Price:
        return Price.made(ceil_to_step(numerator, denominator, self.price_tick.value))

    def steps(self, size: Size) -> int:
        """How many whole size steps are in it."""
        return int(floor_to_step(size.value, self.size_step.value, _ONE))

    def held_by(self, side: Side, size: Size, notional: Amount) -> tuple[Size, Amount]:
        """What a resting order of that side holds of the base and of the quote (or collateral)."""
        if self.margin is Margin.FUNDED:
            bid = side is Side.BUY
            return (NO_SIZE, notional) if bid else (size, NO_AMOUNT)
        if self.margin is Margin.BASE:
            return NO_SIZE, self.margin_of(size)
        return NO_SIZE, notional.times(self.margin_rate)

    def margin_of(self, size: Size) -> Amount:
        """The collateral that `size` contracts reserve where the margin is of the base."""
        return Amount(multiply(size.value, multiply(self.multiplier, self.margin_rate)))

    def is_open(self, now_ms: int) -> bool:
        return self.expiry_ms is None or now_ms < self.expiry_ms


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One order we want: `index` 0 is the best of its side."""

    side: Side
    index: int
    price: Price
    size: Size
    """In the unit of the instrument's sizes."""
    notional: Amount
    """In the quote; where the grid is on the quote, the exact amount that is sent."""
