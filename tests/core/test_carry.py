"""Claims about the futures fair value."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.carry import FAIR_DECIMALS, YEAR_MS, fair_value, years_to_expiry
from mm_bot.core.exact import Price

NOW_MS = 1_777_000_000_000
prices = st.decimals("0.000001", "1000000000", places=6)
fine_prices = st.decimals("0.000001", "1000000", places=18)
rates = st.decimals("-2", "2", places=6)
spans_ms = st.integers(0, 3 * YEAR_MS)


def fair(
    spot: Decimal | str,
    rate: Decimal | str = "0",
    *,
    left_ms: int = 0,
    carry_abs: Decimal | str = "0",
    carry_bps: Decimal | str = "0",
) -> Decimal:
    return fair_value(
        spot=Price(Decimal(spot)),
        rate_apr=Decimal(rate),
        carry_abs=Decimal(carry_abs),
        carry_bps=Decimal(carry_bps),
        now_ms=NOW_MS,
        expiry_ms=NOW_MS + left_ms,
    ).value


def series_of_exp(exponent: Fraction) -> Fraction:
    """exp by its power series; 60 terms are exact to 50 digits for |exponent| up to 6."""
    term = total = Fraction(1)
    for index in range(1, 60):
        term = term * exponent / index
        total += term
    return total


@given(prices, rates, spans_ms)
def test_the_growth_is_that_of_an_independent_computation(
    spot: Decimal, rate: Decimal, left_ms: int
) -> None:
    """A power series in whole fractions gives the same value, rounded the same way."""
    exact = Fraction(spot) * series_of_exp(Fraction(rate) * left_ms / YEAR_MS)
    rounded = Decimal(round(exact * 10**FAIR_DECIMALS)).scaleb(-FAIR_DECIMALS)
    assert fair(spot, rate, left_ms=left_ms) == rounded


def test_examples() -> None:
    """1600 at 8 % over a year, and over a quarter of one."""
    assert fair("1600", "0.08", left_ms=YEAR_MS) == Decimal("1733.259308279934")
    assert fair("1600", "0.08", left_ms=YEAR_MS // 4) == Decimal("1632.322144042809")


@given(fine_prices, rates, st.integers(0, 3 * YEAR_MS))
def test_without_carry_it_equals_the_spot_at_and_after_expiry(
    spot: Decimal, rate: Decimal, past_ms: int
) -> None:
    """Rule 3: however many decimals the spot has, nothing is rounded once T is 0."""
    assert fair(spot, rate, left_ms=-past_ms) == spot


@given(fine_prices, rates, rates, spans_ms)
def test_it_never_falls_when_the_rate_rises(
    spot: Decimal, one: Decimal, other: Decimal, left_ms: int
) -> None:
    """Rule 2, in the rate."""
    low, high = sorted((one, other))
    assert fair(spot, low, left_ms=left_ms) <= fair(spot, high, left_ms=left_ms)


@given(fine_prices, rates, spans_ms, spans_ms)
def test_it_moves_one_way_with_time(
    spot: Decimal, rate: Decimal, one_ms: int, other_ms: int
) -> None:
    """Rule 2, in T: up under a positive rate, down under a negative one."""
    sooner, later = (fair(spot, rate, left_ms=left) for left in sorted((one_ms, other_ms)))
    assert sooner <= later if rate >= 0 else sooner >= later


@given(prices, st.decimals("-0.000001", "0.000001", places=18), spans_ms)
def test_the_smallest_rates_keep_the_order_around_the_spot(
    spot: Decimal, rate: Decimal, left_ms: int
) -> None:
    """Rounding cannot push a growing price below its spot."""
    grown = fair(spot, rate, left_ms=left_ms)
    assert grown >= spot if rate >= 0 else grown <= spot


@given(prices, rates, spans_ms, prices, st.decimals("-5000", "5000", places=4))
def test_carry_is_added_as_in_the_formula(
    spot: Decimal, rate: Decimal, left_ms: int, carry_abs: Decimal, carry_bps: Decimal
) -> None:
    """fair = spot x exp(rT) + carry_abs + spot x carry_bps / 10000, up to one rounding each."""
    bare = fair(spot, rate, left_ms=left_ms)
    with localcontext(prec=100):
        expected = bare + carry_abs + spot * carry_bps / 10_000
        got = fair(spot, rate, left_ms=left_ms, carry_abs=carry_abs, carry_bps=carry_bps)
        assert abs(got - expected) <= Decimal(1).scaleb(-FAIR_DECIMALS)


def test_carry_counts_after_expiry_too() -> None:
    """Only the growth ends with T; the operator's own carry does not."""
    assert fair("1600", "0.08", left_ms=-1, carry_abs="2.5", carry_bps="10") == Decimal("1604.1")


def test_a_year_has_365_days() -> None:
    """T is a plain fraction of 365 days, leap year or not; 0 where nothing expires."""
    assert years_to_expiry(NOW_MS, NOW_MS + 73 * 86_400_000) == Decimal("0.2")
    assert YEAR_MS == 31_536_000_000
    assert years_to_expiry(NOW_MS, NOW_MS - 1) == 0
    assert years_to_expiry(NOW_MS, None) == 0


def test_a_rate_beyond_reason_is_refused() -> None:
    """A rate typed in percent per second must not become a number of 400 digits."""
    with pytest.raises(ValueError, match="grows beyond"):
        fair("1600", "1000000", left_ms=YEAR_MS)
    for limit in ("50", "-50"):
        assert fair("1600", limit, left_ms=YEAR_MS) >= 0
        with pytest.raises(ValueError, match="grows beyond"):
            fair("1600", limit, left_ms=YEAR_MS + 1)
