"""Metric families whose label values are all known at the start.

Every label combination exists from the first scrape, with 0 (a gauge of a measurement: with NaN),
and its child is kept, so that a set costs half a microsecond and no label can appear that was not
declared: an unknown one is a KeyError, which is a bug.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

Number = Decimal | float | int | None
"""What a gauge takes. None is "there is none now" and is exported as NaN."""

Labels = Mapping[str, Iterable[str]]
"""Label name to all of its values."""


def as_float(number: Number) -> float:
    """The one place where exact numbers become floats, on their way out."""
    return math.nan if number is None else float(number)


class Gauges:
    """A gauge for each combination of label values; without labels, one."""

    def __init__(
        self,
        registry: CollectorRegistry,
        name: str,
        help_text: str,
        labels: Labels | None = None,
        *,
        start: Number = 0,
    ) -> None:
        names, combinations = _combinations(labels)
        family = Gauge(name, help_text, names, registry=registry)
        self._children = {each: family.labels(*each) if each else family for each in combinations}
        for child in self._children.values():
            child.set(as_float(start))

    def set(self, number: Number, *labels: str) -> None:
        self._children[labels].set(as_float(number))

    def mark(self, active: Collection[str]) -> None:
        """1 for these label values, 0 for all others of a family with one label."""
        unknown = {each for each in active if (each,) not in self._children}
        if unknown:
            raise KeyError(f"no such label: {', '.join(sorted(unknown))}")
        for (value,), child in self._children.items():
            child.set(1.0 if value in active else 0.0)


class Counters:
    """A counter for each combination; `name` without the `_total` that the library adds."""

    def __init__(
        self,
        registry: CollectorRegistry,
        name: str,
        help_text: str,
        labels: Labels | None = None,
    ) -> None:
        names, combinations = _combinations(labels)
        family = Counter(name, help_text, names, registry=registry)
        self._children = {each: family.labels(*each) if each else family for each in combinations}

    def add(self, number: Decimal | float, *labels: str) -> None:
        self._children[labels].inc(float(number))


class Histograms:
    """A histogram for each combination; `buckets` are upper bounds in the metric's own unit."""

    def __init__(
        self,
        registry: CollectorRegistry,
        name: str,
        help_text: str,
        labels: Labels | None = None,
        *,
        buckets: tuple[float, ...],
    ) -> None:
        names, combinations = _combinations(labels)
        family = Histogram(name, help_text, names, registry=registry, buckets=buckets)
        self._children = {each: family.labels(*each) if each else family for each in combinations}

    def observe(self, number: Decimal | float, *labels: str) -> None:
        self._children[labels].observe(float(number))


class OddlyNamedCounters:
    """Counters with one label under a name that the library would change.

    It appends `_total` to every counter, also to one that has it in the middle of its name, so
    this family writes its own exposition text.
    """

    def __init__(self, name: str, help_text: str, label: str, values: Iterable[str]) -> None:
        self._name = name
        self._help_text = help_text
        self._label = label
        self._counts = dict.fromkeys(values, 0)

    def add(self, value: str) -> None:
        self._counts[value] = self._counts[value] + 1

    def render(self) -> bytes:
        lines = [
            f"# HELP {self._name} {_escape(self._help_text)}",
            f"# TYPE {self._name} counter",
        ]
        for value, count in self._counts.items():
            quoted = _escape(value).replace('"', r"\"")
            lines.append(f'{self._name}{{{self._label}="{quoted}"}} {float(count)}')
        return ("\n".join(lines) + "\n").encode()


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _combinations(labels: Labels | None) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    named = {name: tuple(values) for name, values in (labels or {}).items()}
    return tuple(named), list(product(*named.values()))
