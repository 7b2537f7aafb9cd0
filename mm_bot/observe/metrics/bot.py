"""The metric families that tell of the bot itself: its state, its quotes, its work.

A name, once exported, is somebody's alert: names are only ever added.
"""

from __future__ import annotations

import platform

from prometheus_client import CollectorRegistry

from mm_bot.observe.metrics.families import Counters, Gauges, Histograms, OddlyNamedCounters
from mm_bot.observe.metrics.labels import SIDES, BuildInfo, LabelSets, SideView

_SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class StateMetrics:
    """What the bot is doing and whether it may."""

    def __init__(self, registry: CollectorRegistry, labels: LabelSets, build: BuildInfo) -> None:
        facts = {
            "version": (build.version,),
            "python": (platform.python_version(),),
            "market": (build.market,),
            "chain_id": (str(build.chain_id),),
            "subaccount_id": (str(build.subaccount_id),),
            "dry_run": (str(build.dry_run).lower(),),
        }
        Gauges(
            registry,
            "mm_bot_build_info",
            "Always 1; the labels say which build quotes which market, and whether it only "
            "pretends to (dry_run).",
            facts,
            start=1,
        )
        self.halted = Gauges(
            registry,
            "mm_bot_halted",
            "1 while quoting is halted for any reason, else 0. See mm_bot_halt_reason.",
        )
        self.halt_reason = Gauges(
            registry,
            "mm_bot_halt_reason",
            "1 for each reason that halts quoting now, else 0. Several may hold at once.",
            {"reason": labels.halt_reasons},
        )
        self.halts = Counters(
            registry,
            "mm_bot_halts",
            "How often each halt reason began to hold since the start.",
            {"reason": labels.halt_reasons},
        )
        self.ready = Gauges(
            registry,
            "mm_bot_ready",
            "1 while /readyz answers 200, else 0; /readyz itself lists every reason.",
        )
        self.operator_mode = Gauges(
            registry,
            "mm_bot_operator_mode",
            "1 for the operator mode in force, 0 for the others.",
            {"mode": labels.operator_modes},
        )
        self.kill_switch = Gauges(
            registry,
            "mm_bot_kill_switch_active",
            "1 while the kill-switch file exists (or cannot be examined), else 0.",
        )
        self.lock_held = Gauges(
            registry,
            "mm_bot_lock_held",
            "1 while this process holds the one-writer lock in Postgres; always 1 in dry runs.",
        )
        self._holding: frozenset[str] = frozenset()

    def set_halts(self, reasons: frozenset[str]) -> None:
        self.halted.set(int(bool(reasons)))
        self.halt_reason.mark(reasons)
        for reason in reasons - self._holding:
            self.halts.add(1, reason)
        self._holding = reasons


