"""The bot's metrics as Prometheus reads them: gauges off the last `View`, counters and histograms
of every cycle.

Every name and every label value exists from the first scrape on. Called from the loop's thread
alone. Nothing here blocks, and nothing here is read back by the bot: losing a metric loses no
decision.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Protocol, cast

from prometheus_client import (
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from mm_bot.core.declared import NOTHING_DECLARED, Declared
from mm_bot.observe.counts import Counts
from mm_bot.observe.gauges import every_gauge
from mm_bot.observe.gauges_strategy import undeclared
from mm_bot.observe.view import View

FRESH_FOR_S = 0.1
BY_CATEGORY = "mm_bot_order_cancels_total_by_category"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInfo:
    """Constant facts, the labels of `mm_bot_build_info`."""

    version: str
    market: str
    chain_id: int
    subaccount_id: int
    dry_run: bool


class Refreshes(Protocol):
    """What an outside source counts since the start."""

    @property
    def refreshes(self) -> int: ...

    @property
    def failures(self) -> int: ...

    @property
    def refused(self) -> Mapping[tuple[str, str], int]:
        """How often, by (source, reason)."""


class Metrics:
    """One registry. `ready` is asked at each scrape, the sources for what they count."""

    def __init__(
        self,
        build: BuildInfo,
        *,
        anchor_sources: Iterable[str] = (),
        anchor_refusals: Iterable[str] = (),
        strategy: Declared = NOTHING_DECLARED,
        ready: Callable[[], bool] = lambda: False,
    ) -> None:
        """`anchor_sources` and `anchor_refusals` are every label value that there can be, and so is
        what the strategy declares."""
        # Else the library adds a gauge with the time of its creation beside each counter.
        cast(Callable[[], None], disable_created_metrics)()
        self.registry = CollectorRegistry()
        self.ready = ready
        self.dropped_lines: Callable[[], int] = lambda: 0
        self.mirror: Callable[[], tuple[bool, int]] | None = None
        """Whether the copy in Redis is kept, and how often that failed; None without one."""
        self.view: View | None = None
        self.anchor: Refreshes | None = None
        self.external: Refreshes | None = None
        self._build = build
        self._rendered, self._rendered_at_s = b"", -math.inf
        self._anchor_sources = tuple(anchor_sources)
        self.declare(strategy)
        self._refusals = tuple(product(self._anchor_sources, anchor_refusals))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.counts = Counts(self.registry)
        self.registry.register(self)

    def declare(self, strategy: Declared) -> None:
        """What the strategy may tell; its gauges are there from now on."""
        self._gauges = every_gauge(self._anchor_sources, strategy)
        self.undeclared = undeclared(strategy)

    def render(self) -> bytes:
        """The exposition, text format 0.0.4. About a millisecond."""
        return generate_latest(self.registry) + self._by_category()

    def scrape(self) -> bytes:
        """What `/metrics` answers: rendered at most once in `FRESH_FOR_S`, however many ask."""
        now_s = time.monotonic()
        if now_s - self._rendered_at_s >= FRESH_FOR_S:
            self._rendered, self._rendered_at_s = self.render(), now_s
        return self._rendered

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        build = self._build
        facts = {
            "version": build.version,
            "python": platform.python_version(),
            "market": build.market,
            "chain_id": str(build.chain_id),
            "subaccount_id": str(build.subaccount_id),
            "dry_run": str(build.dry_run).lower(),
        }
        info = GaugeMetricFamily(
            "mm_bot_build_info",
            "Always 1; the labels say which build quotes which market, and whether it only "
            "pretends to (dry_run).",
            labels=tuple(facts),
        )
        info.add_metric(tuple(facts.values()), 1)
        yield info
        yield GaugeMetricFamily(
            "mm_bot_ready",
            "1 while /readyz answers 200, else 0; /readyz itself lists every reason.",
            value=int(self.ready()),
        )
        yield CounterMetricFamily(
            "mm_bot_log_lines_dropped",
            "Log lines that were lost because whoever reads the log did not read them in time.",
            value=self.dropped_lines(),
        )
        kept, failures = self.mirror() if self.mirror is not None else (math.nan, 0)
        yield GaugeMetricFamily(
            "mm_bot_mirror_up",
            "1 while the copy of the state in Redis is kept, else 0; NaN without MM_REDIS_URL.",
            value=float(kept),
        )
        yield CounterMetricFamily(
            "mm_bot_mirror_failures",
            "Attempts to write the copy of the state in Redis, or to read it, that failed.",
            value=failures,
        )
        for gauge in self._gauges:
            yield gauge.family(self.view)
        yield from self._sources()

    def _sources(self) -> Iterator[Metric]:
        external = self.external
        good, failed = (external.refreshes, external.failures) if external else (0, 0)
        yield CounterMetricFamily(
            "mm_bot_external_anchor_refresh",
            "Attempts to read the external bootstrap anchor, failed ones included.",
            value=good + failed,
        )
        yield CounterMetricFamily(
            "mm_bot_external_anchor_refresh_failures",
            "Attempts to read the external bootstrap anchor that failed or were refused.",
            value=failed,
        )
        refusals = CounterMetricFamily(
            "mm_bot_anchor_refusals",
            "Readings in which that source gave no price, or one that was left out, and why.",
            labels=("source", "reason"),
        )
        refused = [each.refused for each in (self.anchor, external) if each is not None]
        for labels in self._refusals:
            refusals.add_metric(labels, sum(each.get(labels, 0) for each in refused))
        yield refusals

    def _by_category(self) -> bytes:
        """The one counter with `_total` inside its name: the library would append another."""
        lines = [
            f"# HELP {BY_CATEGORY} "
            "Acknowledged cancels of own orders since the start, by what caused them.",
            f"# TYPE {BY_CATEGORY} counter",
        ]
        for category, count in self.counts.cancels_by_category.items():
            lines.append(f'{BY_CATEGORY}{{category="{category}"}} {float(count)}')
        return ("\n".join(lines) + "\n").encode()
