"""Claim 10 a second time: how old what a place was made from is, and how far sources are apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mm_bot.core.decide import Decision
from mm_bot.core.policy import Policy
from mm_bot.core.reference import ReferenceSource
from mm_bot.core.risk import HaltReason
from mm_bot.core.snapshot import Observation, Snapshot


def stale_faults(decision: Decision, seen: Observation, policy: Policy) -> Iterator[str]:
    """Sources that were too old, or too far apart, for the places of this decision."""
    if not decision.plan.places:
        return
    now_ms, risk = decision.now_ms, policy.risk
    limits = {
        "book": (seen.book.as_of_ms, risk.market_data_max_age_ms),
        "trades": (seen.trades.as_of_ms, risk.market_data_max_age_ms),
        "orders": (seen.orders.as_of_ms, risk.market_data_max_age_ms),
        "balances": (seen.balances.as_of_ms, risk.balances_max_age_ms),
    }
    if decision.snapshot.anchor is not None:
        limits["anchor"] = (decision.snapshot.anchor.as_of_ms, risk.anchor_max_age_ms)
    for name, (at_ms, limit_ms) in limits.items():
        if limit_ms is not None and (at_ms is None or now_ms - at_ms > limit_ms):
            yield f"placed on {name} of {at_ms}, now {now_ms}, limit {limit_ms}"
    yield from _reference_faults(decision, decision.snapshot, policy)


def _reference_faults(decision: Decision, snapshot: Snapshot, policy: Policy) -> Iterator[str]:
    now_ms, chosen = decision.now_ms, decision.reference
    if chosen.source in (ReferenceSource.TRADE, ReferenceSource.OWN_TRADE):
        limit_ms = policy.reference.trade_max_age_ms
        shown = snapshot.venue.trades.value or ()
        if not any(t.price == chosen.price and now_ms - t.at_ms <= limit_ms for t in shown):
            yield f"placed around a trade at {chosen.price}; none is younger than {limit_ms} ms"
    external = snapshot.external
    if chosen.source is ReferenceSource.EXTERNAL:
        limit_ms = policy.reference.external_max_age_ms
        if external is None or external.as_of_ms is None or now_ms - external.as_of_ms > limit_ms:
            yield f"placed around the external anchor of {external}, limit {limit_ms} ms"


def unguarded(decision: Decision, policy: Policy) -> Iterator[str]:
    """The local price is too far from the outside one, to either side, and nothing halts."""
    snapshot, local = decision.snapshot, decision.reference.local
    anchor, external = snapshot.anchor, snapshot.external
    outside = anchor.price if anchor is not None else None
    if external is not None and external.as_of_ms is not None:
        old = decision.now_ms - external.as_of_ms > policy.reference.external_max_age_ms
        outside = None if old else external.price
    limit = policy.risk.anchor_deviation_bps
    if limit is None or outside is None or local is None:
        return
    told = any(halt.reason is HaltReason.ANCHOR_DEVIATION for halt in decision.halts)
    if abs(local.value - outside.value) * 10_000 > limit * outside.value and not told:
        yield f"the local price is at {local}, the outside one at {outside}, and nothing halts"


@dataclass(slots=True)
class Ghosts:
    """Own orders that the book shows though the process read that they are dead: a frozen book."""

    _known: set[str] = field(default_factory=set)
    _dead: set[str] = field(default_factory=set)
    _since_ms: dict[str, int] = field(default_factory=dict)

    def started(self) -> None:
        self._known.clear()
        self._dead.clear()
        self._since_ms.clear()

    def stepped(self, step_ms: int) -> None:
        """The clock that the process follows was set: nothing grew older by that."""
        self._since_ms = {each: since + step_ms for each, since in self._since_ms.items()}

    def faults(self, decision: Decision, seen: Observation, policy: Policy) -> Iterator[str]:
        """A place although the book has shown a dead order for longer than the limit."""
        read, book = seen.orders.value, seen.book
        if read is not None and book.value is not None and book.error is None and seen.lock_held:
            self._dead |= {r.order_id for r in read.rows if not r.live} & self._known
            self._known |= {c.order_id for c in decision.tracked.open_orders}
            listed = {o.order_id for o in (*book.value.bids, *book.value.asks) if o.ours}
            now_ms, since_ms = decision.now_ms, self._since_ms
            self._since_ms = {o: since_ms.get(o, now_ms) for o in sorted(listed & self._dead)}
        limit_ms = policy.risk.market_data_max_age_ms
        oldest_ms = min(self._since_ms.values(), default=decision.now_ms)
        stale = limit_ms is not None and decision.now_ms - oldest_ms > limit_ms
        if stale and decision.plan.places:
            yield f"the book has shown {sorted(self._since_ms)} since {oldest_ms}"
