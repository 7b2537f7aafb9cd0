"""What was measured: samples of ours beside those of a baseline from the same run, and the target.

Times are milliseconds unless a figure names another unit. A target bounds our median, our 99th
percentile, or a quotient of the two; what it says of an idle machine is no assertion.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration_harness.benchmarks import quantile

PLAIN = "plain"
"""The baseline of most figures: the same work in series, with generic libraries, polling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Upper bounds; None where there is none."""

    p50: float | None = None
    p99: float | None = None
    ratio: float | None = None
    p99_ratio: float | None = None

    def __str__(self) -> str:
        named = (
            ("p50", self.p50, ""), ("p99", self.p99, ""),
            ("", self.ratio, "x"), ("p99", self.p99_ratio, "x"),
        )  # fmt: skip
        return " ".join(f"{n}<={b:g}{u}" for n, b, u in named if b is not None)

    def met(self, figure: Figure) -> bool:
        """Whether every bound holds."""
        ours = sorted(figure.ours)
        seen = (
            (self.p50, quantile(ours, 0.5)),
            (self.p99, quantile(ours, 0.99)),
            (self.ratio, figure.ratio(0.5)),
            (self.p99_ratio, figure.ratio(0.99)),
        )
        return all(found is not None and found <= b for b, found in seen if b is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table."""

    name: str
    ours: tuple[float, ...]
    beside: tuple[float, ...] = ()
    baseline: str = PLAIN
    unit: str = "ms"
    round_trip_ms: int = 0
    target: Target = field(default_factory=Target)
    stolen: float | None = None
    """The share of the CPU time asked for meanwhile that the machine's host gave to others."""

    def ratio(self, share: float) -> float | None:
        """Ours by theirs at that quantile; None where there is nothing to divide by."""
        theirs = quantile(sorted(self.beside), share) if self.beside else 0.0
        return quantile(sorted(self.ours), share) / theirs if theirs else None

    def json(self) -> dict[str, Any]:
        """Medians and 99th percentiles, and what the target says of them."""
        ours, beside = sorted(self.ours), sorted(self.beside)
        p50, p99 = quantile(ours, 0.5), quantile(ours, 0.99)
        bound, ratio = str(self.target), self.ratio(0.5)
        return {
            "name": self.name,
            "unit": self.unit,
            "round_trip_ms": self.round_trip_ms,
            "samples": len(ours),
            "p50": round(p50, 4),
            "p99": round(p99, 4),
            "baseline": self.baseline if beside else None,
            "baseline_p50": round(quantile(beside, 0.5), 4) if beside else None,
            "baseline_p99": round(quantile(beside, 0.99), 4) if beside else None,
            "ratio": None if ratio is None else round(ratio, 4),
            "stolen": None if self.stolen is None else round(self.stolen, 3),
            "target": bound or None,
            "met": self.target.met(self) if bound else None,
        }


def table(figures: Sequence[Figure]) -> str:
    """For people: one line a figure."""
    lines = [
        f"{'':38}{'+ms':>4}{'n':>5}{'p50':>9}{'p99':>9}  {'base p50':>9}{'p99':>9}{'ratio':>7}"
        f"{'stolen':>8}  target"
    ]
    for figure in figures:
        seen = figure.json()
        unit = "" if figure.unit == "ms" else f", {figure.unit}"
        line = f"{figure.name + unit:38}{figure.round_trip_ms:>4}{seen['samples']:>5}"
        line += f"{seen['p50']:>9.2f}{seen['p99']:>9.2f}  "
        if figure.beside:
            line += f"{seen['baseline_p50']:>9.2f}{seen['baseline_p99']:>9.2f}"
            line += f"{seen['ratio'] or 0:>7.2f}"
        else:
            line += " " * 25
        line += " " * 8 if figure.stolen is None else f"{figure.stolen:>8.0%}"
        if seen["target"]:
            line += f"  {seen['target']}: {'met' if seen['met'] else 'MISSED'}"
        if figure.beside and figure.baseline != PLAIN:
            line += f"  (base: {figure.baseline})"
        lines.append(line)
    return "\n".join(lines)


def write_json(figures: Sequence[Figure], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([figure.json() for figure in figures], indent=2) + "\n")
