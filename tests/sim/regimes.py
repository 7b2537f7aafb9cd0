"""Positions and orders of the features a second time: forced reduction, hanging orders, and sides
that go before anything halts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mm_bot.core.commands import NewOrder
from mm_bot.core.decide import Decision
from mm_bot.core.degrade import BASE_LOW, QUOTE_LOW
from mm_bot.core.exact import Price
from mm_bot.core.instrument import Side
from mm_bot.core.plan import Place
from mm_bot.core.risk import HaltReason

WRITTEN_MS = 3_000
"""Longer than a disk that does not refuse takes to write what a cycle hands over."""


def quoted(decision: Decision) -> tuple[Place, ...]:
    """The places that are quotes."""
    return tuple(place for place in decision.plan.places if place.reduce_ms is None)


@dataclass(slots=True)
class Reducing:
    """Forced reductions: one at a time, alone, within its price and its budget. How far they lead
    is held against the model's truth, in `limits.py`."""

    options: Mapping[str, str]
    tick: Price
    ids: set[str] = field(default_factory=set)
    """Every one that was posted."""
    _since: set[str] = field(default_factory=set)
    """Those that the state file may know."""
    _crashes: int = 0

    def started(self, *, lost: bool) -> None:
        if lost:
            self._since.clear()
        self._crashes += 1

    def posted(self, order: NewOrder) -> None:
        if order.may_take:
            self.ids.add(order.order_id)
            self._since.add(order.order_id)

    def faults(self, decision: Decision) -> Iterator[str]:
        sent = [place for place in decision.plan.places if place.reduce_ms is not None]
        budget = int(self.options.get("MM_REDUCE_MAX_PER_HOUR", "0"))
        # a crash may forget the one of its last cycle
        if len(self._since) > budget + self._crashes:
            yield f"{len(self._since)} reductions, {budget} allowed"
        if not sent:
            return
        if "MM_FORCED_REDUCTION" not in self.options:
            yield "a reduction that nobody asked for"
        live = [c.order_id for c in decision.tracked.open_orders if not c.cancel_acked]
        if live or len(sent) > 1:
            yield f"{len(sent)} reductions beside {live}"
        reference = decision.reference.price
        level = sent[0].level
        if reference is None:
            yield "a reduction without a reference"
            return
        worst = reference.value * (10_000 + 50 * level.side.sign) / 10_000
        if (level.price.value - worst) * level.side.sign > self.tick.value:
            yield f"a reduction at {level.price}, the reference {reference}"


@dataclass(slots=True)
class Hangs:
    """Hanging orders: none holds a slot, none is kept beyond its distance and age, and the next
    process goes on with those that its state file has."""

    options: Mapping[str, str]
    _since_ms: dict[str, int] = field(default_factory=dict)
    _named_ms: dict[str, int] = field(default_factory=dict)
    """Since when each of the last cycle hung by its own id."""
    _on_disk: set[str] = field(default_factory=set)
    """Those of them that the state file has by now."""
    _inherited: set[str] = field(default_factory=set)

    def started(self, saved: Mapping[str, object], *, lost: bool) -> None:
        self._since_ms.clear()
        flags = saved.get("hanging")
        self._inherited = set(flags) if isinstance(flags, dict) else set()
        self._inherited |= set() if lost else self._on_disk
        self._named_ms.clear()
        self._on_disk.clear()

    def stepped(self, step_ms: int) -> None:
        """The clock was set."""
        for times in (self._since_ms, self._named_ms):
            for order_id in times:
                times[order_id] += step_ms

    def faults(self, decision: Decision) -> Iterator[str]:
        hanging, reference = decision.quotes.hanging, decision.reference.price
        if "MM_HANGING_ORDERS" not in self.options or reference is None:
            return
        if decision.holdings is None:
            return
        orders = {c.order_id: c for c in decision.tracked.open_orders if not c.cancel_acked}
        every = hanging.stay | hanging.over
        for order_id in sorted(self._inherited & set(orders) - every):
            yield f"{order_id} hung before the restart and hangs no more"
        self._inherited.clear()
        plan, levels = decision.plan, self._levels(decision)
        slots = {order_id for (_, i), order_id in plan.kept if i < levels}
        slots |= {held.order_id for held in plan.held if held.slot[1] < levels}
        for order_id in sorted(every & slots):
            yield f"{order_id} hangs and holds a slot"
        most_bps = int(self.options["MM_HANGING_CANCEL_BPS"])
        oldest_ms = int(self.options["MM_HANGING_MAX_AGE_SECONDS"]) * 1000
        self._since_ms = {
            order_id: self._since_ms.get(
                order_id, self._since_ms.get(orders[order_id].replaces or "", decision.now_ms)
            )
            for order_id in every & set(orders)
        }
        now_ms, named_ms = decision.now_ms, self._named_ms
        self._named_ms = {each: named_ms.get(each, now_ms) for each in hanging.stay & set(orders)}
        known = self._named_ms.items()
        self._on_disk = {each for each, at_ms in known if now_ms - at_ms > WRITTEN_MS}
        for order_id in sorted(hanging.stay & set(orders)):
            price = orders[order_id].price.value
            if abs(price - reference.value) * 10_000 > most_bps * reference.value:
                yield f"{order_id} hangs at {price}, the reference {reference}"
            if decision.now_ms - self._since_ms[order_id] > oldest_ms:
                yield f"{order_id} hangs since {self._since_ms[order_id]}"

    def _levels(self, decision: Decision) -> int:
        return decision.policy.quote.levels


@dataclass(slots=True)
class Degrading:
    """A side that cannot be right any more is not quoted, the other one may be, and where neither
    can everything halts."""

    def faults(self, decision: Decision) -> Iterator[str]:
        risk, held = decision.policy.risk, decision.holdings
        if not risk.degrade or held is None:
            return
        low = {
            Side.SELL: risk.min_base is not None and held.base_available < risk.min_base,
            Side.BUY: risk.min_quote is not None and held.quote_available < risk.min_quote,
        }
        halts = {halt.reason for halt in decision.halts}
        needed, both = {HaltReason.MIN_BASE, HaltReason.MIN_QUOTE}, {BASE_LOW, QUOTE_LOW}
        if all(low.values()) and not needed <= halts:
            yield "both balances are below their least, and they do not halt"
        elif halts & needed and not both <= set(decision.degraded):
            yield "one balance halts, though the side that it serves alone could go"
        growing = Side.BUY if held.base_total.value >= 0 else Side.SELL
        for place in quoted(decision):
            side = place.level.side
            if low[side]:
                yield f"{side.value} placed, which spends a balance below its least"
            if side is growing:
                yield from self._old(decision)

    def _old(self, decision: Decision) -> Iterator[str]:
        """Why the side that adds to the inventory may not be placed on."""
        risk, snapshot = decision.policy.risk, decision.snapshot
        ages = {"balances": (snapshot.venue.balances.as_of_ms, risk.balances_max_age_ms)}
        if snapshot.anchor is not None:
            ages["anchor"] = (snapshot.anchor.as_of_ms, risk.anchor_max_age_ms)
        for name, (at_ms, limit_ms) in ages.items():
            if at_ms is not None and limit_ms is not None:
                age_ms = decision.now_ms - at_ms
                if 2 * age_ms > limit_ms:
                    yield f"the growing side placed on {name} {age_ms} ms old, limit {limit_ms}"
