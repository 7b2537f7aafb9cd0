"""Quantities are exact, kinds do not mix, and every rounding goes the way its name says."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_bot.core.exact import (
    NO_AMOUNT,
    NO_SIZE,
    Amount,
    Price,
    Size,
    ceil_to_step,
    clamp,
    distance,
    exact,
    floor_to_step,
    floored,
    multiply,
    multiply_add,
    plain,
    round_half_even,
    stepped,
)

numbers = st.decimals(
    min_value=-(10**12), max_value=10**12, allow_nan=False, allow_infinity=False, places=18
)
positives = st.decimals(min_value="0.000001", max_value=10**9, places=6)


@pytest.mark.parametrize("value", [1.5, True, None, b"1"])
def test_what_is_no_exact_number_is_refused(value: object) -> None:
    """A float, a bool or bytes never becomes a quantity."""
    with pytest.raises(TypeError):
        exact(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "abc", "NaN", "Infinity", "1e", "--1"])
def test_text_that_is_no_finite_number_is_refused(text: str) -> None:
    """Neither nonsense nor an infinity becomes a quantity."""
    with pytest.raises(ValueError, match="not a"):
        exact(text)


def test_kinds_neither_add_nor_compare() -> None:
    """A price plus a size, or an amount below a price, is a mistake and raises."""
    with pytest.raises(TypeError):
        Price.of(1) + Size.of(1)  # type: ignore[operator]
    with pytest.raises(TypeError):
        assert Amount.of(1) < Price.of(2)  # type: ignore[operator]
    with pytest.raises(TypeError):
        Price.of(1) * Price.of(2)  # type: ignore[operator]


@given(numbers, positives, positives)
def test_floor_and_ceil_enclose(value: Decimal, divisor: Decimal, step: Decimal) -> None:
    """floor <= value/divisor <= ceil, both on the step, less than one step from it."""
    low, high = floor_to_step(value, divisor, step), ceil_to_step(value, divisor, step)
    assert multiply(low, divisor) <= value <= multiply(high, divisor)
    assert (high - low) in (0, step)
    assert multiply(low + step, divisor) > value
    assert low % step == 0
    assert high % step == 0


@given(numbers, numbers, st.integers(0, 4), positives, positives)
@example(first=Decimal("0.5"), each=Decimal(-1), count=3, divisor=Decimal(1), step=Decimal(1))
def test_many_in_a_row_are_rounded_as_each_alone(
    first: Decimal, each: Decimal, count: int, divisor: Decimal, step: Decimal
) -> None:
    """Down or up, across zero too; of one number over 1 what is on the step already stays."""
    every = [multiply_add(each, Decimal(n), first) for n in range(count)]
    for up, alone in ((False, floor_to_step), (True, ceil_to_step)):
        found = stepped(first, each, count, divisor, step, up=up)
        assert found == [alone(number, divisor, step) for number in every]
    for number in (first, multiply(step, Decimal(int(first)))):
        assert floored(number, step) == floor_to_step(number, Decimal(1), step)


@given(numbers, positives, st.integers(0, 20))
def test_half_even_is_the_nearest(value: Decimal, divisor: Decimal, digits: int) -> None:
    """The rounded value is at most half a step away."""
    step = Decimal(1).scaleb(-digits)
    rounded = round_half_even(value, divisor, digits)
    assert abs(multiply(rounded, divisor) - value) * 2 <= multiply(step, divisor)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [("0.5", "0"), ("1.5", "2"), ("2.5", "2"), ("-0.5", "0"), ("-1.5", "-2"), ("2.51", "3")],
)
def test_ties_go_to_even(value: str, rounded: str) -> None:
    """A tie is rounded to the even neighbour, as the API rounds its human prices."""
    assert round_half_even(Decimal(value), Decimal(1), 0) == Decimal(rounded)


def test_the_human_price_of_an_engine_price() -> None:
    """1 / engine price half-even to six decimals gives 1600, not 1600.00000000000066."""
    assert round_half_even(Decimal(1), Decimal("0.000625"), 6) == 1600
    assert round_half_even(Decimal(1), Decimal("0.000624999999999999742"), 6) == 1600


@given(numbers, numbers)
def test_products_lose_nothing(left: Decimal, right: Decimal) -> None:
    """A product of 18-decimal numbers keeps all 36 decimals."""
    product = Price(left) * Size(right)
    assert Fraction(product.value) == Fraction(left) * Fraction(right)


def test_nothing_is_zero() -> None:
    """No size and no amount, each of its kind."""
    assert (Size.of(0), Amount.of(0)) == (NO_SIZE, NO_AMOUNT)


@given(numbers)
def test_plain_text_reads_back(value: Decimal) -> None:
    """Text has no exponent and gives the same number back."""
    assert Decimal(plain(value)) == value
    assert "E" not in plain(value)


@pytest.mark.parametrize("kind", [Size, Amount, Price])
def test_a_quantity_compares_as_its_number_does(kind: type[Size]) -> None:
    """Less, equal and more, each way and at equality."""
    one, two = kind.of(1), kind.of(2)
    assert (one < two, two < one, one < kind.of(1)) == (True, False, False)
    assert (one <= two, two <= one, one <= kind.of(1)) == (True, False, True)
    assert (one > two, two > one, one > kind.of(1)) == (False, True, False)
    assert (one >= two, two >= one, one >= kind.of(1)) == (False, True, True)
    assert (one == kind.of("1.0"), one == two) == (True, False)
    assert distance(one.value, two.value) == distance(two.value, one.value) == 1


@pytest.mark.parametrize("rounding", [floor_to_step, ceil_to_step])
@pytest.mark.parametrize(("divisor", "step"), [("0", "1"), ("-1", "1"), ("1", "0"), ("1", "-1")])
def test_no_step_and_no_divisor_is_below_one(
    rounding: Callable[[Decimal, Decimal, Decimal], Decimal], divisor: str, step: str
) -> None:
    """Each by itself: a direction of rounding would turn around."""
    with pytest.raises(ValueError, match="must be positive"):
        rounding(Decimal(7), Decimal(divisor), Decimal(step))


@pytest.mark.parametrize(
    ("value", "text"), [("100", "100"), ("1.50", "1.5"), ("0.00", "0"), ("-0", "0"), ("1e2", "100")]
)
def test_only_the_zeros_behind_a_point_are_left_out(value: str, text: str) -> None:
    """And no exponent is ever written."""
    assert plain(Decimal(value)) == text


@given(numbers, numbers, numbers)
def test_a_clamped_number_is_the_nearest_inside(value: Decimal, one: Decimal, two: Decimal) -> None:
    """Of three numbers, two of which bound the third, it is the middle one."""
    low, high = min(one, two), max(one, two)
    assert clamp(value, low, high) == sorted((low, value, high))[1]
