"""What made a number, for people: `Explanation`, and `Explained`, which is put together lazily.

A decision is made many times for each one that somebody looks at, so whatever decides only leaves
behind how to say it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from mm_bot.core.exact import Amount, Price, Size, plain
from mm_bot.core.instrument import Side

Number = Decimal | Price | Size | Amount | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One thing that was looked at and the number it made.

    `says` is a sentence with `{names}` of `numbers` in braces; a text is made of it only where
    somebody reads it.
    """

    step: str
    says: str
    numbers: tuple[tuple[str, Number], ...] = ()
    side: Side | None = None
    """None where it is about both sides."""

    @property
    def texts(self) -> dict[str, str]:
        """The numbers as people read them."""
        return {name: _text(value) for name, value in self.numbers}

    @property
    def sentence(self) -> str:
        return self.says.format_map(self.texts)


Told = Explanation | Callable[[], Iterable[Explanation]]
"""An explanation, or what makes some of numbers that do not change any more."""


class Explained:
    """Explanations in their order, made when they are asked for; equal where they say the same."""

    __slots__ = ("_told",)

    def __init__(self, told: Iterable[Told] = ()) -> None:
        self._told = tuple(told)

    def __iter__(self) -> Iterator[Explanation]:
        for told in self._told:
            if isinstance(told, Explanation):
                yield told
            else:
                yield from told()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Explained) and tuple(self) == tuple(other)


def said_later(
    step: str, sentence: str, side: Side | None, numbers: Mapping[str, Number]
) -> Iterator[Explanation]:
    """One explanation, made when it is read."""
    yield said(step, sentence, side, **numbers)


def said(step: str, sentence: str, side: Side | None = None, **numbers: Number) -> Explanation:
    """One explanation; see `Explanation.says`."""
    return Explanation(step=step, says=sentence, numbers=tuple(numbers.items()), side=side)


def _text(value: Number) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)
