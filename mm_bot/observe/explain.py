"""Why one side is quoted at its prices and sizes, or not: one decision, told step by step. Pure.

Nothing is computed here: the numbers are those the decision was made with. What quoting says comes
from the strategy itself (`Quotes.explanations`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mm_bot.core.decide import Decision
from mm_bot.core.exact import plain
from mm_bot.core.instrument import Side
from mm_bot.observe.health_texts import GUARD_MEANS, HALT_ENDS_WHEN, SOURCE_MEANS, means


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was looked at, what came of it, and the numbers."""

    step: str
    says: str
    numbers: dict[str, str] = field(default_factory=dict)


def explain(decision: Decision, side: Side) -> tuple[Line, ...]:
    """Every step from the operator's wish to the verdict."""
    lines = [*_wishes(decision, side), *_reference(decision), *quoting(decision, side)]
    if decision.holdings is None:
        why = decision.snapshot.venue.balances.error or decision.snapshot.venue.orders.error
        lines.append(Line(step="balances", says=f"not known, so nothing is quoted: {why}"))
    lines += [*_plan(decision, side), *_halts(decision), _verdict(decision, side)]
    return tuple(lines)


def quoting(decision: Decision, side: Side) -> Iterator[Line]:
    """What the strategy says of that side and of both."""
    for said in decision.quotes.explanations:
        if said.side in (None, side):
            yield Line(step=said.step, says=said.sentence, numbers=said.texts)


def name(side: Side) -> str:
    return "bid" if side is Side.BUY else "ask"


def _wishes(decision: Decision, side: Side) -> Iterator[Line]:
    mode = decision.policy.mode
    wants = "quotes" if mode.wants(side) else "does not quote"
    yield Line(step="mode", says=f"{mode.value} {wants} the {name(side)}")


def _reference(decision: Decision) -> Iterator[Line]:
    found = decision.reference
    for candidate in found.candidates:
        what = SOURCE_MEANS[candidate.source]
        if candidate.price is None:
            yield Line(step=f"candidate {candidate.source.value}", says=f"no: {candidate.why_not}")
            continue
        chosen = candidate.source is found.source
        says = f"chosen: {what}" if chosen else "has a price, but an earlier one won"
        numbers = {"price": str(candidate.price)}
        yield Line(step=f"candidate {candidate.source.value}", says=says, numbers=numbers)
    price = "none" if found.price is None else str(found.price)
    yield Line(step="reference", says=f"{price} from {found.source.value}")
    limit = decision.policy.risk.anchor_deviation_bps
    if found.deviation_bps is None:
        yield Line(step="deviation", says="not compared: only one of local price and anchor exists")
        return
    inside = limit is None or found.deviation_bps <= limit
    yield Line(
        step="deviation",
        says=f"local price and anchor are {'close enough' if inside else 'too far apart'}",
        numbers={
            "local": str(found.local),
            "deviation_bps": plain(found.deviation_bps),
            "limit_bps": "off" if limit is None else plain(limit),
        },
    )


def _plan(decision: Decision, side: Side) -> Iterator[Line]:
    """What reconciliation does with what rests."""
    plan, known = decision.plan, {c.order_id: c for c in decision.tracked.open_orders}

    def told(order_id: str) -> str:
        c = known.get(order_id)
        return order_id if c is None else f"{order_id} ({c.size} at {c.price})"

    for (kept_side, index), order_id in plan.kept:
        if kept_side is side:
            yield Line(step=f"order level {index}", says=f"{told(order_id)} fits and is kept")
    for held in plan.held:
        if held.slot[0] is side:
            why = GUARD_MEANS.get(held.guard, held.guard)
            says = f"{told(held.order_id)} does not fit ({held.fault}) but is held: {why}"
            yield Line(step=f"order level {held.slot[1]}", says=says)
    for cancel in plan.cancels:
        c = known.get(cancel.order_id)
        if c is None or c.side is side:
            yield Line(step="cancel", says=f"{told(cancel.order_id)} goes: {cancel.reason}")
    for place in plan.places:
        if place.level.side is side:
            says = f"{place.level.size} at {place.level.price}"
            if place.after:
                says += f", once {', '.join(place.after)} is gone"
            yield Line(step=f"place level {place.level.index}", says=says)


def _halts(decision: Decision) -> Iterator[Line]:
    if not decision.halts:
        yield Line(step="halts", says="none")
    for halt in decision.halts:
        yield Line(
            step="halt",
            says=f"{halt.reason.value}; ends when {HALT_ENDS_WHEN[halt.reason]}",
            numbers=dict(halt.numbers),
        )


def _verdict(decision: Decision, side: Side) -> Line:
    if decision.halts:
        return Line(step="verdict", says=f"no {name(side)}: halted")
    levels = decision.ladder.side(side)
    gaps = [gap for gap in decision.missing if gap.side is side]
    quoted = ", ".join(f"{level.size} at {level.price}" for level in levels)
    why = "; ".join(
        f"{gap.reason.value}, {means(gap.reason)}"
        + (f" ({', '.join(f'{n} {v}' for n, v in gap.numbers)})" if gap.numbers else "")
        for gap in gaps
    )
    if not levels:
        return Line(step="verdict", says=f"no {name(side)}: {why or 'nothing to quote from'}")
    rest = f"; not all of it: {why}" if why else ""
    return Line(step="verdict", says=f"{name(side)} {quoted}{rest}")
