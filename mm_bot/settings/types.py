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
from typing import Generic, NoReturn, TypeVar
from urllib.parse import urlsplit

from mm_bot.core.exact import multiply
from mm_bot.settings.keys import parse_address, parse_private_key

T = TypeVar("T")
U = TypeVar("U")
E = TypeVar("E", bound=Enum)

HIDDEN = "***"
WHOLE_DIGITS = 15
FRACTION_DIGITS = 12
"""Bounds on the digits of a Decimal: products of a few settings stay inside the exact context."""

_KEY_LIKE = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,80}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_PLAIN_OPTIONS = {"host", "port", "dbname", "user", "sslmode", "application_name"}


def hide_keys(text: str) -> str:
    """The text without anything that looks like a key."""
    return _KEY_LIKE.sub(HIDDEN, text)


def show_text(text: str) -> str:
    """The text, cut to a line, without anything that looks like a key."""
    text = hide_keys(text)
    return text if len(text) <= 120 else text[:119] + "…"


def show_nothing(text: str) -> str:
    return HIDDEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """How one sort of value is read and shown. `takes` completes the sentence "give ..."."""

    takes: str
    parse: Callable[[str], T]
    show: Callable[[str], str] = show_text
    off: bool = False
    """Zero means None: no such limit."""


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
            _refuse(takes)
        return int(text)

    return Kind(takes=takes, parse=parse)


def decimal(
    unit: str, valid: Range, *, hint: str = "", decimals: int = FRACTION_DIGITS
) -> Kind[Decimal]:
    """A number in plain or exponent notation, kept exactly."""
    takes = f"a number{' of ' + unit if unit else ''}, {valid}{hint}"
    return Kind(takes=takes, parse=lambda text: _decimal(text, valid, takes, decimals))


def seconds(*, at_least: int = 0) -> Kind[int]:
    """Seconds, with fractions of at least a millisecond; the value is in milliseconds."""
    valid = Range(at_least=Decimal(at_least))
    takes = f"a number of seconds, {valid}, with at most 3 decimals"

    def parse(text: str) -> int:
        milliseconds = multiply(_decimal(text, valid, takes), Decimal(1000))
        if milliseconds != milliseconds.to_integral_value():
            _refuse(takes)
        return int(milliseconds)

    return Kind(takes=takes, parse=parse)


def mapped(kind: Kind[T], make: Callable[[T], U]) -> Kind[U]:
    """`kind` with its value wrapped."""
    return Kind(takes=kind.takes, parse=lambda text: make(kind.parse(text)), show=kind.show)


def zero_is_off(kind: Kind[T]) -> Kind[T | None]:
    """`kind` whose zero is None."""
    return Kind(
        takes=f"{kind.takes}; 0 is off",
        parse=lambda text: kind.parse(text) or None,
        show=kind.show,
        off=True,
    )


def member_of(choices: type[E]) -> Kind[E]:
    """One of an enumeration's values."""
    takes = "one of " + ", ".join(str(c.value) for c in choices)
    by_text = {str(c.value): c for c in choices}

    def parse(text: str) -> E:
        word = text.lower()
        return by_text[word] if word in by_text else _refuse(takes)

    return Kind(takes=takes, parse=parse)


def token(takes: str, pattern: str) -> Kind[str]:
    """Text that a pattern matches as a whole."""
    compiled = re.compile(pattern, re.ASCII)

    def parse(text: str) -> str:
        return text if compiled.fullmatch(text) else _refuse(takes)

    return Kind(takes=takes, parse=parse)


def _boolean(text: str) -> bool:
    word = text.lower()
    if word in ("true", "1", "yes"):
        return True
    return False if word in ("false", "0", "no") else _refuse("true or false")


def _log_level(text: str) -> str:
    word = {"warn": "WARNING"}.get(text.lower(), text.upper())
    return word if word in _LOG_LEVELS else _refuse("one of " + ", ".join(_LOG_LEVELS))


def _path(text: str) -> Path:
    return _refuse("a path without NUL") if "\0" in text else Path(text)


def _prefixes(text: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(","))
    return parts if all(parts) else _refuse("prefixes with commas between them, none of them empty")


def _listen_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    valid = colon and port.isascii() and port.isdigit() and int(port[:6]) <= 65535
    if not valid or (host and not _HOST.fullmatch(host)):
        _refuse("host:port, or :port for every interface; IPv6 in brackets, as in [::1]:8080")
    return host.strip("[]") or "0.0.0.0", int(port)


def _http_url(text: str) -> str:
    return _host_url(text, ("http", "https"), "an http:// or https:// URL with a host")


