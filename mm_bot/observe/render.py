"""Values as plain text and JSON, for the log, the status and the readiness answer.

Exact quantities and Decimals become their plain text ("1600.25"), enumerations their value, errors
"Type: message", bytes hexadecimal. Rendering never fails: what nothing is known about becomes its
`str`, what cannot even do that becomes its type's name.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Set
from decimal import Decimal, localcontext
from enum import Enum

import orjson

_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
_MAX_DEPTH = 20
_MOST_BITS = 64
_LONG_NUMBER = re.compile(r"(?<![\w.])-?\d+\.\d{7,}(?![\w.])", re.ASCII)
_SIXTH = Decimal("0.000001")


def to_json(value: object) -> bytes:
    """One line of JSON. An integer beyond 64 bits becomes its text: parsers make a float of it."""
    try:
        return orjson.dumps(value, default=_leaf, option=_OPTIONS)
    except (TypeError, ValueError, RecursionError):
        # A long integer, a key that is no text, a cycle: slower, but it always works.
        return json.dumps(_plain(value, _MAX_DEPTH), ensure_ascii=False).encode(errors="replace")


def to_text(value: object) -> str:
    """One value for people: plain text for scalars, JSON for what has members."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, int):
        return str(value)
    leaf = _leaf(value) if not isinstance(value, Mapping | list | tuple) else value
    return leaf if isinstance(leaf, str) else to_json(leaf).decode()


def rounded(text: str) -> str:
    """The same with every number in it to six decimals, half to even: for people, who are shown the
    exact ones where they ask for JSON."""
    return _LONG_NUMBER.sub(_six_decimals, text)


def _six_decimals(found: re.Match[str]) -> str:
    with localcontext() as context:
        context.prec = len(found[0])
        number = Decimal(found[0]).quantize(_SIXTH)
    return f"{number:f}".rstrip("0").rstrip(".") if number else "0"


def error_text(error: BaseException) -> str:
    """ "Type: message", or the type alone where there is no message."""
    message = _str(error)
    name = type(error).__name__
    return f"{name}: {message}" if message else name


def _leaf(value: object) -> object:
    """What JSON does not know, one step closer to what it knows."""
    match value:
        case Enum():
            return value.value
        case Decimal():
            return format(value, "f") if value.is_finite() else str(value)
        case BaseException():
            return error_text(value)
        case bytes() | bytearray() | memoryview():
            return "0x" + bytes(value).hex()
        case str():
            return str.__str__(value)
        case bool() | int() | float():
            return str(value)
        case Mapping():
            return {_key(key): each for key, each in value.items()}
        case Set():
            return sorted(value, key=_str)
        case tuple() | list():
            return list(value)
    return _object(value)


def _object(value: object) -> object:
    has_own_text = type(value).__str__ is not object.__str__
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and not has_own_text:
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    return _str(value)


def _plain(value: object, depth: int) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None  # as orjson does; JSON has no such number
    if type(value) is int and value.bit_length() > _MOST_BITS:
        return str(value)
    if value is None or type(value) in (str, bool, int, float):
        return value
    if depth == 0:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        return {_key(key): _plain(each, depth - 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, depth - 1) for each in value]
    return _plain(_leaf(value), depth - 1)


def _key(key: object) -> str:
    return key if type(key) is str else to_text(key)


def _str(value: object) -> str:
    try:
        return str(value)
    except Exception:  # somebody's __str__; a log line must not fail for it
        return f"<{type(value).__name__}>"
