"""Units: human, engine and chain numbers agree, and never to the maker's cost."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Amount, Price, Size, plain
from mm_bot.core.instrument import Instrument, Side
from mm_bot.venues.numo import units
from tests.venues.desk import FUTURE_MARKET, SPOT_MARKET

SIDES = st.sampled_from(Side)
MARKETS = st.sampled_from((SPOT_MARKET, FUTURE_MARKET))
TICK_PRICES = st.integers(1, 10**9).map(lambda ticks: Decimal(ticks).scaleb(-2))
ANY_PRICES = st.decimals(
    Decimal("1e-6"), Decimal("1e7"), allow_nan=False, allow_infinity=False, places=30
)
SIZES = st.integers(1, 10**15).map(lambda micro: Decimal(micro).scaleb(-6))


def engine(
    market: Instrument, side: Side, price: Decimal, size: Decimal
) -> units.EngineOrder | None:
    """The engine's order, None where the exchange has no number that small."""
    human_price, human_size = Price(price), Size(size)
    notional = market.notional(human_price, human_size)
    try:
        return units.to_engine(market, side, human_price, human_size, notional)
    except ValueError:
        return None


@given(MARKETS, SIDES, TICK_PRICES | ANY_PRICES, SIZES)
def test_an_order_is_never_worse_for_the_maker(
    market: Instrument, side: Side, price: Decimal, size: Decimal
) -> None:
    """Invariant 1: what is signed never pays more or takes less than the price decided on."""
    order = engine(market, side, price, size)
    if order is None:
        return
    signed = Fraction(order.limit_price, units.CHAIN_ONE)
    paid = 1 / signed if market.is_spot else signed
    assert paid <= Fraction(price) if side is Side.BUY else paid >= Fraction(price)


@given(MARKETS, SIDES, TICK_PRICES, SIZES)
def test_an_order_is_never_larger_than_decided(
    market: Instrument, side: Side, price: Decimal, size: Decimal
) -> None:
    """Invariant 3: the signed amount is at most the decided one, and less than a step below it."""
    order = engine(market, side, price, size)
    if order is None:
        return
    signed = Fraction(order.desired_amount, units.CHAIN_ONE)
    decided = Fraction(price) * Fraction(size) if market.is_spot else Fraction(size)
    step = Fraction(1) if market.is_spot else Fraction(1, 1000)
    assert signed <= decided < signed + step
    assert signed % step == 0


@given(MARKETS, SIDES, TICK_PRICES, SIZES)
def test_the_body_says_what_is_signed(
    market: Instrument, side: Side, price: Decimal, size: Decimal
) -> None:
    """Invariant 2: price and amount in the body are the signed numbers, as plain decimals."""
    order = engine(market, side, price, size)
    if order is None:
        return
    assert Fraction(order.price_text) * units.CHAIN_ONE == order.limit_price
    assert Fraction(order.amount_text) * units.CHAIN_ONE == order.desired_amount
    assert set(order.price_text + order.amount_text) <= set("0123456789.")


@given(SIDES, st.integers(1, 70_000_000), SIZES)
def test_a_spot_price_survives_the_round_trip(side: Side, ticks: int, size: Decimal) -> None:
    """Invariant 4: a tick price comes back from the engine as itself."""
    price = Decimal(ticks).scaleb(-2)
    order = engine(SPOT_MARKET, side, price, size)
    if order is not None:
        shown = units.human_price(SPOT_MARKET, units.from_chain(order.limit_price))
        assert shown == Price(price)


@given(st.integers(-(10**40), 10**40))
def test_the_text_of_a_chain_integer_is_that_of_its_number(value: int) -> None:
    """Without the way over a Decimal the plain text is the same."""
    assert units.chain_text(value) == plain(units.from_chain(value))


@given(MARKETS, SIDES)
def test_sides_survive_the_round_trip(market: Instrument, side: Side) -> None:
    """human_side is the inverse of engine_side, and only spot is flipped."""
    there = units.engine_side(market, side)
    assert units.human_side(market, there) is side
    assert (there.value == side.value) is not market.is_spot


@pytest.mark.parametrize(
    ("market", "side", "price", "size", "expected"),
    [
        (SPOT_MARKET, Side.BUY, "1600", "100", ("sell", "0.000625", "160000")),
        (SPOT_MARKET, Side.SELL, "1610", "100", ("buy", "0.00062111801242236", "161000")),
        (SPOT_MARKET, Side.BUY, "1610", "100", ("sell", "0.000621118012422361", "161000")),
        (SPOT_MARKET, Side.SELL, "1600.01", "0.5", ("buy", "0.000624996093774413", "800")),
        (FUTURE_MARKET, Side.BUY, "1681", "1", ("buy", "1681", "1")),
        (FUTURE_MARKET, Side.SELL, "1610", "0.0259", ("sell", "1610", "0.025")),
    ],
)
def test_known_orders(
    market: Instrument, side: Side, price: str, size: str, expected: tuple[str, str, str]
) -> None:
    """Orders as the exchange's recorded bodies have them."""
    order = engine(market, side, Decimal(price), Decimal(size))
    assert order is not None
    assert (order.side.value, order.price_text, order.amount_text) == expected


def test_what_cannot_be_expressed_is_refused() -> None:
    """Less than one cNGN, less than one lot, and prices off the engine's grid are ValueErrors."""
    for market, price, size in (
        (SPOT_MARKET, "1600", "0.0006"),
        (FUTURE_MARKET, "1600", "0.0009"),
        (SPOT_MARKET, "1e19", "1"),
        (FUTURE_MARKET, "0", "1"),
    ):
        with pytest.raises(ValueError, match=r"below what|not positive"):
            units.to_engine(market, Side.SELL, Price.of(price), Size.of(size), Amount.of(0))


def test_a_spot_row_in_human_units() -> None:
    """160000 cNGN at 0.000625 are 100 USDC at 1600; a step of it is one cNGN's worth."""
    price = Decimal("0.000625")
    assert units.human_price(SPOT_MARKET, price) == Price.of(1600)
    assert units.human_size(SPOT_MARKET, Decimal(160000), price) == Size.of(100)
    assert units.human_notional(SPOT_MARKET, Decimal(160000), price) == Amount.of(160000)
    assert units.lot_size(SPOT_MARKET, price) == Size.of("0.000625")


def test_a_future_row_in_human_units() -> None:
    """A stored 14 is 0.014 contracts, worth price x 0.014 x 10,000 cNGN."""
    price = Decimal(1600)
    assert units.human_price(FUTURE_MARKET, price) == Price.of(1600)
    assert units.human_size(FUTURE_MARKET, Decimal(14), price) == Size.of("0.014")
    assert units.human_notional(FUTURE_MARKET, Decimal(14), price) == Amount.of(224000)
    assert units.lot_size(FUTURE_MARKET, price) == Size.of("0.001")


def test_the_unrounded_inverse_never_shows() -> None:
    """1 / 0.000624999999999999742... is 1600, not 1600.00000000000066."""
    assert units.human_price(SPOT_MARKET, Decimal("0.000624999999999999")) == Price.of(1600)
