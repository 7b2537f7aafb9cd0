"""What a strategy may tell beside its quotes: gauges and reasons, declared where their step lives.

Metrics, status, page and `why` show them by that; nobody else knows them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReason:
    """Why a step of a strategy takes a level or a side away, declared where the step lives."""

    value: str
    """A word for logs and labels; it is what makes two reasons the same."""
    means: str = field(compare=False)
    """The same for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureKind:
    """A gauge of a strategy, declared where the step that measures it lives. What several declare
    under one name is one gauge with the label values of all."""

    name: str
    help: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Every value that each label can have."""
    off: Decimal | None = None
    """While nothing is measured: None is not known, 0 for counts and flags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a strategy may tell beside its quotes."""

    measures: tuple[MeasureKind, ...] = ()
    reasons: tuple[StepReason, ...] = ()

    def __add__(self, other: Declared) -> Declared:
        """Of both, each once."""
        return Declared(
            measures=(*self.measures, *(m for m in other.measures if m not in self.measures)),
            reasons=tuple(dict.fromkeys((*self.reasons, *other.reasons))),
        )


NOTHING_DECLARED = Declared()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One number of a strategy, of a declared kind."""

    name: str
    labels: tuple[str, ...] = ()
    value: Decimal | None
    """None is not known."""


class Measured:
    """Measures that are made when they are first read: a decision is made more often than its
    gauges are looked at. Equal where they say the same."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Iterable[Measure]]) -> None:
        self._make = make
        self._made: tuple[Measure, ...] | None = None

    def __iter__(self) -> Iterator[Measure]:
        if self._made is None:
            self._made = tuple(self._make())
        return iter(self._made)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Measured) and tuple(self) == tuple(other)
