"""The kinds of value a setting can have: how its text is read, shown, and what would be valid.

`Kind.parse` turns stripped, non-empty text into an exact value or raises `ValueError` with what to
give instead, never with the text itself: `Kind.show` alone decides how much of that may be seen,
and no 32 bytes of hexadecimal digits ever, whatever variable they were put into by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import Secret, SecretStr
from pydantic_core import CoreSchema, core_schema

from mm_bot.core.exact import multiply
from mm_bot.fields.keys import parse_address, parse_private_key
from mm_bot.fields.texts import (
    base_url,
    database_url,
    http_url,
    node_url,
    redis_url,
    refuse,
    show_database,
    show_host,
    show_nothing,
    show_text,
    show_url,
    websocket_url,
)

T = TypeVar("T")
U = TypeVar("U")
E = TypeVar("E", bound=Enum)

WHOLE_DIGITS = 15
FRACTION_DIGITS = 12
"""Bounds on the digits of a Decimal: products of a few settings stay inside the exact context."""

_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,80}", re.ASCII)
_PORT = re.compile(r"\d{1,5}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """How one sort of value is read and shown. `takes` completes the sentence "give ..."."""

    takes: str
    parse: Callable[[str], T]
    show: Callable[[str], str] = show_text
    off: bool = False
    """Zero means None: no such limit."""
    secret_file: bool = False
    """The path of a file whose content is a secret."""

    @property
    def schema(self) -> CoreSchema:
        """The check that pydantic makes of a value."""
        return core_schema.with_info_plain_validator_function(self._validate)

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        return self.schema

    def _validate(self, value: object, info: core_schema.ValidationInfo[Any]) -> object:
        """Text is read; what is no text was read before. With a context faults are put there,
        so that one bad value does not hide the others."""
        if not isinstance(value, str):
            return value
        try:
            return self.parse(value)
        except ValueError as error:
            if info.context is None:
                raise
            info.context[info.field_name] = str(error)
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Which numbers are valid; a None is no bound."""

    at_least: Decimal | None = None
    above: Decimal | None = None
    at_most: Decimal | None = None

    def __contains__(self, value: Decimal) -> bool:
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
        )

    def __str__(self) -> str:
        bounds = (("at least", self.at_least), ("above", self.above), ("at most", self.at_most))
        return " and ".join(f"{word} {bound:f}" for word, bound in bounds if bound is not None)


def whole(unit: str = "", *, least: int, most: int | None = None) -> Kind[int]:
    """A whole number, `unit` being the plural noun it counts."""
    valid = Range(at_least=Decimal(least), at_most=None if most is None else Decimal(most))
    # The largest uint256 is nobody's idea of a readable bound.
    bounds = f"at least {least}" if most is not None and most > 10**18 else str(valid)
    takes = f"a whole number{' of ' + unit if unit else ''}, {bounds}"

    def parse(text: str) -> int:
        if not _WHOLE.fullmatch(text) or Decimal(text) not in valid:
            refuse(takes)
        return int(text)

    return Kind(takes=takes, parse=parse)


def decimal(
    unit: str, valid: Range, *, hint: str = "", decimals: int = FRACTION_DIGITS
) -> Kind[Decimal]:
    """A number in plain or exponent notation, kept exactly."""
    bounds = f", {valid}" if str(valid) else ""
    takes = f"a number{' of ' + unit if unit else ''}{bounds}{hint}"
    return Kind(takes=takes, parse=lambda text: _decimal(text, valid, takes, decimals))


def seconds(*, at_least: int = 0, above: Decimal | None = None) -> Kind[int]:
    """Seconds, with fractions of at least a millisecond; the value is in milliseconds."""
    valid = Range(at_least=Decimal(at_least) if above is None else None, above=above)
    takes = f"a number of seconds, {valid}, with at most 3 decimals"

    def parse(text: str) -> int:
        milliseconds = multiply(_decimal(text, valid, takes), Decimal(1000))
        if milliseconds != milliseconds.to_integral_value():
            refuse(takes)
        return int(milliseconds)

    return Kind(takes=takes, parse=parse)


def mapped(
    kind: Kind[T], make: Callable[[T], U], show: Callable[[str], str] | None = None
) -> Kind[U]:
    """`kind` with its value wrapped."""
    parse = kind.parse
    return Kind(takes=kind.takes, parse=lambda text: make(parse(text)), show=show or kind.show)


