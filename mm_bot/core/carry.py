"""What a future is worth: `fair_value`, used by the price service and by the oracle anchor alike.

    fair = spot x exp(rate x T) + carry_abs + spot x carry_bps / 10000

T is the time to expiry in years of 365 days, 0 at and after expiry and where nothing expires.

1. exp is the one inexact step. It is taken to 60 digits, correctly rounded, and the result is
   rounded once, half-even, to `FAIR_DECIMALS` decimals, or to as many as spot and carry have.
2. The value never falls when the rate rises while T > 0, nor when T grows under a rate >= 0.
3. With T = 0 nothing is rounded: without carry the value equals the spot.
"""

from __future__ import annotations

from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    InvalidOperation,
    Overflow,
)

from mm_bot.core.exact import Price, add, multiply, round_half_even

FAIR_DECIMALS = 12
"""Decimals of a fair value, but for a spot or carry that has more."""
YEAR_MS = 365 * 24 * 60 * 60 * 1000
MAX_EXPONENT = Decimal(50)
"""Largest |rate x T|: beyond it the rate is a slip of the hand and the digits would run out."""

_GROWTH = Context(
    prec=60,
    rounding=ROUND_HALF_EVEN,
    traps=[FloatOperation, InvalidOperation, DivisionByZero, Overflow],
)


def fair_value(
    *,
    spot: Price,
    rate_apr: Decimal,
    carry_abs: Decimal,
    carry_bps: Decimal,
    now_ms: int,
    expiry_ms: int | None,
) -> Price:
    """The fair price at `now_ms`; not positive where a negative carry outweighs the rest.

    Raises:
        ValueError: where |rate x T| is above `MAX_EXPONENT`.
    """
    # carry_bps is divided by shifting the point, which loses no digit.
    relative = multiply(spot.value, carry_bps.scaleb(-4, _GROWTH))
    carry = add(carry_abs, relative)
    grown = multiply(spot.value, _growth(rate_apr, time_to_expiry_ms(now_ms, expiry_ms)))
    # A grid that holds the value without growth, so that rounding cannot pass it (rule 2, 3).
    decimals = max(FAIR_DECIMALS, _decimals(spot.value), _decimals(carry))
    return Price(round_half_even(add(grown, carry), Decimal(1), decimals))


def time_to_expiry_ms(now_ms: int, expiry_ms: int | None) -> int:
    """What is left until expiry, never below 0; 0 where nothing expires."""
    return 0 if expiry_ms is None else max(0, expiry_ms - now_ms)


def years_to_expiry(now_ms: int, expiry_ms: int | None) -> Decimal:
    """T, half-even to 60 digits."""
    return _GROWTH.divide(Decimal(time_to_expiry_ms(now_ms, expiry_ms)), Decimal(YEAR_MS))


def _growth(rate_apr: Decimal, remaining_ms: int) -> Decimal:
    exponent = _GROWTH.divide(multiply(rate_apr, Decimal(remaining_ms)), Decimal(YEAR_MS))
    if abs(exponent) > MAX_EXPONENT:
        raise ValueError(f"rate {rate_apr} over {remaining_ms} ms grows beyond e^{MAX_EXPONENT}")
    return _GROWTH.exp(exponent)


def _decimals(value: Decimal) -> int:
    """Negative where it ends in zeros that are not written."""
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), f"{value} is not finite"
    return -exponent
