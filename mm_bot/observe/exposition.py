"""The families of the bot's metrics and how they are written: prometheus' part of `Metrics`."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Final, cast

from prometheus_client import (
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from mm_bot.core.declared import Declared
from mm_bot.observe.counts import Counts
from mm_bot.observe.gauges import every_gauge
from mm_bot.observe.metrics import BLOCKS_FROM, HEARS_FROM

if TYPE_CHECKING:
    from mm_bot.observe.metrics import Metrics

BY_CATEGORY: Final = "mm_bot_order_cancels_total_by_category"


class Exposition:
    """One registry with all that `of` tells."""

    def __init__(self, of: Metrics) -> None:
        # Else the library adds a gauge with the time of its creation beside each counter.
        cast(Callable[[], None], disable_created_metrics)()
        self.registry = CollectorRegistry()
        self._of = of
        self.declare(of.strategy)
        self._refusals = tuple(product(of.anchor_sources, of.anchor_refusals))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.counts = Counts(self.registry)
        self.registry.register(self)

    def declare(self, strategy: Declared) -> None:
        """The strategy's gauges are there from now on."""
        self._gauges = every_gauge(self._of.anchor_sources, strategy)

    def render(self) -> bytes:
        """The exposition, text format 0.0.4. About a millisecond."""
        return generate_latest(self.registry) + self._by_category()

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        build = self._of.build
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
            value=int(self._of.ready()),
        )
        yield CounterMetricFamily(
            "mm_bot_log_lines_dropped",
            "Log lines that were lost because whoever reads the log did not read them in time.",
            value=self._of.dropped_lines(),
        )
        kept, failures = self._of.mirror() if self._of.mirror is not None else (math.nan, 0)
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
        yield _labelled(
            "mm_bot_events_source",
            "1 for what wakes the loop when somebody's order or trade changes the market: listen, "
            "socket, or poll where nothing does and only MM_POLL_INTERVAL_MS counts; else 0.",
            "source",
            {source: self._of.hears_from == source for source in HEARS_FROM},
        )
        yield _labelled(
            "mm_bot_blocks_source",
            "1 for what tells of new blocks: subscription of the node, where MM_RPC_URL is a "
            "WebSocket, or poll where only MM_POLL_INTERVAL_MS counts; else 0.",
            "source",
            {source: self._of.blocks_from == source for source in BLOCKS_FROM},
        )
        yield _labelled(
            "mm_bot_price_stream_up",
            "1 while that stream of prices brings some, 0 where it is lost and its source is read "
            "at MM_POLL_INTERVAL_MS alone; none for sources without a stream.",
            "stream",
            self._of.streams,
        )
        for gauge in self._gauges:
            yield gauge.family(self._of.view)
        yield from self._sources()

    def _sources(self) -> Iterator[Metric]:
        external = self._of.external
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
        refused = [each.refused for each in (self._of.anchor, external) if each is not None]
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


def _labelled(name: str, text: str, label: str, states: Mapping[str, bool]) -> Metric:
    """A gauge of one label: 1 for each of its values that holds, else 0."""
    family = GaugeMetricFamily(name, text, labels=(label,))
    for value, holds in states.items():
        family.add_metric((value,), int(holds))
    return family