def zero_is_off(kind: Kind[T]) -> Kind[T | None]:
    """`kind` whose zero is None."""
    return Kind(
        takes=f"{kind.takes}; 0 is off",
        parse=lambda text: kind.parse(text) or None,
        show=kind.show,
        off=True,
    )


def one_of(*words: str) -> Kind[str]:
    """One of some words, in any case."""
    takes = "one of " + ", ".join(words)

    def parse(text: str) -> str:
        return word if (word := text.lower()) in words else refuse(takes)

    return Kind(takes=takes, parse=parse)


def member_of(choices: type[E]) -> Kind[E]:
    """One of an enumeration's values."""
    return mapped(one_of(*(str(each.value) for each in choices)), choices)


def token(takes: str, pattern: str) -> Kind[str]:
    """Text that a pattern matches as a whole."""
    compiled = re.compile(pattern, re.ASCII)

    def parse(text: str) -> str:
        return text if compiled.fullmatch(text) else refuse(takes)

    return Kind(takes=takes, parse=parse)


def _boolean(text: str) -> bool:
    word = text.lower()
    if word in ("true", "1", "yes"):
        return True
    return False if word in ("false", "0", "no") else refuse("true or false")


def _log_level(text: str) -> str:
    word = {"warn": "WARNING"}.get(text.lower(), text.upper())
    return word if word in _LOG_LEVELS else refuse("one of " + ", ".join(_LOG_LEVELS))


def _path(text: str) -> Path:
    return refuse("a path without NUL") if "\0" in text else Path(text)


def _prefixes(text: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(","))
    return parts if all(parts) else refuse("prefixes with commas between them, none of them empty")


def _listen_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    valid = colon and _PORT.fullmatch(port) and int(port) <= 65535
    if not valid or (host and not _HOST.fullmatch(host)):
        refuse("host:port, or :port for every interface; IPv6 in brackets, as in [::1]:8080")
    return host.strip("[]") or "0.0.0.0", int(port)


def _decimal(text: str, valid: Range, takes: str, decimals: int = FRACTION_DIGITS) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        refuse(takes)
    try:
        value = Decimal(text)
    except InvalidOperation:
        refuse(takes)
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), "the pattern lets no infinity through"
    if value.adjusted() >= WHOLE_DIGITS or -exponent > decimals:
        refuse(f"{takes}, of up to {WHOLE_DIGITS} digits and {decimals} decimals")
    if value not in valid:
        refuse(takes)
    return value if value else Decimal(0)  # -0 is 0


_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

BOOLEAN = Kind(takes="true or false", parse=_boolean)
LOG_LEVEL = Kind(takes="one of " + ", ".join(_LOG_LEVELS), parse=_log_level)
PATH = Kind(takes="a path", parse=_path)
PASSWORD_FILE = Kind(takes="a path", parse=_path, secret_file=True)
PREFIXES = Kind(takes="prefixes with commas between them", parse=_prefixes)
LISTEN_ADDRESS = Kind(takes="host:port, or :port for every interface", parse=_listen_address)
ADDRESS = Kind(takes="an address: 0x and 40 hexadecimal digits", parse=parse_address)
PRIVATE_KEY = Kind(
    takes="32 bytes as 64 hexadecimal digits",
    parse=lambda text: Secret(parse_private_key(text)),
    show=show_nothing,
)
API_KEY = mapped(
    token("a key of printable ASCII characters", r"[!-~]([ -~]*[!-~])?"), SecretStr, show_nothing
)
HTTP_URL = Kind(takes="an http:// or https:// URL", parse=http_url, show=show_url)
BASE_URL = Kind(takes="an http:// or https:// URL", parse=base_url, show=show_url)
WEBSOCKET_URL = Kind(takes="a ws:// or wss:// URL", parse=websocket_url, show=show_url)
REDIS_URL = Kind(takes="a redis:// or rediss:// URL", parse=redis_url, show=show_url)
NODE_URL = Kind(takes="an http(s):// or ws(s):// URL", parse=node_url, show=show_host)
DATABASE_URL = Kind(
    takes="a postgres:// or postgresql:// URL", parse=database_url, show=show_database
)

NOT_NEGATIVE = Range(at_least=Decimal(0))
NOT_POSITIVE = Range(at_most=Decimal(0))
POSITIVE = Range(above=Decimal(0))
UINT256_MAX = 2**256 - 1
BPS = decimal("basis points", NOT_NEGATIVE)
SECONDS = seconds()
ACCOUNT_ID = whole(least=1, most=UINT256_MAX)
