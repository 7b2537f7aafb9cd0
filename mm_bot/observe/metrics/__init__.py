"""The numbers that the bot shows at /metrics, and the only place where exact values become floats.

Every name and every label value exists from the first scrape on: counts, flags and quote ages with
0, other measurements with NaN until there is one. Labels come from closed sets given at the start.
Prices are human (cNGN per USDC), results in cNGN, sizes in the market's base unit (USDC on spot,
contracts on a future), times in seconds. Nothing here blocks, and nothing here is read back by the
bot: losing a metric loses no decision.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import cast

from prometheus_client import (
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from mm_bot.core.instrument import Side
from mm_bot.observe.metrics.bot import QuoteMetrics, StateMetrics, WorkMetrics
from mm_bot.observe.metrics.families import Number
from mm_bot.observe.metrics.labels import (
    BALANCE_KINDS,
    BuildInfo,
    LabelSets,
    SideView,
)
from mm_bot.observe.metrics.market import AnchorMetrics, DataMetrics, FillMetrics, ReferenceMetrics

__all__ = ["BuildInfo", "LabelSets", "Metrics", "SideView"]


class Metrics:
    """One registry. Methods take plain values and are called from the loop's thread."""

    def __init__(self, labels: LabelSets, build: BuildInfo) -> None:
        # Else the library adds a gauge with the time of its creation beside each counter.
        cast(Callable[[], None], disable_created_metrics)()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._state = StateMetrics(self.registry, labels, build)
        self._quotes = QuoteMetrics(self.registry, labels)
        self._work = WorkMetrics(self.registry, labels)
        self._fills = FillMetrics(self.registry)
        self._data = DataMetrics(self.registry, labels)
        self._reference = ReferenceMetrics(self.registry, labels)
        self._anchors = AnchorMetrics(self.registry, labels)

    def render(self) -> bytes:
        """The exposition, text format 0.0.4. About a millisecond."""
        return generate_latest(self.registry) + self._work.cancels_by_category.render()

    # State of the bot

    def set_halts(self, reasons: Collection[str]) -> None:
        """The halt reasons that hold now; none means not halted. Counts the new ones."""
        self._state.set_halts(frozenset(reasons))

    def set_ready(self, ready: bool) -> None:
        self._state.ready.set(int(ready))

    def set_operator_mode(self, mode: str) -> None:
        self._state.operator_mode.mark((mode,))

    def set_kill_switch(self, active: bool) -> None:
        self._state.kill_switch.set(int(active))

    def set_lock_held(self, held: bool) -> None:
        self._state.lock_held.set(int(held))

    # Quotes

    def set_side(self, side: Side, view: SideView) -> None:
        self._quotes.set_side(side.value, view)

    def set_quotes(
        self, *, quote_age_s: Number, exchange_quote_age_s: Number, spread_bps: Number
    ) -> None:
        """Ages of the oldest own quote: None is 0. Spread: None where a side is missing."""
        self._quotes.quote_age.set(0 if quote_age_s is None else quote_age_s)
        self._quotes.exchange_quote_age.set(
            0 if exchange_quote_age_s is None else exchange_quote_age_s
        )
        self._quotes.spread.set(spread_bps)

    def count_side_time(self, side: Side, seconds: float, *, wanted: bool, quoted: bool) -> None:
        """`seconds` passed in which the mode wanted that side, or in which it was live."""
        if wanted:
            self._quotes.wanted_seconds.add(seconds, side.value)
            if quoted:
                self._quotes.quoted_seconds.add(seconds, side.value)

    # Work

    def observe_cycle(self, seconds: float, parts: Mapping[str, float], *, at_ms: int) -> None:
        """One cycle that ended at `at_ms`, and the parts of it that ran, in seconds."""
        self._work.last_cycle.set(at_ms / 1_000)
        self._work.cycle.observe(seconds)
        for part, took in parts.items():
            self._work.cycle_part.observe(took, part)

    def observe_event_to_order(self, seconds: float) -> None:
        self._work.event_to_order.observe(seconds)

    def count_outcome(self, command: str, verdict: str) -> None:
        self._work.outcomes.add(1, command, verdict)

    def count_cancel(self, category: str) -> None:
        """One acknowledged cancel."""
        self._work.cancels_by_category.add(category)
        self._work.cancels.add(1)

    def set_unknown_orders(self, count: int) -> None:
        self._work.unknown_orders.set(count)

    # Fills and results

    def count_fill(self, side: Side, *, partial: bool, size: Decimal, notional: Decimal) -> None:
        """One row of `trade_fills` of ours. `notional` in cNGN."""
        self._fills.count(side.value, partial, size, notional)

    def observe_spread_captured(self, side: Side, bps: Decimal) -> None:
        """How far from the reference of its time a fill was, in our favour."""
        self._fills.captured.observe(bps, side.value)

    def count_fill_diagnostic(self, step: str, side: Side) -> None:
        """What a step of the hierarchy saw; `step` is one of FILL_STEPS."""
        self._fills.diagnostics.add(1, step, side.value)

    def set_results(
        self, *, realised: Number, unrealised: Number, fees: Number, inventory: Number
    ) -> None:
        self._fills.realised.set(realised)
        self._fills.unrealised.set(unrealised)
        self._fills.fees.set(fees)
        self._fills.inventory.set(inventory)

    # Data

    def set_freshness(self, *, market_data_s: Number, balances_s: Number, anchor_s: Number) -> None:
        """Ages of what the halts watch; None where it was never read or is not configured."""
        self._data.market_data_age.set(market_data_s)
        self._data.balance_age.set(balances_s)
        self._data.anchor_age.set(anchor_s)

    def set_source_age(self, source: str, seconds: Number) -> None:
        self._data.source_age.set(seconds, source)

    def count_read(self, source: str, *, failed: bool) -> None:
        self._data.reads.add(1, source)
        if failed:
            self._data.read_failures.add(1, source)

    def set_reference(
        self, *, source: str, price: Number, anchor_price: Number, deviation_bps: Number
    ) -> None:
        self._reference.reference_source.mark((source,))
        self._reference.reference_price.set(price)
        self._reference.anchor_price.set(anchor_price)
        self._reference.anchor_deviation.set(deviation_bps)

    def set_anchor_sources(self, used: Collection[str], *, widening_bps: Decimal) -> None:
        """Of all anchors: what their last good prices were made from."""
        self._anchors.used.mark(used)
        self._anchors.widening.set(widening_bps)

    def count_anchor_refusals(self, totals: Mapping[tuple[str, str], int]) -> None:
        """How often each source was refused, by (source, reason), since the start."""
        self._anchors.count_refusals(totals)

    def set_external_anchor(self, *, price: Number, age_s: Number) -> None:
        """The bootstrap anchor's last accepted mark; None for both where there is none."""
        self._reference.external_present.set(int(price is not None))
        self._reference.external_price.set(price)
        self._reference.external_age.set(age_s)

    def count_external_refresh(self, *, failed: bool) -> None:
        self._reference.external_refreshes.add(1)
        if failed:
            self._reference.external_failures.add(1)

    def set_balance(
        self, asset: str, *, total: Number, reserved: Number, available: Number
    ) -> None:
        """`asset` is "base" or "quote"."""
        for kind, value in zip(BALANCE_KINDS, (total, reserved, available), strict=True):
            self._data.balances.set(value, asset, kind)
