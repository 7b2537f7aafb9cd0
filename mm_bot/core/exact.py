"""Exact quantities: `Price`, `Size` and `Amount`, and the few named roundings between them.

A quantity wraps a finite `Decimal` and does its arithmetic in a private context of 200 digits
that raises where a digit would be lost, so that nothing is ever rounded by accident. A float is
refused everywhere. Quantities of different kinds neither add nor compare; the one product is
`price * size`, which is an `Amount`. Whoever rounds says which way: `floor_to_step`,
`ceil_to_step`, `round_half_even`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
)
from typing import Self

DIGITS = 200
BPS = Decimal(10_000)
"""Basis points in one."""

_EXACT = Context(
    prec=DIGITS,
    traps=[Inexact, FloatOperation, InvalidOperation, DivisionByZero, Overflow],
)
_ROUNDING = Context(prec=DIGITS, traps=[FloatOperation, InvalidOperation, DivisionByZero, Overflow])


def exact(value: Decimal | int | str) -> Decimal:
    """A finite Decimal from its text, an int or a Decimal.

    Raises:
        TypeError: for a float or a bool, which have no business near money.
        ValueError: where the text is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise TypeError(
            f"{value!r} is a {type(value).__name__}; give a string, an int or a Decimal"
        )
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None
    if not number.is_finite():
        raise ValueError(f"{value!r} is not a finite number")
    return number


def add(left: Decimal, right: Decimal) -> Decimal:
    """left + right, exactly."""
    return _EXACT.add(left, right)


def subtract(left: Decimal, right: Decimal) -> Decimal:
    """left - right, exactly."""
    return _EXACT.subtract(left, right)


def multiply(left: Decimal, right: Decimal) -> Decimal:
    """left x right, exactly."""
    return _EXACT.multiply(left, right)


def floor_to_step(numerator: Decimal, denominator: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above numerator / denominator."""
    return multiply(_whole_steps(numerator, denominator, step, ROUND_FLOOR), step)


def ceil_to_step(numerator: Decimal, denominator: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below numerator / denominator."""
    return multiply(_whole_steps(numerator, denominator, step, ROUND_CEILING), step)


def round_half_even(numerator: Decimal, denominator: Decimal, digits: int) -> Decimal:
    """numerator / denominator rounded half-even to `digits` decimals."""
    step = Decimal(1).scaleb(-digits)
    return multiply(_whole_steps(numerator, denominator, step, ROUND_HALF_EVEN), step)


def clamp(value: Decimal, low: Decimal, high: Decimal) -> Decimal:
    """`value` moved into [low, high]."""
    return max(low, min(value, high))


def plain(value: Decimal) -> str:
    """Decimal text without exponent or trailing zeros: '1600.25', '0', '-3'."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def _whole_steps(numerator: Decimal, denominator: Decimal, step: Decimal, rounding: str) -> Decimal:
    if denominator <= 0 or step <= 0:
        raise ValueError(f"denominator {denominator} and step {step} must be positive")
    divisor = multiply(denominator, step)
    quotient, rest = _ROUNDING.divmod(numerator, divisor)  # truncated; both exact
    if not rest:
        return quotient
    away = Decimal(1) if numerator > 0 else Decimal(-1)
    if rounding == ROUND_HALF_EVEN:
        twice = multiply(abs(rest), Decimal(2))
        odd = bool(_ROUNDING.remainder(quotient, Decimal(2)))
        up = twice > divisor or (twice == divisor and odd)
        return add(quotient, away) if up else quotient
    outward = (rounding == ROUND_CEILING) == (numerator > 0)
    return add(quotient, away) if outward else quotient


@dataclass(frozen=True, slots=True, repr=False)
class _Quantity:
    value: Decimal

    def __post_init__(self) -> None:
        assert type(self.value) is Decimal, f"{self.value!r} is no Decimal"
        assert self.value.is_finite(), f"{self.value!r} is not finite"

    @classmethod
    def of(cls, value: Decimal | int | str) -> Self:
        """From text, an int or a Decimal; see `exact` for what is refused."""
        return cls(exact(value))

    def __add__(self, other: Self) -> Self:
        return type(self)(_EXACT.add(self.value, self._same(other)))

    def __sub__(self, other: Self) -> Self:
        return type(self)(_EXACT.subtract(self.value, self._same(other)))

    def __neg__(self) -> Self:
        return type(self)(-self.value)

    def __abs__(self) -> Self:
        return type(self)(abs(self.value))

    def __lt__(self, other: Self) -> bool:
        return self.value < self._same(other)

    def __le__(self, other: Self) -> bool:
        return self.value <= self._same(other)

    def __gt__(self, other: Self) -> bool:
        return self.value > self._same(other)

    def __ge__(self, other: Self) -> bool:
        return self.value >= self._same(other)

    def __bool__(self) -> bool:
        return bool(self.value)

    def times(self, factor: Decimal) -> Self:
        """Scaled by a plain number, exactly."""
        return type(self)(multiply(self.value, factor))

    def _same(self, other: _Quantity) -> Decimal:
        if type(other) is not type(self):
            raise TypeError(f"{type(self).__name__} with {type(other).__name__}")
        return other.value

    def __str__(self) -> str:
        return plain(self.value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({plain(self.value)})"


class Size(_Quantity):
    """How much of the base side: USDC on spot, contracts on a future. Signed where it is a
    position, else not negative."""

    __slots__ = ()


class Amount(_Quantity):
    """How much of a quote side. Each field says of what: cNGN where it is a notional or a spot
    balance, USDC where it is the cash that margins a future."""

    __slots__ = ()


class Price(_Quantity):
    """A human price: cNGN per USDC, always, also for spot, whose engine counts the other way."""

    __slots__ = ()

    def __mul__(self, size: Size) -> Amount:
        if type(size) is not Size:
            raise TypeError(f"a price multiplies a Size, not a {type(size).__name__}")
        return Amount(multiply(self.value, size.value))


NO_SIZE = Size(Decimal(0))
NO_AMOUNT = Amount(Decimal(0))
