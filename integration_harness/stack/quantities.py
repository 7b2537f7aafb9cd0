"""Exact numbers of the API: what it accepts as text, and how it writes numbers back.

The exchange reads amounts as big rationals (so `1/100`, `1e-2` and `0x1p-1` are amounts) and
prices as plain decimals. All of it is `Fraction` and `int`; there is no float anywhere.

Exact fractions are slow, and sizes and prices come again: what was worked out once is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Final, Literal

from integration_harness.stack.instruments import SPOT_SPEC, Instrument

Side = Literal["buy", "sell"]
KEPT: Final = 10_000

_MOST_DIGITS: Final = 200
_MOST_EXPONENT: Final = 400
_PLAIN = re.compile(r"\+?(\d+\.?\d*|\.\d+)", re.ASCII)
_RATIO = re.compile(r"([+-]?\d+)/(\d+)", re.ASCII)
_DECIMAL = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(?:[eE]([+-]?\d{1,4}))?", re.ASCII)
_HEXADECIMAL = re.compile(
    r"([+-]?)0[xX]([0-9a-fA-F]+)(?:\.([0-9a-fA-F]*))?(?:[pP]([+-]?\d{1,4}))?", re.ASCII
)


def parse_amount(text: str) -> Fraction | None:
    """An amount as the exchange's big-rational reader takes it; None where it would refuse."""
    text = text.strip()
    if len(text) > _MOST_DIGITS:
        return None
    if found := _RATIO.fullmatch(text):
        denominator = int(found[2])
        return Fraction(int(found[1]), denominator) if denominator else None
    if found := _DECIMAL.fullmatch(text):
        value, exponent = Fraction(found[2]), int(found[3] or 0)
        base = 10
    elif found := _HEXADECIMAL.fullmatch(text):
        fraction = found[3] or ""
        value = Fraction(int(found[2] + fraction, 16), 16 ** len(fraction))
        exponent, base = int(found[4] or 0), 2
    else:
        return None
    if abs(exponent) > _MOST_EXPONENT:
        return None
    scaled = value * Fraction(base) ** exponent
    return -scaled if found[1] == "-" else scaled


def parse_price(text: str) -> Fraction | None:
    """A price: digits and one dot, a plus sign and outer blanks allowed; no sign, no exponent."""
    found = _PLAIN.fullmatch(text.strip())
    return Fraction(found[1]) if found and len(text) <= _MOST_DIGITS else None


def steps(value: Fraction, step: str) -> int | None:
    """How many whole steps a value is; None where it is not a whole number of them."""
    count = value / _fraction(step)
    return count.numerator if count.denominator == 1 else None


def decimal_text(value: Fraction, places: int = 18) -> str:
    """A plain decimal without trailing zeros, rounded half away from zero."""
    scaled = abs(value) * 10**places
    digits = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    whole, rest = divmod(digits, 10**places)
    sign = "-" if value < 0 and digits else ""
    decimals = str(rest).rjust(places, "0").rstrip("0")
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


def engine_side(ui_side: Side) -> Side:
    """Spot is inverted: to buy USDC is to sell cNGN. Its own inverse."""
    return "sell" if ui_side == "buy" else "buy"


def engine_spot_ticks(engine: Side, human_price: Fraction) -> int:
    """1 / human price on the 1e-18 grid, never worse for whoever places the order.

    An engine sell is rounded up, an engine buy down.
    """
    inverse = 10**18 / human_price
    floor = inverse.numerator // inverse.denominator
    return floor + 1 if engine == "sell" and inverse.denominator != 1 else floor


@lru_cache(maxsize=KEPT)
def spot_contract(engine: str, price_text: str, amount_text: str) -> Mapping[str, object]:
    """What a spot order or trade carries to be read the human way round."""
    price, amount = Fraction(price_text), Fraction(amount_text)
    usdc, cngn = decimal_text(price * amount, 6), decimal_text(amount, 6)
    selling = engine == "sell"
    return {
        "spec": SPOT_SPEC,
        "ui_intent": {
            "side": "buy" if selling else "sell",
            "price": decimal_text(1 / price, 6),
            "size": usdc,
        },
        "engine_order": {"side": engine, "price": price_text, "amount": amount_text},
        "balance_delta": {
            "usdc": f"{'+' if selling else '-'}{usdc}",
            "cngn": f"{'-' if selling else '+'}{cngn}",
        },
    }


@lru_cache(maxsize=KEPT)
def price_text(instrument: Instrument, ticks: int) -> str:
    """The engine price of a number of ticks, as the API writes it."""
    return decimal_text(ticks * _fraction(instrument.tick_size))


@lru_cache(maxsize=KEPT)
def _fraction(text: str) -> Fraction:
    return Fraction(text)
