"""Looking at foreign JSON before believing it.

A `Reader` takes members out of parsed JSON. A missing, mistyped or impossible one is an
`EdgeError` of its source that says where and what; nothing else ever escapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

import orjson

from mm_bot.errors import EdgeError

T = TypeVar("T")
Members = dict[str, Any]
"""A JSON object; its values are unknown until a reader took them out."""

# Bounded, and without sign or exponent: what the exchange writes, and short enough that no product
# of two of them leaves the exact context of the core.
_PLAIN_NUMBER: Final = re.compile(r"\d{1,48}(\.\d{1,24})?", re.ASCII)
_WHOLE_NUMBER: Final = re.compile(r"\d{1,78}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the answers of one source: api, postgres or node."""

    source: str

    def json(self, body: bytes) -> object:
        try:
            parsed: object = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise EdgeError(self.source, "the answer is no JSON") from None
        return parsed

    def members(self, value: object, where: str) -> Members:
        if not isinstance(value, dict):
            raise self.fault(where, value, "an object")
        return value

    def array(self, value: object, where: str) -> list[Any]:
        if not isinstance(value, list):
            raise self.fault(where, value, "an array")
        return value

    def member(self, entry: Members, name: str, where: str) -> object:
        if name not in entry:
            raise EdgeError(self.source, f"{where}.{name} is missing")
        value: object = entry[name]
        return value

    def text(self, entry: Members, name: str, where: str) -> str:
        value = self.member(entry, name, where)
        if not isinstance(value, str):
            raise self.fault(f"{where}.{name}", value, "a string")
        return value

    def truth(self, entry: Members, name: str, where: str) -> bool:
        value = self.member(entry, name, where)
        if not isinstance(value, bool):
            raise self.fault(f"{where}.{name}", value, "true or false")
        return value

    def number(self, entry: Members, name: str, where: str) -> Decimal:
        """A plain decimal that is not negative, written as text."""
        text = self.text(entry, name, where)
        if not _PLAIN_NUMBER.fullmatch(text):
            raise self.fault(f"{where}.{name}", text, "a plain decimal")
        return Decimal(text)

    def signed(self, entry: Members, name: str, where: str) -> Decimal:
        """The same with a minus where it is negative."""
        text = self.text(entry, name, where)
        size = self.number({name: text.removeprefix("-")}, name, where)
        return -size if text.startswith("-") else size

    def step(self, entry: Members, name: str, where: str) -> Decimal:
        """A plain decimal that other numbers are multiples of: above zero."""
        number = self.number(entry, name, where)
        if not number:
            raise self.fault(f"{where}.{name}", "0", "above zero")
        return number

    def integer(self, entry: Members, name: str, where: str) -> int:
        """A whole number that is not negative; some are written as JSON numbers, some as text."""
        return self.whole(self.member(entry, name, where), f"{where}.{name}")

    def whole(self, value: object, where: str) -> int:
        """As `integer`, of a value by itself."""
        if type(value) is int and value >= 0:
            return value
        if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
            return int(value)
        raise self.fault(where, value, "a whole number")

    def converted(self, convert: Callable[[], T], where: str) -> T:
        """What `convert` gives; a ValueError of it becomes ours."""
        try:
            return convert()
        except ValueError as error:
            raise EdgeError(self.source, f"{where}: {error}") from None

    def fault(self, where: str, value: object, wanted: str) -> EdgeError:
        shown = repr(value)
        shown = shown if len(shown) <= 40 else shown[:40] + "..."
        return EdgeError(self.source, f"{where} is {shown}, not {wanted}")


class Known(Generic[T]):
    """What was made of each entry of the answer before: the same entry makes the same again.

    Books, trades and rows come anew with every read, and hardly any of their entries has changed.
    """

    def __init__(self) -> None:
        self._before: dict[object, tuple[Members, T]] = {}
        self._now: dict[object, tuple[Members, T]] = {}

    def begin(self) -> None:
        """Another answer: what the last one lacked is forgotten."""
        self._before, self._now = self._now, {}

    def made(self, name: object, entry: Members, make: Callable[[Members], T]) -> T:
        """`make(entry)`, or what it was when an equal entry of that name came last."""
        if not isinstance(name, str | int):
            return make(entry)  # it says by itself what is wrong with its name
        known = self._before.get(name)
        if known is None or known[0] != entry:
            known = (entry, make(entry))
        self._now[name] = known
        return known[1]


class Latest(Generic[T]):
    """What was made of the whole answer, or question, before: the same makes the same again,
    without a look at its entries."""

    def __init__(self) -> None:
        self._made: tuple[object, T] | None = None

    def made(self, answer: object, make: Callable[[], T]) -> T:
        """`make()`, or what it was where an equal answer came last."""
        if self._made is None or self._made[0] != answer:
            self._made = (answer, make())
        return self._made[1]
