"""Sizes on their grid, the smallest order, and what an order holds."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Price, Size
from mm_bot.core.instrument import BOTH, Capabilities, Instrument, Kind, Margin, Side
from tests.core.builders import FUTURE, SPOT

PERPETUAL = replace(
    FUTURE, kind=Kind.PERPETUAL, margin=Margin.QUOTE, expiry_ms=None, least_size=Size.of("0.01")
)


def test_each_side_is_the_mirror_of_the_other() -> None:
    """A bid adds, its best price is the highest, and it meets an ask at or below itself."""
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    low, mid, high = (Price.of(price) for price in (1, 2, 3))
    assert min((mid, high, low), key=Side.BUY.best_first) is high
    assert min((mid, high, low), key=Side.SELL.best_first) is low
    assert [Side.BUY.reaches(mid, each) for each in (low, mid, high)] == [True, True, False]
    assert [Side.SELL.reaches(mid, each) for each in (low, mid, high)] == [False, True, True]
    assert [Side.BUY.is_better(mid, each) for each in (low, mid, high)] == [True, False, False]
    assert [Side.SELL.is_better(mid, each) for each in (low, mid, high)] == [False, False, True]
    assert tuple(Side) == BOTH


def test_a_market_of_which_nothing_more_is_said_is_of_the_plainest_exchange() -> None:
    """It can nothing, shows orders and fills at one moment, names the orders of its book and lists
    all of them; the smallest order is one step."""
    plain = Instrument(
        symbol="X-SPOT",
        base="X",
        quote="cNGN",
        kind=Kind.SPOT,
        price_tick=Price.of(1),
        size_step=Size.of(2),
        multiplier=Decimal(1),
        margin=Margin.FUNDED,
        margin_rate=Decimal(0),
        collateral="cNGN",
        expiry_ms=None,
    )
    assert plain.capabilities == Capabilities(
        reduce_only=False,
        atomic_replace=False,
        least_order_life_ms=0,
        resend_safe=False,
        nonce_is_time_ns=False,
        fills_with_orders=True,
        book_names_orders=True,
        book_depth=None,
    )
    assert plain.tradable(Price.of(1), Size.of(2))
    assert not plain.tradable(Price.of(1), Size.of(1))
    for side, at in ((Side.BUY, (5, 2)), (Side.SELL, (6, 3))):
        prices = plain.prices(side, Decimal(11), Decimal(-6), 2, Decimal(2))
        assert prices == tuple(Price.of(each) for each in at)
    assert (plain.steps(Size.of(7)), plain.floor_size(Size.of(7))) == (3, Size.of(6))


@pytest.mark.parametrize(
    ("market", "price", "size", "floored", "worth", "tradable"),
    [
        (SPOT, "1600", "1.00055", "1.00055", "1600", True),
        (SPOT, "1600", "0.000625", "0.000625", "1", True),
        (SPOT, "1600", "0.000624", "0.000624", "0", False),
        (FUTURE, "1600", "1.0019", "1.001", "16030400", True),
        (FUTURE, "1600", "0.001", "0.001", "16000", True),
        (FUTURE, "1600", "0.0009", "0", "14400", False),
        (PERPETUAL, "1600", "0.01", "0.01", "160000", True),
        (PERPETUAL, "1600", "0.009", "0.009", "144000", False),
    ],
)
def test_an_order_is_on_its_grid_and_no_smaller_than_the_smallest(
    market: Instrument, price: str, size: str, floored: str, worth: str, tradable: bool
) -> None:
    """The grid is of whole cNGN on spot and of lots elsewhere; the smallest is one step of it, or
    what the market says."""
    at, much = Price.of(price), Size.of(size)
    assert market.floor_size(much) == Size.of(floored)
    assert market.notional(at, much) == Amount.of(worth)
    assert market.tradable(at, much) is tradable
    in_what_counts = Amount.of(worth) if market is SPOT else Amount.of(size)
    assert market.counted(much, market.notional(at, much)) == in_what_counts


@pytest.mark.parametrize(
    ("margin", "side", "base", "quote"),
    [
        (Margin.FUNDED, Side.BUY, NO_SIZE, Amount.of(48_000)),
        (Margin.FUNDED, Side.SELL, Size.of(3), NO_AMOUNT),
        (Margin.BASE, Side.BUY, NO_SIZE, Amount.of(6_000)),
        (Margin.BASE, Side.SELL, NO_SIZE, Amount.of(6_000)),
        (Margin.QUOTE, Side.BUY, NO_SIZE, Amount.of(9_600)),
        (Margin.QUOTE, Side.SELL, NO_SIZE, Amount.of(9_600)),
    ],
)
def test_a_resting_order_holds_its_funds_or_its_margin(
    margin: Margin, side: Side, base: Size, quote: Amount
) -> None:
    """Of 3 contracts of 10,000, worth 48,000, at a fifth."""
    market = replace(FUTURE, margin=margin)
    assert market.held_by(side, Size.of(3), Amount.of(48_000)) == (base, quote)


def test_a_market_is_open_until_it_expires() -> None:
    """At that very moment it is not; one without expiry always is."""
    assert FUTURE.expiry_ms is not None
    assert FUTURE.is_open(FUTURE.expiry_ms - 1)
    assert not FUTURE.is_open(FUTURE.expiry_ms)
    assert SPOT.is_open(10**18)
    assert (SPOT.is_spot, FUTURE.is_spot, PERPETUAL.is_spot) == (True, False, False)
