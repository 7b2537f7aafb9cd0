"""The kinds of value that only this service's variables have: moments, and lists of pairs."""

from __future__ import annotations

from decimal import Decimal

from mm_bot.fields.kinds import ADDRESS, Kind, Range, decimal, token, whole
from mm_bot.fields.texts import refuse
from mm_bot.prices.parse import rfc3339_ms

RATE = decimal("", Range(at_least=Decimal(-10), at_most=Decimal(10)))
SYMBOL = token("a symbol of letters, digits, '-', '_' and '.'", r"[A-Za-z0-9._-]{1,48}")
MILLISECONDS = whole("milliseconds", least=10, most=60_000)
_MOMENT = "a time such as 2026-11-30T00:00:00Z, or unix seconds"
_MARKETS = "symbol=expiry with commas between them"
_RATES = "symbol=rate with commas between them"
_CURVE = "expiry=rate with commas between them"


def _moment(text: str) -> int:
    """Unix milliseconds of an RFC 3339 time or of whole unix seconds."""
    if text.isascii() and text.isdecimal() and 1 <= len(text) <= 11:
        return int(text) * 1000
    found = rfc3339_ms(text)
    return refuse(_MOMENT) if found is None else found


MOMENT = Kind(takes=_MOMENT, parse=_moment)


def _pairs(text: str, takes: str) -> tuple[tuple[str, str], ...]:
    """`key=value,key=value` with different keys."""
    pairs = []
    for part in text.split(","):
        key, equals, value = (each.strip() for each in part.partition("="))
        if not (equals and key and value):
            refuse(takes)
        pairs.append((key, value))
    if len({key for key, _ in pairs}) != len(pairs):
        refuse(f"{takes}, each once")
    return tuple(pairs)


def _markets(text: str) -> dict[str, int]:
    return {SYMBOL.parse(key): MOMENT.parse(value) for key, value in _pairs(text, _MARKETS)}


def _rates(text: str) -> dict[str, Decimal]:
    return {SYMBOL.parse(key): RATE.parse(value) for key, value in _pairs(text, _RATES)}


def _curve(text: str) -> tuple[tuple[int, Decimal], ...]:
    points = {MOMENT.parse(key): RATE.parse(value) for key, value in _pairs(text, _CURVE)}
    return tuple(sorted(points.items()))


def _owners(text: str) -> frozenset[str]:
    return frozenset(ADDRESS.parse(part.strip()) for part in text.split(","))


MARKETS = Kind(takes=_MARKETS, parse=_markets)
RATES = Kind(takes=_RATES, parse=_rates)
CURVE = Kind(takes=_CURVE, parse=_curve)
OWNERS = Kind(takes="addresses with commas between them", parse=_owners)
