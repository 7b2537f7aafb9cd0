"""The statistical world: one private Decimal context, the same to the last digit everywhere.

Only `+ - * /`, `sqrt`, `exp` and `ln`, all correctly rounded, so that a recorded decision is made
again bit for bit; a float would differ between C libraries. A number crosses into the exact world
by `ceil4` (a width, outwards) or `floor4` (a size's factor) and nowhere else.
"""

from __future__ import annotations

from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from functools import lru_cache

S = Context(prec=34, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
LN2 = S.ln(Decimal(2))
_STEP = Decimal("0.0001")


def ceil4(value: Decimal) -> Decimal:
    """The least multiple of 0.0001 that is not below."""
    return value.quantize(_STEP, ROUND_CEILING, S)


def floor4(value: Decimal) -> Decimal:
    """The largest multiple of 0.0001 that is not above."""
    return value.quantize(_STEP, ROUND_FLOOR, S)


def outward4(value: Decimal) -> Decimal:
    """Away from zero to a multiple of 0.0001."""
    return ceil4(value) if value > 0 else floor4(value)


@lru_cache(maxsize=1_000)
def decay(elapsed_s: Decimal, half_life_s: Decimal) -> Decimal:
    """What is left of a weight after that time. Kept, since samples come at much the same distance
    and an exponential takes as long as all else of one."""
    return S.exp(S.divide(S.multiply(-LN2, elapsed_s), half_life_s))
