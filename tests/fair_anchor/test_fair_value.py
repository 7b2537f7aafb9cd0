"""The pure part: what a future's answer says, for any spot, rate, carry and time."""

from __future__ import annotations

import json
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fair_anchor.fair_value import (
    Carry,
    Confidence,
    RateTable,
    Spot,
    quote_future,
    quote_spot,
    utc_text,
)
from mm_bot.core.carry import YEAR_MS, fair_value
from mm_bot.core.exact import Price
from tests.fair_anchor.support import FIELDS

NOW_MS = 1_795_266_783_964
PRICES = st.decimals("1", "1000000", places=6).map(Price)
RATES = st.decimals("-0.5", "2", places=4)
CARRIES = st.decimals("0", "50", places=3)
TIMES = st.integers(0, 5 * YEAR_MS)


def spot(price: Price) -> Spot:
    return Spot(
        price=price,
        source="http",
        observed_at_ms=NOW_MS - 1_500,
        confidence=Confidence.HIGH,
        degraded=False,
    )


def fair(price: Price, rate: Decimal, left_ms: int, carry: Carry | None = None) -> Price:
    """The fair value with so much time to expiry."""
    carry = carry or Carry(rates=RateTable(flat=rate))
    return quote_future("F", NOW_MS + left_ms, spot(price), carry, NOW_MS).fair


@given(PRICES, RATES, RATES, TIMES)
def test_a_higher_rate_never_gives_a_lower_value(
    price: Price, one: Decimal, other: Decimal, left_ms: int
) -> None:
    """The fair value does not fall when the rate rises."""
    low, high = sorted((one, other))
    assert fair(price, low, left_ms) <= fair(price, high, left_ms)


@given(PRICES, st.decimals("0", "2", places=4), TIMES, TIMES)
def test_more_time_never_gives_a_lower_value(
    price: Price, rate: Decimal, one_ms: int, other_ms: int
) -> None:
    """Under a rate that is not negative the fair value does not fall with the time to expiry."""
    low, high = sorted((one_ms, other_ms))
    assert fair(price, rate, low) <= fair(price, rate, high)


@given(PRICES, RATES, st.integers(-YEAR_MS, 0))
def test_at_and_after_expiry_it_is_the_spot(price: Price, rate: Decimal, left_ms: int) -> None:
    """With no time left and no carry the fair value equals the spot, digit for digit."""
    assert fair(price, rate, left_ms) == price


@given(PRICES, RATES, TIMES, CARRIES, CARRIES)
def test_it_is_the_bot_s_own_formula(
    price: Price, rate: Decimal, left_ms: int, absolute: Decimal, bps: Decimal
) -> None:
    """The answer is `mm_bot.core.carry.fair_value`, and that is the formula to 1e-9."""
    carry = Carry(rates=RateTable(flat=rate), absolute=absolute, bps=bps)
    found = fair(price, rate, left_ms, carry)
    assert found == fair_value(
        spot=price,
        rate_apr=rate,
        carry_abs=absolute,
        carry_bps=bps,
        now_ms=NOW_MS,
        expiry_ms=NOW_MS + left_ms,
    )
    with localcontext() as context:
        context.prec = 50
        growth = (rate * left_ms / YEAR_MS).exp()
        formula = price.value * growth + absolute + price.value * bps / 10_000
        assert abs(found.value - formula) < Decimal("1e-9")


@given(PRICES, RATES, TIMES)
def test_each_number_is_written_with_every_digit(price: Price, rate: Decimal, left_ms: int) -> None:
    """The JSON numbers of an answer, read as decimals, are exactly the values."""
    quote = quote_future(
        "F", NOW_MS + left_ms, spot(price), Carry(rates=RateTable(flat=rate)), NOW_MS
    )
    told = json.loads(quote.to_json(), parse_float=Decimal, parse_int=Decimal)
    assert list(told) == FIELDS
    assert told["price"] == told["fair"] == quote.fair.value
    assert (told["spot"], told["rate_apr"]) == (price.value, rate)


def test_the_answer_s_time_is_that_of_its_spot() -> None:
    """`generated_at` is when the spot was true, so that repeating an answer makes it no younger."""
    told = json.loads(quote_spot("S", spot(Price.of(1600))).to_json())
    assert told["generated_at"] == told["spot_observed_at"] == utc_text(NOW_MS - 1_500)
    assert told["expiry_utc"] is None
    assert told["confidence"] == "high"


def test_a_value_that_is_not_positive_is_none() -> None:
    """A carry that outweighs the spot is refused, as is a rate beyond all bounds."""
    with pytest.raises(ValueError, match="not positive"):
        fair(Price.of(1600), Decimal(0), 0, Carry(absolute=Decimal(-1600)))
    with pytest.raises(ValueError, match="grows beyond"):
        fair(Price.of(1600), Decimal(10), 6 * YEAR_MS)


CURVE = RateTable(
    flat=Decimal(9),
    by_symbol={"OWN": Decimal("0.5")},
    curve=((1_000, Decimal("0.1")), (2_000, Decimal("0.2")), (4_000, Decimal("0.1"))),
)


@pytest.mark.parametrize(
    ("symbol", "expiry_ms", "rate"),
    [
        ("OWN", 1_500, "0.5"),
        ("F", 0, "0.1"),
        ("F", 1_000, "0.1"),
        ("F", 1_500, "0.15"),
        ("F", 2_000, "0.2"),
        ("F", 3_000, "0.15"),
        ("F", 9_000, "0.1"),
    ],
)
def test_a_rate_comes_from_the_future_s_own_or_the_curve(
    symbol: str, expiry_ms: int, rate: str
) -> None:
    """A future's own rate first; then the line between the curve's points, flat outside of them."""
    assert CURVE.rate(symbol, expiry_ms) == Decimal(rate)


@given(st.lists(RATES, min_size=2, max_size=5), st.integers(0, 6_000))
def test_a_rate_on_the_curve_lies_between_its_neighbours(
    rates: list[Decimal], expiry_ms: int
) -> None:
    """No interpolated rate is outside of the curve's own."""
    table = RateTable(curve=tuple((1_000 * n, rate) for n, rate in enumerate(rates)))
    assert min(rates) <= table.rate("F", expiry_ms) <= max(rates)
