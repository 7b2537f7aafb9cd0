"""What a bot exports: every sample name with its labels, and the values that each of them takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import promql_parser as promql

from mm_bot.app.pages import bot_metrics
from mm_bot.backtest.parity import exposition
from mm_bot.observe.metrics import BuildInfo
from tests.observe.metrics_helpers import SAMPLE

TARGET_LABELS = frozenset({"job", "instance", "market"})
"""What `deployments/prometheus/scrape.yml` puts on every series."""
FROM_PROMETHEUS = frozenset({"up"})
"""Prometheus writes this one itself, with the target's labels."""
OPEN_LABELS = frozenset({"version", "python", "chain_id", "subaccount_id", "market", "stream"})
"""Labels whose values are not from a closed set."""

_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\.)*)"')

Exported = Mapping[str, Mapping[str, frozenset[str]]]
"""Sample name to label name to its values."""


OF_STREAMS = frozenset({"mm_bot_price_stream_up"})
"""What only a bot exports that reads a stream of prices."""


def exported_by_a_registry() -> Exported:
    """The samples of a new registry with the bot's own label sets, one anchor source and one
    stream."""
    build = BuildInfo(version="1", market="M", chain_id=1, subaccount_id=1, dry_run=False)
    metrics = bot_metrics(build, ("fixed",))
    metrics.streams["pyth:eaa020c6"] = True
    return read(metrics.render().decode())


def exported_by_backtests() -> Exported:
    """What `mm-backtest parity` leaves for a node exporter."""
    kinds = ("order_replay", "closed_loop")
    return read(exposition({"market": "M", **{kind: {"parity": 1.0} for kind in kinds}}))


def read(exposition: str) -> Exported:
    """An exposition by sample name."""
    found: dict[str, dict[str, set[str]]] = {}
    for line in exposition.splitlines():
        if line.startswith("#"):
            continue
        sample = SAMPLE.match(line)
        assert sample, f"no sample: {line!r}"
        labels = found.setdefault(sample[1], {})
        for label, value in _LABEL.findall(sample[2] or ""):
            labels.setdefault(label, set()).add(value)
    return {
        name: {label: frozenset(values) for label, values in labels.items()}
        for name, labels in found.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One selector of an expression."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    """Label, operator, value."""


def uses(expression: str) -> list[Use]:
    """Every selector in an expression. Syntax, functions and types are checked by the parser.

    Raises:
        ValueError: with what is wrong.
    """
    found: list[Use] = []

    def visit(expr: promql.Expr) -> bool:
        selector = expr.vector_selector if isinstance(expr, promql.MatrixSelector) else expr
        if isinstance(selector, promql.VectorSelector):
            assert selector.name is not None, f"a selector without a name: {expression}"
            found.append(
                Use(
                    name=selector.name,
                    matchers=tuple((m.name, _operator(m), m.value) for m in _all(selector)),
                )
            )
        return True

    promql.walk(promql.parse(expression), pre_visit=visit)
    return found


def grouping(expression: str) -> set[str]:
    """Every label that an aggregation or a vector match of the expression names."""
    found: set[str] = set()

    def visit(expr: promql.Expr) -> bool:
        if isinstance(expr, promql.AggregateExpr) and expr.modifier is not None:
            found.update(expr.modifier.labels)
        if isinstance(expr, promql.BinaryExpr) and expr.modifier is not None:
            matching = expr.modifier.matching
            found.update(matching.labels if matching is not None else ())
            found.update(expr.modifier.group_labels or ())
        return True

    promql.walk(promql.parse(expression), pre_visit=visit)
    return found


def faults(expression: str, exported: Exported) -> list[str]:
    """What an expression counts on that no bot exports."""
    found = []
    named = set(TARGET_LABELS)
    for use in uses(expression):
        if use.name in FROM_PROMETHEUS:
            labels: Mapping[str, frozenset[str]] = {}
        elif use.name in exported:
            labels = exported[use.name]
        else:
            found.append(f"no metric {use.name}")
            continue
        named |= set(labels)
        for label, operator, value in use.matchers:
            if label not in labels and label not in TARGET_LABELS:
                found.append(f"{use.name} has no label {label}")
            elif label not in OPEN_LABELS | TARGET_LABELS and label in labels:
                wanted = value.split("|") if "~" in operator else [value]
                unknown = sorted(set(wanted) - labels[label] - {"true", "false"})
                found.extend(f"{use.name}{{{label}}} is never {each!r}" for each in unknown)
    found.extend(f"groups by {label}, which nothing has" for label in grouping(expression) - named)
    return found


def labels_of(expression: str, exported: Exported) -> set[str]:
    """Every label that a result of the expression may have."""
    labels = set(TARGET_LABELS)
    for use in uses(expression):
        labels |= set(exported.get(use.name, {}))
    return labels


def _all(selector: promql.VectorSelector) -> list[promql.Matcher]:
    alternatives = selector.matchers.or_matchers
    return [*selector.matchers.matchers, *(m for each in alternatives for m in each)]


def _operator(matcher: promql.Matcher) -> str:
    return {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}[
        str(matcher.op).rpartition(".")[2]
    ]
