"""The whole life of one order, told from a journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mm_bot.core.orders import RestingOrder
from mm_bot.core.remember import CancelResult, PlaceResult
from mm_bot.core.snapshot import Fill
from mm_bot.journal.reader import Cycle


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to an order; `at_ms` is unix milliseconds."""

    at_ms: int
    what: str
    says: str


def life(order_id: str, cycles: Iterable[Cycle]) -> Iterator[Event]:
    """Every event of that order, in the order in which the bot learned of them."""
    row: RestingOrder | None = None
    fills: set[int] = set()
    known = False
    for cycle in cycles:
        read = cycle.snapshot.venue.orders.value
        rows = read.rows if read is not None else ()
        for fill in read.fills if read is not None else ():
            if fill.order_id == order_id and fill.trade_id not in fills:
                fills.add(fill.trade_id)
                yield _filled(fill, cycle)
        for seen in rows:
            if seen.order_id == order_id and seen != row:
                row = seen
                yield _row(seen, cycle)
        held = any(order.order_id == order_id for order in cycle.memory.open_orders)
        if known and not held:
            yield Event(at_ms=cycle.at_ms, what="ended", says="no longer among what may be live")
        known = held
        for place in cycle.report.places:
            if place.signed.order.order_id == order_id:
                yield _placed(place)
        for cancel in cycle.report.cancels:
            if cancel.cancel.order_id == order_id:
                yield _cancelled(cancel)


def _placed(place: PlaceResult) -> Event:
    order, outcome = place.signed.order, place.outcome
    what = "resent" if place.level is None else "placed"
    says = f"{order.side.value} {order.size} at {order.price}"
    if place.level is not None:
        says += f", level {place.level.index}"
    if place.replaces is not None:
        says += f", in place of {place.replaces}"
    says += f": {outcome.verdict.value}" + (f" ({outcome.detail})" if outcome.detail else "")
    return Event(at_ms=place.sent_ms, what=what, says=says)


def _cancelled(result: CancelResult) -> Event:
    cancel, outcome = result.cancel, result.outcome
    detail = f" ({outcome.detail})" if outcome.detail else ""
    took_ms = result.done_ms - result.sent_ms
    says = f"{cancel.reason}: {outcome.verdict.value}{detail}, answered after {took_ms} ms"
    return Event(at_ms=result.sent_ms, what="cancel", says=says)


def _filled(fill: Fill, cycle: Cycle) -> Event:
    role = "maker" if fill.is_maker else "taker"
    seen_ms = cycle.at_ms - fill.at_ms
    says = f"{fill.size} at {fill.price} as {role}, trade {fill.trade_id}, seen {seen_ms} ms later"
    return Event(at_ms=fill.at_ms, what="filled", says=says)


def _row(row: RestingOrder, cycle: Cycle) -> Event:
    reason = f" ({row.cancel_reason})" if row.cancel_reason else ""
    says = f"{row.status.value}{reason}, {row.size} of {row.original_size} left at {row.price}"
    return Event(at_ms=cycle.at_ms, what="row", says=says)
