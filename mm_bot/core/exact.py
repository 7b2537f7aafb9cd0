"""Exact quantities: `Price`, `Size` and `Amount`, and the few named roundings between them.

A quantity wraps a finite `Decimal` and does its arithmetic in a private context of 200 digits
that raises where a digit would be lost, so that nothing is ever rounded by accident. A float is
refused everywhere. Quantities of different kinds neither add nor compare; the one product is
`price * size`, which is an `Amount`. Whoever rounds says which way: `floor_to_step`,
`ceil_to_step`, `round_half_even`.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from decimal import (
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
)
from typing import Final, Self

DIGITS = 200
BPS = Decimal(10_000)
"""Basis points in one."""

_EXACT = Context(
    prec=DIGITS,
    traps=[Inexact, FloatOperation, InvalidOperation, DivisionByZero, Overflow],
)
_ONE, _TWO = Decimal(1), Decimal(2)
_ROUNDING = Context(prec=DIGITS, traps=[FloatOperation, InvalidOperation, DivisionByZero, Overflow])


add: Final = _EXACT.add
"""left + right, exactly."""
subtract: Final = _EXACT.subtract
"""left - right, exactly."""
multiply: Final = _EXACT.multiply
"""left x right, exactly."""
multiply_add: Final = _EXACT.fma
"""left x right + more, exactly."""
_divmod: Final = _ROUNDING.divmod
"""The whole quotient, cut towards zero, and what is left over; both exact."""
_remainder: Final = _ROUNDING.remainder


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


def distance(left: Decimal, right: Decimal) -> Decimal:
    """|left - right|, exactly."""
    return _EXACT.abs(_EXACT.subtract(left, right))


def floor_to_step(numerator: Decimal, denominator: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above numerator / denominator."""
    quotient, rest = _divmod(numerator, _divisor(denominator, step))
    if rest and numerator < 0:
        quotient = _EXACT.subtract(quotient, _ONE)
    return _EXACT.multiply(quotient, step)


def floored(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value`: itself where it is one. A step is
    positive."""
    return floor_to_step(value, _ONE, step) if _remainder(value, step) else value


def ceil_to_step(numerator: Decimal, denominator: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below numerator / denominator."""
    quotient, rest = _divmod(numerator, _divisor(denominator, step))
    if rest and numerator > 0:
        quotient = _EXACT.add(quotient, _ONE)
    return _EXACT.multiply(quotient, step)


def stepped(
    numerator: Decimal, each: Decimal, count: int, denominator: Decimal, step: Decimal, *, up: bool
) -> list[Decimal]:
    """So many in a row, each numerator by `each` more than the last: the fast path of
    `floor_to_step`, or with `up` of `ceil_to_step`, of one after the other."""
    divisor, further = _divisor(denominator, step), _ONE if up else -_ONE
    found = []
    for _ in range(count):
        quotient, rest = _divmod(numerator, divisor)
        if rest and up is (numerator > 0):
            quotient = add(quotient, further)
        found.append(multiply(quotient, step))
        numerator = add(numerator, each)
    return found


def round_half_even(numerator: Decimal, denominator: Decimal, digits: int) -> Decimal:
    """numerator / denominator rounded half-even to `digits` decimals."""
    step = Decimal(1).scaleb(-digits)
    divisor = _divisor(denominator, step)
    quotient, rest = _divmod(numerator, divisor)
    if rest:
        twice = multiply(rest.copy_abs(), _TWO)
        if twice > divisor or (twice == divisor and _remainder(quotient, _TWO)):
            quotient = add(quotient, _ONE if numerator > 0 else -_ONE)
    return multiply(quotient, step)


def clamp(value: Decimal, low: Decimal, high: Decimal) -> Decimal:
    """`value` moved into [low, high]."""
    return max(low, min(value, high))


def plain(value: Decimal) -> str:
    """Decimal text without exponent or trailing zeros: '1600.25', '0', '-3'."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def _divisor(denominator: Decimal, step: Decimal) -> Decimal:
    """What a numerator is divided by, to tell how many whole steps it has."""
    if denominator <= 0 or step <= 0:
        raise ValueError(f"denominator {denominator} and step {step} must be positive")
    return multiply(denominator, step)


class _Quantity:
    """Frozen by hand: a decision makes some hundreds, and a dataclass takes twice as long."""

    __slots__ = ("value",)
    value: Decimal

    def __init__(self, value: Decimal) -> None:
        assert type(value) is Decimal, f"{value!r} is no Decimal"
        assert value.is_finite(), f"{value!r} is not finite"
        _put(self, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __reduce__(self) -> tuple[type[Self], tuple[Decimal]]:
        return type(self), (self.value,)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.value == other.value

    def __hash__(self) -> int:
        return hash((type(self), self.value))

    @classmethod
    def of(cls, value: Decimal | int | str) -> Self:
        """From text, an int or a Decimal; see `exact` for what is refused."""
        return cls(exact(value))

    @classmethod
    def made(cls, value: Decimal) -> Self:
        """Of what exact arithmetic gave, which is finite: that is not looked at again."""
        found = _new(cls)
        _put(found, value)
        return found

    def __add__(self, other: Self) -> Self:
        if type(other) is not type(self):
            raise self._mixed(other)
        return self.made(add(self.value, other.value))

    def __sub__(self, other: Self) -> Self:
        if type(other) is not type(self):
            raise self._mixed(other)
        return self.made(subtract(self.value, other.value))

    def __neg__(self) -> Self:
        return self.made(_EXACT.minus(self.value))

    def __abs__(self) -> Self:
        return self.made(_EXACT.abs(self.value))

    def __lt__(self, other: Self) -> bool:
        if type(other) is not type(self):
            raise self._mixed(other)
        return self.value < other.value

    def __le__(self, other: Self) -> bool:
        if type(other) is not type(self):
            raise self._mixed(other)
        return self.value <= other.value

    def __gt__(self, other: Self) -> bool:
        if type(other) is not type(self):
            raise self._mixed(other)
        return self.value > other.value

    def __ge__(self, other: Self) -> bool:
        if type(other) is not type(self):
            raise self._mixed(other)
        return self.value >= other.value

    def __bool__(self) -> bool:
        return bool(self.value)

    def times(self, factor: Decimal) -> Self:
        """Scaled by a plain number, exactly."""
        return self.made(multiply(self.value, factor))

    def _mixed(self, other: object) -> TypeError:
        return TypeError(f"{type(self).__name__} with {type(other).__name__}")

    def __str__(self) -> str:
        return plain(self.value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({plain(self.value)})"


_new = object.__new__
_put = _Quantity.__dict__["value"].__set__  # the slot itself, past `__setattr__`


class Size(_Quantity):
    """How much of the base side: the base on spot, contracts on a future. Signed where it is a
    position, else not negative."""

    __slots__ = ()


class Amount(_Quantity):
    """How much of a quote side. Each field says of what: the quote where it is a notional or a spot
    balance, the collateral where it is the cash that margins a future."""

    __slots__ = ()


class Price(_Quantity):
    """A human price: quote per base, always, also where the engine counts the other way."""

    __slots__ = ()

    def __mul__(self, size: Size) -> Amount:
        if type(size) is not Size:
            raise TypeError(f"a price multiplies a Size, not a {type(size).__name__}")
        return Amount.made(multiply(self.value, size.value))


NO_SIZE = Size(Decimal(0))
NO_AMOUNT = Amount(Decimal(0))
