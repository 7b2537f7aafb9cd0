"""Human, engine and chain numbers, and the only ways between them. Pure.

A human price is cNGN per USDC. The spot engine counts the other way round: it trades cNGN for a
price in USDC, so sides flip and prices invert. Futures agree with the human view. Chain numbers
are integers at 1e18; the body of an order is the plain decimal text of those very integers.

Invariants, which the property tests cite by number:

1. An order is never worse for the maker than the human price it was decided on: a bid never pays
   more cNGN per USDC, an ask never receives less.
2. The price and the amount in the body are the numbers that are signed.
3. An order is never larger than it was decided to be.
4. On the tick grid of 0.01, human to engine to human is the identity up to 700,000 cNGN per USDC
   (beyond that the engine's grid of 1e-18 is coarser than the six decimals shown).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Final

from mm_bot.core.changed import made_directly
from mm_bot.core.exact import (
    Amount,
    Price,
    Size,
    exact,
    floor_to_step,
    multiply,
    round_half_even,
)
from mm_bot.core.instrument import Instrument, Side

CHAIN_ONE: Final = 10**18
"""One, as the chain writes it."""
FUTURE_LOT: Final = Size(Decimal("0.001"))
"""Contracts in one step of a stored future amount."""
FINEST_SIZE: Final = Size(Decimal(1).scaleb(-18))
"""The finest size there is on chain."""
WHOLE_CNGN: Final = Decimal(1)
"""The step of a spot amount, in cNGN."""
SHOWN_DECIMALS: Final = 6
"""Decimals of a human spot price, as the exchange shows it."""

_ONE: Final = Decimal(1)
_GRID: Final = Decimal(1).scaleb(-18)
_CHAIN_LOT: Final = 10**15
"""`FUTURE_LOT` as the chain writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRef:
    """What the exchange calls an instrument: the `venue_ref` of ours."""

    asset: str
    """Lower-case address of the traded asset."""
    sub_id: int


def ref(market: Instrument) -> AssetRef:
    """The exchange's own name of an instrument that this adapter made."""
    assert isinstance(market.venue_ref, AssetRef), f"{market.symbol} is no instrument of ours"
    return market.venue_ref


class EngineSide(Enum):
    """A side as the API, the tables and the signed data say it."""

    BUY = "buy"
    SELL = "sell"


_ENGINE_SIDES: Final = {
    (buys, spot): EngineSide.BUY if buys is not spot else EngineSide.SELL
    for buys in (True, False)
    for spot in (True, False)
}


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOrder:
    """What is signed and sent: chain integers and the engine's side."""

    side: EngineSide
    limit_price: int
    desired_amount: int

    @property
    def price_text(self) -> str:
        return chain_text(self.limit_price)

    @property
    def amount_text(self) -> str:
        return chain_text(self.desired_amount)


def to_engine(
    market: Instrument, side: Side, price: Price, size: Size, notional: Amount
) -> EngineOrder:
    """The engine's form of a human order; every rounding is in the maker's favour.

    Raises:
        ValueError: where nothing is left to trade or the price is off the engine's scale.
    """
    spot, bid = market.is_spot, side is Side.BUY
    limit_price = _chain_price(price, inverted=spot, up=bid is spot)
    if spot:
        amount = int(notional.value) * CHAIN_ONE
    else:
        amount = int(floor_to_step(size.value, FUTURE_LOT.value, _ONE)) * _CHAIN_LOT
    if limit_price <= 0 or amount <= 0:
        raise ValueError(
            f"{side.value} {size} at {price} is below what {market.symbol} can express"
        )
    return EngineOrder(
        side=_ENGINE_SIDES[bid, spot], limit_price=limit_price, desired_amount=amount
    )


def engine_side(market: Instrument, side: Side) -> EngineSide:
    """The engine's side of a human one: on spot to buy USDC is to sell cNGN."""
    return _ENGINE_SIDES[side is Side.BUY, market.is_spot]


def human_side(market: Instrument, side: EngineSide) -> Side:
    """The inverse of `engine_side`."""
    return Side.BUY if (side is EngineSide.BUY) is not market.is_spot else Side.SELL


def human_price(market: Instrument, engine_price: Decimal) -> Price:
    """What an engine price is in cNGN per USDC; on spot half-even to six decimals.

    Raises:
        ValueError: for a price that is not positive.
    """
    if engine_price <= 0:
        raise ValueError(f"price {engine_price} is not positive")
    if market.is_spot:
        return Price(round_half_even(_ONE, engine_price, SHOWN_DECIMALS))
    return Price(engine_price)


def human_size(market: Instrument, stored_amount: Decimal, engine_price: Decimal) -> Size:
    """What a stored amount is worth in USDC (spot, exact) or is in contracts (futures)."""
    if market.is_spot:
        return Size(multiply(stored_amount, engine_price))
    return Size(multiply(stored_amount, FUTURE_LOT.value))


def human_notional(market: Instrument, stored_amount: Decimal, engine_price: Decimal) -> Amount:
    """cNGN behind a stored amount: the amount itself on spot, else price x size x contract."""
    if market.is_spot:
        return Amount(stored_amount)
    size = human_size(market, stored_amount, engine_price)
    return (human_price(market, engine_price) * size).times(market.multiplier)


def lot_size(market: Instrument, engine_price: Decimal) -> Size:
    """One step of the amount as a size: one cNGN's worth of USDC, or 0.001 contracts."""
    return human_size(market, _ONE, engine_price)


def whole_steps(market: Instrument, amount: int) -> int:
    """A chain amount of an order in whole steps of it, downwards: cNGN on spot, lots else."""
    step = WHOLE_CNGN if market.is_spot else FUTURE_LOT.value
    return amount // to_chain_exact(step)


def chain_text(value: int) -> str:
    """A chain integer as the plain decimal text of what it stands for: `plain(from_chain(value))`
    without the way over a Decimal."""
    digits = str(abs(value)).zfill(19)
    part = digits[-18:].rstrip("0")
    text = f"{digits[:-18]}.{part}" if part else digits[:-18]
    return text if value >= 0 else f"-{text}"


def from_chain(value: int) -> Decimal:
    """A chain integer as the number it stands for, exactly."""
    return multiply(exact(value), _GRID)


def to_chain_exact(value: Decimal) -> int:
    """The chain integer of a number that lies on the 1e-18 grid.

    Raises:
        ValueError: where it does not.
    """
    scaled = multiply(value, Decimal(CHAIN_ONE))
    whole = int(scaled)
    if whole != scaled:
        raise ValueError(f"{value} has more than 18 decimals")
    return whole


def _chain_price(price: Price, *, inverted: bool, up: bool) -> int:
    """The limit price; a human bid is rounded down and an ask up, which the inversion mirrors."""
    numerator, denominator = price.value.as_integer_ratio()
    if numerator <= 0:
        raise ValueError(f"price {price} is not positive")
    if inverted:
        numerator, denominator = denominator, numerator
    scaled = numerator * CHAIN_ONE
    return -(-scaled // denominator) if up else scaled // denominator
