"""The gauges that the strategy's steps declare: each is what it is while its step is off until that
measures it. Here none is known by its name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

from mm_bot.core.declared import MeasureKind
from mm_bot.observe.gauge import Gauge, Number, Values
from mm_bot.observe.view import View


def strategy_gauges(kinds: Iterable[MeasureKind]) -> Iterator[Gauge]:
    """One a name, with every label value from the first scrape on."""
    by_name: dict[str, list[MeasureKind]] = {}
    for kind in kinds:
        by_name.setdefault(kind.name, []).append(kind)
    for name, (first, *others) in by_name.items():
        labels = dict(first.labels)
        for other in others:
            labels = {label: _both(labels, other.labels, label) for label in labels}
        yield Gauge(
            name=name,
            help=first.help,
            labels=labels,
            start=math.nan if first.off is None else float(first.off),
            read=_of(name),
        )


def _both(
    left: Mapping[str, tuple[str, ...]], right: Mapping[str, tuple[str, ...]], label: str
) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*left[label], *right.get(label, ()))))


def _of(name: str) -> Callable[[View], Values]:
    def read(view: View) -> Values:
        measures = view.decision.quotes.measures
        found: dict[tuple[str, ...], Number] = {
            m.labels: m.value for m in measures if m.name == name
        }
        return found

    return read
