"""The metric families that tell of the outside: fills, data and its age, reference, anchors.

A name, once exported, is somebody's alert: names are only ever added.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from prometheus_client import CollectorRegistry

from mm_bot.observe.metrics.families import Counters, Gauges, Histograms
from mm_bot.observe.metrics.labels import (
    BALANCE_ASSETS,
    BALANCE_KINDS,
    FILL_STEPS,
    SIDES,
    LabelSets,
)

_BPS_BUCKETS = (-50.0, -20.0, -10.0, -5.0, 0.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)


class FillMetrics:
    """What the market did with our quotes, and what it earned."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._fills = Counters(
            registry,
            "mm_bot_fills",
            "Fills of own orders: rows of trade_fills, each counted once, by our side.",
            SIDES,
        )
        self._partial_fills = Counters(
            registry,
            "mm_bot_partial_fills",
            "Those of mm_bot_fills_total after which something was left of the order.",
            SIDES,
        )
        self._size = Counters(
            registry,
            "mm_bot_filled_size",
            "Sum of the sizes of all fills: USDC on spot, contracts on a future.",
            SIDES,
        )
        self._notional = Counters(
            registry, "mm_bot_filled_notional_cngn", "cNGN that all fills were worth.", SIDES
        )
        self.captured = Histograms(
            registry,
            "mm_bot_spread_captured_bps",
            "Distance of each fill from the reference price of its time, in our favour, in basis "
            "points.",
            SIDES,
            buckets=_BPS_BUCKETS,
        )
        self.diagnostics = Counters(
            registry,
            "mm_bot_fill_diagnostics",
            "Fills as each step of the hierarchy infers them. For comparison with "
            "mm_bot_fills_total only; never part of it.",
            {"step": FILL_STEPS} | SIDES,
        )
        self.realised = Gauges(
            registry,
            "mm_bot_realised_result_cngn",
            "Result of closed positions since the books began, in cNGN, before fees.",
            start=None,
        )
        self.unrealised = Gauges(
            registry,
            "mm_bot_unrealised_result_cngn",
            "Result of the open position at the reference price, in cNGN; NaN without one.",
            start=None,
        )
        self.fees = Gauges(
            registry,
            "mm_bot_fees_paid_cngn",
            "Fees paid since the books began, in cNGN.",
            start=None,
        )
        self.inventory = Gauges(
            registry,
            "mm_bot_net_inventory",
            "On-chain base balance: USDC on spot, the signed position in contracts on a future; "
            "NaN before the first read.",
            start=None,
        )

    def count(self, side: str, partial: bool, size: Decimal, notional: Decimal) -> None:
        self._fills.add(1, side)
        self._size.add(size, side)
        self._notional.add(notional, side)
        if partial:
            self._partial_fills.add(1, side)


class DataMetrics:
    """What the bot knows and how old it is."""

    def __init__(self, registry: CollectorRegistry, labels: LabelSets) -> None:
        self.market_data_age = _age(
            registry,
            "mm_bot_exchange_market_data_freshness_age_seconds",
            "Age of the exchange's data (book, trades, own orders), the oldest of them",
        )
        self.balance_age = _age(
            registry,
            "mm_bot_balance_freshness_age_seconds",
            "Age of the balances, by the time of the block they were read at",
        )
        self.anchor_age = _age(
            registry,
            "mm_bot_anchor_freshness_age_seconds",
            "Age of the anchor price, by its own time where it tells one",
        )
        self.source_age = Gauges(
            registry,
            "mm_bot_source_age_seconds",
            "Age of the last good answer of each source; NaN where there is none.",
            {"source": labels.sources},
            start=None,
        )
        self.reads = Counters(
            registry, "mm_bot_source_reads", "Reads of each source.", {"source": labels.sources}
        )
        self.read_failures = Counters(
            registry,
            "mm_bot_source_read_failures",
            "Reads of each source that failed or were refused.",
            {"source": labels.sources},
        )
        self.balances = Gauges(
            registry,
            "mm_bot_balance",
            "Balances of the subaccount. base: USDC on spot, contracts on a future; quote: cNGN "
            "on spot, USDC cash on a future.",
            {"asset": BALANCE_ASSETS, "kind": BALANCE_KINDS},
            start=None,
        )


class ReferenceMetrics:
    """The price that quotes are set around, and the anchors."""

    def __init__(self, registry: CollectorRegistry, labels: LabelSets) -> None:
        self.reference_source = Gauges(
            registry,
            "mm_bot_reference_source",
            "1 for where the reference price comes from now, 0 for the others.",
            {"source": labels.reference_sources},
        )
        self.reference_price = _price(
            registry, "mm_bot_reference_price", "The price that quotes are set around"
        )
        self.anchor_price = _price(registry, "mm_bot_anchor_price", "The anchor's last good price")
        self.anchor_deviation = Gauges(
            registry,
            "mm_bot_anchor_deviation_bps",
            "Distance of the local reference from the anchor, in basis points of the anchor, "
            "never negative; NaN where one is missing.",
            start=None,
        )
        self.external_present = Gauges(
            registry,
            "mm_bot_external_anchor_present",
            "1 while the external bootstrap anchor has an accepted price, else 0.",
        )
        self.external_age = _age(
            registry,
            "mm_bot_external_anchor_age_seconds",
            "Age of the external bootstrap anchor's accepted price",
        )
        self.external_price = _price(
            registry,
            "mm_bot_external_anchor_price",
            "The external bootstrap anchor's accepted price",
        )
        self.external_refreshes = Counters(
            registry,
            "mm_bot_external_anchor_refresh",
            "Attempts to read the external bootstrap anchor, failed ones included.",
        )
        self.external_failures = Counters(
            registry,
            "mm_bot_external_anchor_refresh_failures",
            "Attempts to read the external bootstrap anchor that failed or were refused.",
        )


class AnchorMetrics:
    """What the anchors are made from, and what was left out of them."""

    def __init__(self, registry: CollectorRegistry, labels: LabelSets) -> None:
        self.used = Gauges(
            registry,
            "mm_bot_anchor_source_used",
            "1 for each source that an anchor's last good price was made from, 0 for the others.",
            {"source": labels.anchor_sources},
        )
        self.widening = Gauges(
            registry,
            "mm_bot_anchor_widening_bps",
            "By how much each half-spread grows because the anchor's sources disagree.",
        )
        self._refusals = Counters(
            registry,
            "mm_bot_anchor_refusals",
            "Readings in which that source gave no price, or one that was left out, and why.",
            {"source": labels.anchor_sources, "reason": labels.anchor_refusals},
        )
        self._counted: dict[tuple[str, str], int] = {}

    def count_refusals(self, totals: Mapping[tuple[str, str], int]) -> None:
        """What is new since the last call; `totals` only ever grow."""
        for (source, reason), total in totals.items():
            new = total - self._counted.get((source, reason), 0)
            if new:
                self._refusals.add(new, source, reason)
                self._counted[source, reason] = total


def _age(registry: CollectorRegistry, name: str, what: str) -> Gauges:
    return Gauges(registry, name, f"{what}, in seconds; NaN where there is none.", start=None)


def _price(registry: CollectorRegistry, name: str, what: str) -> Gauges:
    return Gauges(registry, name, f"{what}, cNGN per USDC; NaN where there is none.", start=None)
