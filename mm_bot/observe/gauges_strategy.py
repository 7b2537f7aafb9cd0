"""The gauges that the strategy's steps declare: each is what it is while its step is off until that
measures it. Here none is known by its name.

What a strategy tells without having declared it has no place in the metrics and takes none of the
others away: a reason counts as `UNDECLARED`, a measure is left out, and `undeclared` names both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import product

from mm_bot.core.decide import Decision
from mm_bot.core.declared import Declared, MeasureKind
from mm_bot.core.quoting import MissingReason
from mm_bot.observe.gauge import Gauge, Number, Values
from mm_bot.observe.view import View

UNDECLARED = "undeclared"


def strategy_gauges(kinds: Iterable[MeasureKind]) -> Iterator[Gauge]:
    """One a name, with every label value from the first scrape on."""
    for name, (first, labels) in _by_name(kinds).items():
        yield Gauge(
            name=name,
            help=first.help,
            labels=labels,
            start=math.nan if first.off is None else float(first.off),
            read=_of(name, frozenset(product(*labels.values()))),
        )


def reasons_shown(strategy: Declared) -> tuple[str, ...]:
    """Every reason why a quote can be missing that is known by its own name."""
    return tuple(reason.value for reason in (*MissingReason, *strategy.reasons))


def undeclared(strategy: Declared) -> Callable[[Decision], Iterator[str]]:
    """What of a decision the strategy had not declared, each in words for the log."""
    reasons = frozenset(reasons_shown(strategy))
    measures = frozenset(
        (name, each)
        for name, (_, labels) in _by_name(strategy.measures).items()
        for each in product(*labels.values())
    )

    def found(decision: Decision) -> Iterator[str]:
        for gap in decision.missing:
            if gap.reason.value not in reasons:
                yield f"reason {gap.reason.value}"
        for measure in decision.quotes.measures:
            if (measure.name, measure.labels) not in measures:
                yield f"measure {measure.name} {','.join(measure.labels)}".rstrip()

    return found


def _by_name(
    kinds: Iterable[MeasureKind],
) -> dict[str, tuple[MeasureKind, dict[str, tuple[str, ...]]]]:
    """The first that declares each name, with the label values of all."""
    found: dict[str, tuple[MeasureKind, dict[str, tuple[str, ...]]]] = {}
    for kind in kinds:
        first, labels = found.get(kind.name, (kind, dict(kind.labels)))
        found[kind.name] = (
            first,
            {
                label: tuple(dict.fromkeys((*values, *kind.labels.get(label, ()))))
                for label, values in labels.items()
            },
        )
    return found


def _of(name: str, declared: frozenset[tuple[str, ...]]) -> Callable[[View], Values]:
    def read(view: View) -> Values:
        measures = view.decision.quotes.measures
        found: dict[tuple[str, ...], Number] = {
            m.labels: m.value for m in measures if m.name == name and m.labels in declared
        }
        return found

    return read
