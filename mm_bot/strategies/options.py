"""What a step can be set to, declared beside it: an `Option` is one variable of the environment.

`Feature` is what a file of this folder exports under the name `FEATURE`; the package finds it there
by itself. The settings read each option's text by its kind, keep the text, and `Options` turns it
into exact values where the step is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum

from mm_bot.core.exact import exact
from mm_bot.core.policy import QuotePolicy
from mm_bot.strategies.draft import Step


class Sort(Enum):
    """What sort of value an option has."""

    NUMBER = "number"
    WHOLE = "whole"
    SECONDS = "seconds"
    SWITCH = "switch"
    WORD = "word"


class Place(IntEnum):
    """When a step sees the draft; those of one place in the order of their names."""

    REFERENCE = 10
    WIDTH = 20
    WIDENED = 25
    GUARD = 30
    SHIFT = 40
    PRICES = 50
    LEVELS = 60
    PASSIVE = 65
    SIZES = 70
    BOUNDS = 80
    LIMITS = 85
    LADDER = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One variable; its texts are the documentation's."""

    name: str
    sort: Sort
    meaning: str
    default: str | None = "0"
    """None where unset means something of its own; then `absent` says what."""
    absent: str = "off"
    unit: str = ""
    least: str | None = None
    above: str | None = None
    most: str | None = None
    words: tuple[str, ...] = ()


class Options:
    """The texts of a policy, as values. An unset option has its default."""

    def __init__(self, declared: Iterable[Option], texts: Mapping[str, str]) -> None:
        self._texts = {o.name: texts.get(o.name, o.default) for o in declared}

    def given(self, name: str) -> bool:
        """Whether it has a value at all."""
        return self._texts[name] is not None

    def number(self, name: str) -> Decimal:
        return exact(self.word(name))

    def whole(self, name: str) -> int:
        return int(self.word(name))

    def ms(self, name: str) -> int:
        """Seconds, as milliseconds."""
        return int(self.number(name) * 1000)

    def switch(self, name: str) -> bool:
        return self.word(name).lower() in ("true", "1", "yes")

    def word(self, name: str) -> str:
        text = self._texts[name]
        assert text is not None, f"{name} has no default: ask `given` first"
        return text


Contradiction = tuple[str, str]
"""The variable that cannot stay, and what to do; the text names the other one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A step, its place, its options and what of them contradicts what."""

    name: str
    step: type[Step]
    """What `build` makes; its metrics and reasons are there while it is off as well."""
    place: Place
    options: tuple[Option, ...]
    build: Callable[[Options, QuotePolicy], Step | None]
    """None where the feature is off."""
    contradictions: Callable[[Options, QuotePolicy], Iterable[Contradiction]] = lambda _o, _q: ()
    strategies: tuple[str, ...] = ()
    """The values of `MM_STRATEGY` it is for; empty is all of them."""
