"""From an outside system's text to exact values: `json_body`, `price_of`, `time_ms`.

No float is formed on the way: a JSON number stays the text it was written as until it is a
Decimal. Whatever is no plain decimal number of sane length is refused here; whether a number is a
good price is for the guard.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from mm_bot.core.exact import Price, round_half_even
from mm_bot.prices.source import AnchorError, RejectReason

DIGITS_MAX = 50
"""Significant digits of a number we believe; exact arithmetic downstream has room for 200."""
EXPONENT_MAX = 30
BRACKETS_MAX = 1_000
"""No answer that we read has so many, and no text with fewer nests deep enough to exhaust the
standard library's parser, which recurses in C under a limit that other libraries raise."""
INVERSE_DECIMALS = 6
"""Decimals of an inverted price, the precision in which the exchange shows prices."""

_NUMBER = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,9}))?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(?:s?nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,12})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_UNIX = re.compile(r"\d{9,14}(?:\.\d{1,9})?", re.ASCII)
_MILLISECONDS_FROM = 10**11
"""As seconds this is the year 5138, as milliseconds 1973."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NumberText(str):
    """A JSON number as it was written."""

    __slots__ = ()


def json_body(body: bytes, source: str) -> object:
    """The JSON value of `body`, each number a `NumberText`."""
    text = _text(body, source)
    if text.count("[") + text.count("{") > BRACKETS_MAX:
        raise AnchorError(source, RejectReason.MALFORMED, f"nested too deep: {_shown(text)}")
    try:
        return json.loads(
            text, parse_float=NumberText, parse_int=NumberText, parse_constant=NumberText
        )
    except (ValueError, RecursionError):
        raise AnchorError(source, RejectReason.MALFORMED, f"no JSON: {_shown(text)}") from None


def json_object(body: bytes, source: str) -> dict[str, object]:
    """The JSON object of `body`; refused where it is another value."""
    value = json_body(body, source)
    if not isinstance(value, dict):
        raise AnchorError(source, RejectReason.MALFORMED, "no JSON object")
    return value


def price_or_object(body: bytes, source: str) -> NumberText | dict[str, object]:
    """A bare number, or a JSON object; refused where `body` is neither."""
    text = _text(body, source).strip()
    if _NUMBER.fullmatch(text) or _NOT_FINITE.fullmatch(text):
        return NumberText(text)
    return json_object(body, source)


def number_of(value: object, source: str) -> Decimal:
    """A number or the text of one, exactly."""
    if not isinstance(value, str):
        raise AnchorError(source, RejectReason.NO_PRICE, f"a {type(value).__name__} is no number")
    text = value.strip()
    if _NOT_FINITE.fullmatch(text):
        raise AnchorError(source, RejectReason.NOT_FINITE, _shown(text))
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise AnchorError(source, RejectReason.NO_PRICE, f"no number: {_shown(text)}")
    if len(match[2]) > DIGITS_MAX + 1:
        raise AnchorError(source, RejectReason.IMPLAUSIBLE, f"{len(match[2])} digits")
    if abs(int(match[3] or 0)) > EXPONENT_MAX:
        raise AnchorError(source, RejectReason.IMPLAUSIBLE, f"exponent {match[3]}")
    return Decimal(text)


def price_of(value: object, source: str) -> Price:
    """A number or the text of one as a price; not yet judged."""
    return Price(number_of(value, source))


def inverse(price: Price, source: str, decimals: int = INVERSE_DECIMALS) -> Price:
    """1 / price, rounded half-even."""
    if price <= Price(Decimal(0)):
        raise AnchorError(source, RejectReason.NOT_POSITIVE, f"{price} has no inverse")
    return Price(round_half_even(Decimal(1), price.value, decimals))


def rfc3339_ms(value: object) -> int | None:
    """Unix milliseconds of an RFC 3339 time; None where it is none."""
    if not isinstance(value, str) or isinstance(value, NumberText):
        return None
    if not _RFC3339.fullmatch(value):
        return None
    try:
        at = datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    return (at - _EPOCH) // timedelta(milliseconds=1)


def time_ms(value: object) -> int | None:
    """Unix milliseconds of a time as services write it: RFC 3339, the same without a zone (UTC),
    or unix seconds or milliseconds as a number or its text. None where it is none of these."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    if _UNIX.fullmatch(text):
        number = Decimal(text)
        whole = number if number >= _MILLISECONDS_FROM else number * 1000
        return int(whole)
    return rfc3339_ms(str(text)) or rfc3339_ms(text + "Z")


def _text(body: bytes, source: str) -> str:
    if not body.strip():
        raise AnchorError(source, RejectReason.EMPTY)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise AnchorError(source, RejectReason.MALFORMED, "no UTF-8 text") from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")
