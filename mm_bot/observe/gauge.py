"""One gauge: its name, its help, its labels, and how it is read off a `View`.

Each has all its label values from the first scrape on, with `start` (0 for counts and flags, NaN
for measurements) until there is a view that says otherwise; None in a view is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING

from mm_bot.core.instrument import Side
from mm_bot.observe.view import View

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily

Number = Decimal | float | None
Values = Number | Mapping[tuple[str, ...], Number]
"""One number, or one for some of the label combinations; the others keep `start`."""

SIDES = {"side": tuple(side.value for side in Side)}
SOURCES = ("book", "trades", "orders", "balances", "anchor", "external")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    name: str
    help: str
    read: Callable[[View], Values]
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    start: float = 0.0

    def family(self, view: View | None) -> GaugeMetricFamily:
        """As of `view`; the only place where exact numbers become floats, on their way out.

        Raises:
            KeyError: a label value that was never declared, which is a bug.
        """
        from prometheus_client.core import GaugeMetricFamily  # see `Metrics`

        found = GaugeMetricFamily(self.name, self.help, labels=tuple(self.labels))
        values = dict.fromkeys(product(*self.labels.values()), self.start)
        if view is not None:
            read = self.read(view)
            for labels, number in (read if isinstance(read, Mapping) else {(): read}).items():
                if labels not in values:
                    raise KeyError(f"{self.name} has no label {labels}")
                values[labels] = math.nan if number is None else float(number)
        for labels, value in values.items():
            found.add_metric(labels, value)
        return found


def flags(active: Iterable[str]) -> Mapping[tuple[str, ...], Number]:
    """1 for each of these label values."""
    return {(value,): 1 for value in active}
