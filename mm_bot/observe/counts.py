"""What only ever grows: counters and histograms of the bot, each cycle taken in once.

A name, once exported, is somebody's alert: names are only ever added. Every label combination
exists from the first scrape on, so that a rate over it is defined. Sizes are in the market's base
unit, money is in the quote, times are seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import product
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram

from mm_bot.core.commands import Verdict
from mm_bot.core.fill_signs import Signs
from mm_bot.core.instrument import Side
from mm_bot.core.plan import CancelCategory
from mm_bot.core.risk import HaltReason
from mm_bot.observe.gauge import SIDES, SOURCES
from mm_bot.observe.view import View

READ_EACH_CYCLE = ("book", "trades", "orders", "balances")
FILL_STEPS = ("order_state", "trade_stream", "inventory_delta")
PARTS = ("observe", "decide", "act", "remember")
_SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_BPS_BUCKETS = (-50.0, -20.0, -10.0, -5.0, 0.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
_Family = TypeVar("_Family", Counter, Histogram)
Labels = Mapping[str, tuple[str, ...]]


class Counts:
    """The families of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.cancels_by_category = {category.value: 0 for category in CancelCategory}
        """Apart, since its name is one that the library does not write; see `Metrics`."""
        self._gone: deque[str] = deque(maxlen=1_000)
        """Orders whose cancel was counted: an answer may come after the row that proved it."""
        self._of_work()
        self._of_fills()

    def cycle(self, view: View, before: View | None, timings_ms: Mapping[str, float]) -> None:
        """One cycle that followed on `before`."""
        self._count_work(view, timings_ms)
        was = before.halt_reasons if before is not None else ()
        for reason in view.halt_reasons:
            if reason not in was:
                self._halts.labels(reason).inc()
        self._count_fills(view)
        elapsed_s = (view.ended_ms - before.ended_ms) / 1000 if before is not None else 0.0
        self._count_sides(view, before, elapsed_s)

    def signs(self, found: Signs) -> None:
        """What the lower steps of the hierarchy saw."""
        for (step, side), times in found.items():
            self._diagnostics.labels(step, side.value).inc(times)

    def unreadable(self) -> None:
        """A stranger's order that no number can be read from."""
        self._unreadable.inc()

    def _count_work(self, view: View, timings_ms: Mapping[str, float]) -> None:
        for name, took_ms in timings_ms.items():
            if name == "total":
                self._cycle.observe(took_ms / 1000)
            elif name == "event_to_order":
                self._event_to_order.observe(took_ms / 1000)
            else:
                self._cycle_part.labels(name).observe(took_ms / 1000)
        for cancel in view.report.cancels:
            self._outcomes.labels("cancel", cancel.outcome.verdict.value).inc()
            if cancel.outcome.verdict is Verdict.ACCEPTED:
                self._count_cancel(cancel.cancel.order_id, cancel.cancel.category.value)
        for ended in view.decision.tracked.ended:
            if ended.cancel_proven and ended.order.cancel_category is not None:
                self._count_cancel(ended.order.order_id, ended.order.cancel_category)
        for place in view.report.places:
            self._outcomes.labels("place", place.outcome.verdict.value).inc()
        for source in READ_EACH_CYCLE:
            self._reads.labels(source).inc()
            if view.errors[source] is not None:
                self._read_failures.labels(source).inc()

    def _count_cancel(self, order_id: str, category: str) -> None:
        if order_id in self._gone:
            return
        self._gone.append(order_id)
        self.cancels_by_category[category] += 1
        self._cancels.inc()

    def _count_fills(self, view: View) -> None:
        for noted in view.new_fills:
            fill, side = noted.fill, noted.fill.side.value
            self._fills.labels(side).inc()
            self._size.labels(side).inc(float(fill.size.value))
            self._notional.labels(side).inc(float(fill.notional.value))
            if not fill.completes_order:
                self._partial_fills.labels(side).inc()
            if noted.captured_bps is not None:
                self._captured.labels(side).observe(float(noted.captured_bps))

    def _count_sides(self, view: View, before: View | None, elapsed_s: float) -> None:
        """The time since `before`, in which a side rested as that had it."""
        for side in Side:
            if view.decision.policy.mode.wants(side):
                self._wanted_seconds.labels(side.value).inc(elapsed_s)
                if before is not None and side in before.best:
                    self._quoted_seconds.labels(side.value).inc(elapsed_s)

    def _of_work(self) -> None:
        self._unreadable = self._counter(
            "mm_bot_unreadable_orders",
            "Orders of others that were left out because no number can be read from them.",
        )
        self._halts = self._counter(
            "mm_bot_halts",
            "How often each halt reason began to hold since the start.",
            {"reason": tuple(reason.value for reason in HaltReason)},
        )
        self._quoted_seconds = self._counter(
            "mm_bot_side_quoted_seconds",
            "Seconds in which the side was wanted and live. Divided by "
            "mm_bot_side_wanted_seconds_total it is the uptime of the side.",
            SIDES,
        )
        self._wanted_seconds = self._counter(
            "mm_bot_side_wanted_seconds",
            "Seconds in which the operator mode wanted the side quoted, halted or not.",
            SIDES,
        )
        self._cycle = self._histogram(
            "mm_bot_cycle_duration_seconds",
            "Length of one cycle from its first read to its last acknowledgement.",
            _SECONDS_BUCKETS,
        )
        self._cycle_part = self._histogram(
            "mm_bot_cycle_part_duration_seconds",
            "Length of each part of a cycle: reading the world, deciding, sending, remembering.",
            _SECONDS_BUCKETS,
            {"part": PARTS},
        )
        self._event_to_order = self._histogram(
            "mm_bot_event_to_order_seconds",
            "From the event that woke a cycle to the acknowledgement of its last command.",
            _SECONDS_BUCKETS,
        )
        self._outcomes = self._counter(
            "mm_bot_command_outcomes",
            "Commands sent, by how they ended. An unknown one stays open until evidence closes "
            "it, see mm_bot_unknown_orders_open.",
            {"command": ("place", "cancel"), "verdict": tuple(v.value for v in Verdict)},
        )
        self._cancels = self._counter(
            "mm_bot_order_cancels",
            "Acknowledged cancels of own orders since the start, for whatever reason.",
        )
        self._reads = self._counter(
            "mm_bot_source_reads", "Reads of each source.", {"source": SOURCES}
        )
        self._read_failures = self._counter(
            "mm_bot_source_read_failures",
            "Reads of each source that failed or were refused.",
            {"source": SOURCES},
        )

    def _of_fills(self) -> None:
        self._fills = self._counter(
            "mm_bot_fills",
            "Fills of own orders, each counted once, by our side.",
            SIDES,
        )
        self._partial_fills = self._counter(
            "mm_bot_partial_fills",
            "Those of mm_bot_fills_total after which something was left of the order.",
            SIDES,
        )
        self._size = self._counter(
            "mm_bot_filled_size",
            "Sum of the sizes of all fills: the base on spot, contracts on a future.",
            SIDES,
        )
        self._notional = self._counter(
            "mm_bot_filled_notional_cngn", "What all fills were worth, in the quote.", SIDES
        )
        self._captured = self._histogram(
            "mm_bot_spread_captured_bps",
            "Distance of each fill from the reference price of its time, in our favour, in basis "
            "points.",
            _BPS_BUCKETS,
            SIDES,
        )
        self._diagnostics = self._counter(
            "mm_bot_fill_diagnostics",
            "Fills as each step of the hierarchy infers them. For comparison with "
            "mm_bot_fills_total only; never part of it.",
            {"step": FILL_STEPS} | SIDES,
        )

    def _counter(self, name: str, text: str, labels: Labels | None = None) -> Counter:
        """`name` without the `_total` that the library adds."""
        return with_every_label(Counter(name, text, labels or (), registry=self._registry), labels)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], labels: Labels | None = None
    ) -> Histogram:
        family = Histogram(name, text, labels or (), registry=self._registry, buckets=buckets)
        return with_every_label(family, labels)


def with_every_label(family: _Family, labels: Labels | None) -> _Family:
    """The same, with a child for each combination of label values."""
    for each in product(*(labels or {}).values()):
        if each:
            family.labels(*each)
    return family
