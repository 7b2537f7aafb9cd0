"""What the service shows at /metrics. Labels are the settings' sources and the markets priced."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, Metric

from fair_anchor.fair_value import Quote, Spot
from fair_anchor.spot import FALLBACK, Slot

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATUSES = ("200", "400", "404", "405", "500", "502", "503")


class Metrics:
    """One registry; called from the loop's thread."""

    def __init__(self, slots: Sequence[Slot], now_ms: Callable[[], int]) -> None:
        # Else the library adds a gauge with the time of its creation beside each counter.
        cast(Callable[[], None], disable_created_metrics)()
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        registry.register(_SlotCollector(slots))
        self._sources = (*(slot.name for slot in slots), FALLBACK)
        self._requests = Counter(
            "fair_anchor_requests", "Answers by status.", ["status"], registry=registry
        )
        for status in STATUSES:
            self._requests.labels(status)
        self._in_use = Gauge(
            "fair_anchor_source_in_use",
            "1 for the source of the last spot that a future was priced from.",
            ["source"],
            registry=registry,
        )
        for source in self._sources:
            self._in_use.labels(source)
        self._degraded = Gauge(
            "fair_anchor_degraded", "1 while that was not the best source.", registry=registry
        )
        self._spot = Gauge("fair_anchor_spot_price", "That spot, cNGN per USDC.", registry=registry)
        self._spot_at = Gauge(
            "fair_anchor_spot_observed_seconds",
            "Unix time that spot is true for.",
            registry=registry,
        )
        self._spot.set(math.nan)
        self._spot_at.set(math.nan)
        self._age = Gauge(
            "fair_anchor_spot_age_seconds", "Age of that spot, by its own time.", registry=registry
        )
        self._fair = Gauge(
            "fair_anchor_fair_price", "The last fair value.", ["market"], registry=registry
        )
        self._now_ms = now_ms
        self._age.set_function(self._age_seconds)
        self._observed_at_ms: int | None = None

    def answered(self, status: int) -> None:
        """One answer was given."""
        self._requests.labels(str(status)).inc()

    def priced(self, quote: Quote) -> None:
        """A future was priced."""
        self._fair.labels(quote.market).set(float(quote.fair.value))

    def spot_used(self, spot: Spot | None) -> None:
        """The spot for futures, or that there is none."""
        for source in self._sources:
            self._in_use.labels(source).set(spot is not None and spot.source == source)
        self._degraded.set(1 if spot is not None and spot.degraded else 0)
        self._spot.set(math.nan if spot is None else float(spot.price.value))
        if spot is not None:
            self._observed_at_ms = spot.observed_at_ms
            self._spot_at.set(spot.observed_at_ms // 1000)

    def render(self) -> bytes:
        """The exposition, text format 0.0.4."""
        return generate_latest(self._registry)

    def _age_seconds(self) -> float:
        if self._observed_at_ms is None:
            return float("nan")
        return (self._now_ms() - self._observed_at_ms) / 1000


class _SlotCollector:
    """Counts that the slots keep themselves."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._slots = tuple(slots)

    def collect(self) -> Iterable[Metric]:
        reads = CounterMetricFamily(
            "fair_anchor_source_reads", "Reads of each source.", labels=["source"]
        )
        refusals = CounterMetricFamily(
            "fair_anchor_source_refusals",
            "Reads that gave no price, by reason.",
            labels=["source", "reason"],
        )
        for slot in self._slots:
            reads.add_metric([slot.name], slot.reads)
            for refusal, count in slot.refusals.items():
                refusals.add_metric([slot.name, refusal.value], count)
        return [reads, refusals]
