"""The metrics of what the bot looks at: how old each source is, what it said, what was refused."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from mm_bot.core.decide import Decision
from mm_bot.core.exact import Price
from mm_bot.core.snapshot import Snapshot
from mm_bot.observe.metrics import Metrics


class Refreshes(Protocol):
    """What an outside source counts."""

    @property
    def refreshes(self) -> int: ...

    @property
    def failures(self) -> int: ...

    @property
    def refused(self) -> Mapping[tuple[str, str], int]: ...


class SourceGauges:
    """Sets them once a cycle; `anchor` and `external` are None where they are off."""

    def __init__(
        self, metrics: Metrics, *, anchor: Refreshes | None, external: Refreshes | None
    ) -> None:
        self._metrics = metrics
        self._anchor = anchor
        self._external = external
        self._external_counted = (0, 0)

    def show(self, decision: Decision) -> None:
        """Everything as of this cycle."""
        snapshot, fresh = decision.snapshot, decision.freshness
        metrics, venue = self._metrics, snapshot.venue
        metrics.set_freshness(
            market_data_s=seconds(fresh.market_data_ms),
            balances_s=seconds(fresh.balances_ms),
            anchor_s=seconds(fresh.anchor_ms),
        )
        reads = {
            "book": (fresh.book_ms, venue.book.error),
            "trades": (fresh.trades_ms, venue.trades.error),
            "orders": (fresh.orders_ms, venue.orders.error),
            "balances": (fresh.balances_ms, venue.balances.error),
        }
        for source, (age_ms, error) in reads.items():
            metrics.set_source_age(source, seconds(age_ms))
            metrics.count_read(source, failed=error is not None)
        metrics.set_source_age("anchor", seconds(fresh.anchor_ms))
        reference = decision.reference
        metrics.set_reference(
            source=reference.source.value,
            price=reference.price.value if reference.price else None,
            anchor_price=_value(snapshot.anchor.price if snapshot.anchor else None),
            deviation_bps=reference.deviation_bps,
        )
        self._anchor_sources(snapshot)
        external = snapshot.external
        if external is not None:
            present = external.price is not None
            self._count_refreshes()
            metrics.set_source_age("external", seconds(fresh.external_ms))
            metrics.set_external_anchor(
                price=_value(external.price),
                age_s=seconds(fresh.external_ms) if present else None,
            )

    def _anchor_sources(self, snapshot: Snapshot) -> None:
        anchor = snapshot.anchor
        quotes = [q for q in (anchor, snapshot.external) if q is not None and q.price is not None]
        self._metrics.set_anchor_sources(
            {name for quote in quotes for name in quote.used or (quote.source,)},
            widening_bps=anchor.widening_bps if anchor is not None else Decimal(0),
        )
        for source in (self._anchor, self._external):
            if source is not None:
                self._metrics.count_anchor_refusals(source.refused)

    def _count_refreshes(self) -> None:
        if self._external is None:
            return
        good, failed = self._external.refreshes, self._external.failures
        for _ in range(good - self._external_counted[0]):
            self._metrics.count_external_refresh(failed=False)
        for _ in range(failed - self._external_counted[1]):
            self._metrics.count_external_refresh(failed=True)
        self._external_counted = (good, failed)


def seconds(age_ms: int | None) -> float | None:
    """As metrics have it; None stays None."""
    return None if age_ms is None else age_ms / 1000


def _value(price: Price | None) -> Decimal | None:
    return price.value if price is not None else None