def _websocket_url(text: str) -> str:
    return _host_url(text, ("ws", "wss"), "a ws:// or wss:// URL with a host")


def _host_url(text: str, schemes: tuple[str, ...], takes: str) -> str:
    _check_url(text, schemes, takes)
    return text if urlsplit(text).hostname else _refuse(takes)


def _base_url(text: str) -> str:
    url = _http_url(text)
    if "?" in url:
        _refuse("the base URL alone, without a query")
    return url.rstrip("/")


def _database_url(text: str) -> str:
    _check_url(text, ("postgres", "postgresql"), "a postgres:// or postgresql:// URL")
    return text


def _check_url(text: str, schemes: tuple[str, ...], takes: str) -> None:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises where it is no number
    except ValueError:
        _refuse(takes + "; its port must be a number, other signs percent-encoded")
    if parts.scheme not in schemes or "://" not in text or re.search(r"\s", text):
        _refuse(takes)
    if "@" in parts.path + parts.query + parts.fragment or "#" in text:
        _refuse(takes + ", with @, # and / in its user or password percent-encoded")


def show_url(text: str) -> str:
    """A URL without user, password and query."""
    before, at, rest = text.rpartition("@")
    scheme = before.partition("://")[0] + "://" if "://" in before else ""
    rest = f"{scheme}{HIDDEN}@{rest}" if at else rest
    if "[" not in rest:  # "user:password" whose @ was forgotten looks like host:port
        rest = re.sub(r"(//[^/:]*|^[^/:]*):(?!\d*(/|\?|$)|//).*", rf"\1:{HIDDEN}", rest)
    return show_text(re.sub(r"[?#].*", f"?{HIDDEN}", rest, flags=re.DOTALL))


def show_host(text: str) -> str:
    """A URL without its path too: nodes' providers put the key there."""
    before, separator, rest = show_url(text).rpartition("://")
    host, slash, path = rest.partition("/")
    return before + separator + host + slash + (HIDDEN if path else "")


def _show_database(text: str) -> str:
    try:
        _database_url(text)
    except ValueError:
        return HIDDEN
    parts = urlsplit(text)
    user, _, _ = parts.netloc.rpartition("@")
    who = "" if not user else user.partition(":")[0] + (f":{HIDDEN}" if ":" in user else "") + "@"
    options = [
        option if option.partition("=")[0] in _PLAIN_OPTIONS else HIDDEN
        for option in parts.query.split("&")
    ]
    query = "?" + "&".join(options) if parts.query else ""
    where = parts.netloc.rpartition("@")[2]
    return show_text(f"{parts.scheme}://{who}{where}{parts.path}{query}")


def _decimal(text: str, valid: Range, takes: str, decimals: int = FRACTION_DIGITS) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        _refuse(takes)
    try:
        value = Decimal(text)
    except InvalidOperation:
        _refuse(takes)
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), "the pattern lets no infinity through"
    if value.adjusted() >= WHOLE_DIGITS or -exponent > decimals:
        _refuse(f"{takes}, of up to {WHOLE_DIGITS} digits and {decimals} decimals")
    if value not in valid:
        _refuse(takes)
    return value if value else Decimal(0)  # -0 is 0


def _refuse(takes: str) -> NoReturn:
    raise ValueError(f"give {takes}")


_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

BOOLEAN = Kind(takes="true or false", parse=_boolean)
LOG_LEVEL = Kind(takes="one of " + ", ".join(_LOG_LEVELS), parse=_log_level)
PATH = Kind(takes="a path", parse=_path)
PREFIXES = Kind(takes="prefixes with commas between them", parse=_prefixes)
LISTEN_ADDRESS = Kind(takes="host:port, or :port for every interface", parse=_listen_address)
ADDRESS = Kind(takes="an address: 0x and 40 hexadecimal digits", parse=parse_address)
PRIVATE_KEY = Kind(
    takes="32 bytes as 64 hexadecimal digits", parse=parse_private_key, show=show_nothing
)
SECRET = Kind(takes="a secret text", parse=str, show=show_nothing)
HTTP_URL = Kind(takes="an http:// or https:// URL", parse=_http_url, show=show_url)
BASE_URL = Kind(takes="an http:// or https:// URL", parse=_base_url, show=show_url)
WEBSOCKET_URL = Kind(takes="a ws:// or wss:// URL", parse=_websocket_url, show=show_url)
NODE_URL = Kind(takes="an http:// or https:// URL", parse=_http_url, show=show_host)
DATABASE_URL = Kind(
    takes="a postgres:// or postgresql:// URL", parse=_database_url, show=_show_database
)
