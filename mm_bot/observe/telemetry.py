"""What a cycle tells: the `View` that everything is read from, counted and put into the log.

Nothing here raises into the loop or waits.
"""

from __future__ import annotations

from mm_bot.clock import Clock, SystemClock
from mm_bot.core.decide import Decision
from mm_bot.core.fill_signs import disagreements, signs
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.memory import Memory
from mm_bot.core.remember import Report
from mm_bot.observe.history import History
from mm_bot.observe.log import Log
from mm_bot.observe.metrics import EVENTS, POLL, Metrics, Refreshes
from mm_bot.observe.narrator import Narrator
from mm_bot.observe.totals import Totals
from mm_bot.observe.view import FILLS_KEPT, Reconciled, View, noted, seconds

MOST_NAMES = 1_000
"""How many different things the log names once; further ones are no longer remembered."""


class Telemetry:
    """The loop's `Telemetry`."""

    def __init__(
        self, *, metrics: Metrics, log: Log, totals: Totals, clock: Clock | None = None
    ) -> None:
        self.view: View | None = None
        """Of the last cycle; None before the first has ended."""
        self.history = History()
        self.heard = {EVENTS: (POLL, "not asked yet")}
        """Of each stream its source and why there is no better; `blocks` where there is one."""
        self._clock = clock or SystemClock()
        self._metrics = metrics
        self._log = log
        self._totals = totals
        self._market: Instrument | None = None
        self._narrator = Narrator(log)
        self._newest_trade = -1
        self.streams: dict[str, dict[str, object]] = {}
        """Of prices, by name: whether each is `up`, and `why` not."""
        self._told: dict[str, str] = {}
        self._unreadable: set[str] = set()
        self._alarms: set[str] = set()
        self._undeclared: set[str] = set()

    def begin(
        self, market: Instrument, external: Refreshes | None, anchor: Refreshes | None = None
    ) -> None:
        """Called once the market is known, before the first cycle."""
        self._market = market
        self._metrics.anchor, self._metrics.external = anchor, external

    def hears(self, source: str, why: str) -> None:
        """What wakes the loop beside its poll; `poll` is nothing, and `why` there is no better."""
        self._metrics.hears_from = source
        self._hears(EVENTS, source, why)

    def hears_blocks(self, source: str, why: str) -> None:
        """The same of new blocks, where the node's address is of a kind that may tell of them."""
        self._metrics.blocks_from = source
        self._hears("blocks", source, why)

    def hears_prices(self, stream: str, why: str) -> None:
        """A stream of prices brings some, or is lost and why; then its source is only polled."""
        self._metrics.streams[stream] = not why
        self.streams[stream] = {"up": not why, "why": why}
        tell = self._log.warning if why else self._log.info
        tell("price_stream", stream=stream, up=not why, why=why or None)

    def _hears(self, what: str, source: str, why: str) -> None:
        """Each change is told once, a loss as a warning."""
        self.heard[what] = (source, why)
        if self._told.get(what) != source:
            self._told[what] = source
            tell = self._log.warning if source == POLL else self._log.info
            tell(what, source=source, why=why or None)

    def event(self, name: str, /, **fields: object) -> None:
        self._log.warning(name, **fields)

    def cycle(
        self,
        decision: Decision,
        report: Report,
        memory: Memory,
        timings_ms: dict[str, float],
    ) -> None:
        before = self.view
        did = not decision.plan.quiet or report.cancels or report.places or decision.startup
        last = Reconciled(decision=decision, report=report) if did else None
        new_fills = tuple(noted(fill, decision) for fill in decision.new_fills)
        fills = before.fills if before is not None else ()
        view = self.view = self._metrics.view = View(
            decision=decision,
            report=report,
            memory=memory,
            market=self._market,
            ended_ms=self._clock.monotonic_ms(),
            took_ms=timings_ms["total"],
            reconciled=last or (before.reconciled if before is not None else None),
            fills=(*fills, *new_fills)[-FILLS_KEPT:] if new_fills else fills,
            new_fills=new_fills,
        )
        self.history.take(view)
        self._totals.cycle(decision, report)
        self._metrics.counts.cycle(view, before, timings_ms)
        if before is not None and self._market is not None:
            self._compare_fills(before.memory, decision, self._market)
        self._name_unreadable(decision)
        self._name_alarms(decision)
        self._name_undeclared(decision)
        self._narrator.cycle(view)

    def _name_alarms(self, decision: Decision) -> None:
        """What the exchange says went wrong there: each once."""
        for text in decision.snapshot.venue.alarms:
            if text not in self._alarms:
                self._alarms.add(text)
                self._log.error("venue.alarm", says=text)

    def _name_undeclared(self, decision: Decision) -> None:
        """What the strategy tells without having declared it: each once."""
        for what in self._metrics.undeclared(decision):
            if what not in self._undeclared and len(self._undeclared) < MOST_NAMES:
                self._undeclared.add(what)
                self._log.warning(
                    "strategy.undeclared", what=what, remedy="declare it where its step lives"
                )

    def _name_unreadable(self, decision: Decision) -> None:
        """Each stranger's order that no number can be read from: counted and named once."""
        venue = decision.snapshot.venue
        parts = (venue.book.value, venue.orders.value)
        found = {order_id for part in parts if part is not None for order_id in part.unreadable}
        for order_id in sorted(found - self._unreadable):
            self._metrics.counts.unreadable()
            self._log.warning("market.unreadable_order", order_id=order_id)
        self._unreadable = found | (
            self._unreadable if len(self._unreadable) < MOST_NAMES else set()
        )

    def _compare_fills(self, before: Memory, decision: Decision, market: Instrument) -> None:
        """The lower steps of the hierarchy beside the fills themselves; diagnostics only."""
        self._metrics.counts.signs(signs(before, decision, market, self._newest_trade))
        trades = decision.snapshot.venue.trades.value or ()
        newest = max((trade.trade_id for trade in trades), default=0)
        self._newest_trade = max(newest, self._newest_trade)
        for text in disagreements(before, decision, market):
            self._log.warning("fills.disagree", what=text)
        for order_id, entry in decision.settlements.items():
            known = before.settlements.get(order_id)
            if entry.reverted != (known.reverted if known else 0):
                self._log.warning(
                    "fills.reverted" if entry.reverted else "fills.settled_after_all",
                    order_id=order_id,
                    out_of_books=str(entry.size(entry.reverted)),
                    filled_by_row=str(entry.size(entry.filled)),
                    filled_on_chain=str(entry.size(entry.settled)),
                    executable_until_ms=entry.expiry_ms,
                )

    def soak(self) -> None:
        """The periodic status line."""
        view = self.view
        if view is None:
            return
        fresh = view.decision.freshness
        self._log.info(
            "soak",
            uptime_s=self._totals.uptime_s(self._clock.monotonic_ms()),
            quoting=bool(view.live) and not view.decision.halts,
            halts=list(view.halt_reasons),
            reference=view.decision.reference.price,
            inventory=view.memory.inventory,
            live_bids=sum(c.side is Side.BUY for c in view.live),
            live_asks=sum(c.side is Side.SELL for c in view.live),
            fills=self._totals.fills,
            cancels=sum(self._totals.cancels.values()),
            market_data_age_s=seconds(fresh.market_data_ms),
            balance_age_s=seconds(fresh.balances_ms),
            anchor_age_s=seconds(fresh.anchor_ms),
        )
