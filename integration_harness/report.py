"""What a scenario found, as progress, as one line of JSON, and as a row of the table at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TextIO

import orjson

_HEADINGS: Final = ("scenario", "market", "levels", "result", "seconds", "fills", "orders")


@dataclass(slots=True, kw_only=True)
class Findings:
    """Grows while a scenario runs; the adopted and cancelled orders are of the last start-up."""

    scenario: str
    market: str
    levels: int
    passed: bool = False
    error: str = ""
    seconds: float = 0.0
    adopted_bid_order_id: str | None = None
    adopted_ask_order_id: str | None = None
    adopted_order_ids: tuple[str, ...] = ()
    canceled_order_ids: tuple[str, ...] = ()
    rejection_reasons: dict[str, str] = field(default_factory=dict)
    verified: list[str] = field(default_factory=list)
    figures: dict[str, float | int | str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    out: TextIO = field(default_factory=lambda: sys.stderr)

    @property
    def slug(self) -> str:
        """The scenario's name in file names."""
        kind = "spot" if self.market.endswith("-SPOT") else "future"
        return f"{self.scenario}-{kind}-{self.levels}"

    def phase(self, text: str) -> None:
        """One line of progress."""
        seconds = time.monotonic() - self.began
        print(f"{seconds:7.2f} s  {self.slug}: {text}", file=self.out, flush=True)

    def end(self, error: str = "") -> None:
        """Passed, or failed for that reason."""
        self.passed, self.error = not error, error
        self.seconds = round(time.monotonic() - self.began, 2)
        self.phase("passed" if self.passed else f"FAILED: {error}")

    def to_json(self) -> str:
        """The summary, on one line."""
        names = [name for name in self.__slots__ if name not in ("began", "out")]
        return orjson.dumps({name: getattr(self, name) for name in names}).decode()


def table(found: Sequence[Findings]) -> str:
    """One row a scenario, aligned."""
    rows = [_HEADINGS, *(_row(each) for each in found)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADINGS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    passed = sum(each.passed for each in found)
    total = sum(each.seconds for each in found)
    lines.append(f"{passed} of {len(found)} passed in {total:.1f} s")
    return "\n".join(lines)


def _row(each: Findings) -> tuple[str, ...]:
    return (
        each.scenario,
        each.market,
        str(each.levels),
        "passed" if each.passed else "FAILED",
        f"{each.seconds:.1f}",
        str(each.figures.get("fills", "-")),
        str(each.figures.get("orders_placed", "-")),
    )
