"""What is traded: `Market`, the two sides of it, and one wanted `Level`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from mm_bot.core.exact import Amount, Price, Size, ceil_to_step, floor_to_step, multiply


class Side(Enum):
    """A side as a human reads it: `BUY` bids for USDC, `SELL` asks for cNGN."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 where a fill adds to the inventory, -1 where it takes from it."""
        return 1 if self is Side.BUY else -1

    def best_first(self, price: Price) -> Decimal:
        """Sort key that puts the best price of this side first."""
        return -price.value if self is Side.BUY else price.value

    def reaches(self, price: Price, opposite: Price) -> bool:
        """Whether an order of this side at `price` crosses or touches an opposite one."""
        return price >= opposite if self is Side.BUY else price <= opposite


class MarketKind(Enum):
    SPOT = "spot"
    FUTURE = "deliverable_fx_future"


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """One market, in human units.

    `size_step` is the lot of a future in contracts. A spot order has none: its amount is a whole
    number of cNGN, which `notional` floors to. `contract_size` is USDC per contract (1 on spot),
    `margin_rate` the part of it that a resting future reserves in cash (0 on spot).
    """

    symbol: str
    kind: MarketKind
    asset: str
    """Lower-case address of the traded asset."""
    sub_id: int
    price_tick: Price
    size_step: Size
    contract_size: Decimal
    margin_rate: Decimal
    expiry_ms: int | None
    """When trading ends, unix milliseconds; None on spot."""

    @property
    def is_spot(self) -> bool:
        return self.kind is MarketKind.SPOT

    def floor_size(self, size: Size) -> Size:
        """`size` on the lot grid, downwards; as it is on spot."""
        if self.is_spot:
            return size
        return Size(floor_to_step(size.value, Decimal(1), self.size_step.value))

    def notional(self, price: Price, size: Size) -> Amount:
        """What `size` is worth at `price`, in cNGN; on spot floored to the whole cNGN that the
        order's amount can carry, so that an order is never larger than it was meant to be."""
        worth = (price * size).times(self.contract_size)
        if self.is_spot:
            return Amount(floor_to_step(worth.value, Decimal(1), Decimal(1)))
        return worth

    def tradable(self, price: Price, size: Size) -> bool:
        """Whether `size` reaches the smallest order there is: one lot, or one whole cNGN."""
        if self.is_spot:
            return self.notional(price, size) >= Amount(Decimal(1))
        return size >= self.size_step

    def floor_price(self, numerator: Decimal, denominator: Decimal) -> Price:
        return Price(floor_to_step(numerator, denominator, self.price_tick.value))

    def ceil_price(self, numerator: Decimal, denominator: Decimal) -> Price:
        return Price(ceil_to_step(numerator, denominator, self.price_tick.value))

    def margin(self, size: Size) -> Amount:
        """The cash (USDC) that a resting order or position of `size` contracts reserves."""
        per_contract = multiply(self.contract_size, self.margin_rate)
        return Amount(multiply(size.value, per_contract))

    def is_open(self, now_ms: int) -> bool:
        return self.expiry_ms is None or now_ms < self.expiry_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One order we want: `index` 0 is the best of its side."""

    side: Side
    index: int
    price: Price
    size: Size
    """USDC on spot, contracts on a future."""
    notional: Amount
    """cNGN; on spot the exact whole amount that is sent."""