class QuoteMetrics:
    """What we show to the market."""

    def __init__(self, registry: CollectorRegistry, labels: LabelSets) -> None:
        self._present = {
            "buy": Gauges(
                registry,
                "mm_bot_open_bid_present",
                "1 while at least one own bid rests in this market, else 0.",
            ),
            "sell": Gauges(
                registry,
                "mm_bot_open_ask_present",
                "1 while at least one own ask rests in this market, else 0.",
            ),
        }
        self.quote_age = Gauges(
            registry,
            "mm_bot_quote_age_seconds",
            "Seconds since the bot last placed or adopted its oldest live quote, by its own "
            "clock; 0 without quotes.",
        )
        self.exchange_quote_age = Gauges(
            registry,
            "mm_bot_exchange_quote_age_seconds",
            "Seconds since the exchange created the oldest own live order (created_at); 0 where "
            "it does not say or there is none.",
        )
        self.spread = Gauges(
            registry,
            "mm_bot_live_quoted_spread_bps",
            "Best own ask minus best own bid, in basis points of their mid; NaN while a side is "
            "missing.",
            start=None,
        )
        self._price = Gauges(
            registry,
            "mm_bot_quote_price",
            "Price of the best own live order of the side, cNGN per USDC; NaN where none.",
            SIDES,
            start=None,
        )
        self._size = Gauges(
            registry,
            "mm_bot_quote_size",
            "What is left of the best own live order of the side: USDC on spot, contracts on a "
            "future; NaN where none.",
            SIDES,
            start=None,
        )
        self._live = Gauges(
            registry, "mm_bot_live_orders", "Own live managed orders of the side.", SIDES
        )
        self._wanted = Gauges(
            registry, "mm_bot_wanted_orders", "Orders the last decision wants there.", SIDES
        )
        self._missing = Gauges(
            registry,
            "mm_bot_missing_quote_reason",
            "1 for the reason why the side is not quoted, else 0; all 0 while it is quoted.",
            SIDES | {"reason": labels.missing_reasons},
        )
        self._missing_now: dict[str, str | None] = dict.fromkeys(SIDES["side"])
        self._liability = Gauges(
            registry,
            "mm_bot_signed_liability",
            "Size that all unexpired signatures of the side, cancelled or not, could still fill: "
            "USDC on spot, contracts on a future.",
            SIDES,
        )
        self._add_uptime(registry)

    def set_side(self, side: str, view: SideView) -> None:
        self._present[side].set(int(view.live_orders > 0))
        self._price.set(view.best_price, side)
        self._size.set(view.best_size, side)
        self._live.set(view.live_orders, side)
        self._wanted.set(view.wanted_orders, side)
        self._liability.set(view.signed_liability, side)
        before, now = self._missing_now[side], view.missing_reason
        if before != now:
            if now is not None:
                self._missing.set(1, side, now)
            if before is not None:
                self._missing.set(0, side, before)
            self._missing_now[side] = now

    def _add_uptime(self, registry: CollectorRegistry) -> None:
        self.quoted_seconds = Counters(
            registry,
            "mm_bot_side_quoted_seconds",
            "Seconds in which the side was wanted and live. Divided by "
            "mm_bot_side_wanted_seconds_total it is the uptime of the side.",
            SIDES,
        )
        self.wanted_seconds = Counters(
            registry,
            "mm_bot_side_wanted_seconds",
            "Seconds in which the operator mode wanted the side quoted, halted or not.",
            SIDES,
        )


class WorkMetrics:
    """What the bot did and how long it took."""

    def __init__(self, registry: CollectorRegistry, labels: LabelSets) -> None:
        self.cycle = Histograms(
            registry,
            "mm_bot_cycle_duration_seconds",
            "Length of one cycle from its first read to its last acknowledgement.",
            buckets=_SECONDS_BUCKETS,
        )
        self.cycle_part = Histograms(
            registry,
            "mm_bot_cycle_part_duration_seconds",
            "Length of each part of a cycle: reading the world, deciding, sending, remembering.",
            {"part": labels.cycle_parts},
            buckets=_SECONDS_BUCKETS,
        )
        self.last_cycle = Gauges(
            registry,
            "mm_bot_last_cycle_timestamp_seconds",
            "Unix time at which the last cycle ended; every other gauge is as of then. NaN "
            "before the first.",
            start=None,
        )
        self.event_to_order = Histograms(
            registry,
            "mm_bot_event_to_order_seconds",
            "From the event that woke a cycle to the acknowledgement of its last command.",
            buckets=_SECONDS_BUCKETS,
        )
        self.outcomes = Counters(
            registry,
            "mm_bot_command_outcomes",
            "Commands sent, by how they ended. An unknown one stays open until evidence closes "
            "it, see mm_bot_unknown_orders_open.",
            {"command": labels.commands, "verdict": labels.verdicts},
        )
        self.unknown_orders = Gauges(
            registry,
            "mm_bot_unknown_orders_open",
            "Orders of which nobody knows yet whether the exchange has them; they count as live "
            "in every limit.",
        )
        self.cancels = Counters(
            registry,
            "mm_bot_order_cancels",
            "Acknowledged cancels of own orders since the start, for whatever reason.",
        )
        self.cancels_by_category = OddlyNamedCounters(
            "mm_bot_order_cancels_total_by_category",
            "Acknowledged cancels of own orders since the start, by what caused them.",
            "category",
            labels.cancel_categories,
        )
