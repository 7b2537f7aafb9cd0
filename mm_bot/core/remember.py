"""What became of a plan (`Report`), and the memory it leaves behind.

Entry point: `remember`. Invariants:
1. Every order that was sent and not definitely refused is an order afterwards.
2. Nothing of an earlier memory is lost but what evidence closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mm_bot.core.budget import last_minute
from mm_bot.core.changed import changed
from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Verdict
from mm_bot.core.decide import Decision
from mm_bot.core.exact import NO_SIZE
from mm_bot.core.instrument import Level, Side
from mm_bot.core.ledger import OpenOrder, Stage, stuck
from mm_bot.core.liability import Signature, Signatures, Signed
from mm_bot.core.memory import Accepted, Memory
from mm_bot.core.plan import CANCEL_RETRY_MAX_MS, CANCEL_RETRY_MS, Cancel, Slot
from mm_bot.core.situation import fills_since_ms
from mm_bot.core.snapshot import Snapshot

REFUSED_RETRY_MS = 1_000
"""A refused order is tried again, newly signed, within two seconds: after one."""
RESEND_MS = 50
RESEND_MAX_MS = 1_000
"""The first and the longest pause before the bytes of an order of unknown outcome go out again."""
STUCK_RETRY_MAX_MS = 10_000
"""The longest pause between two cancels of an order that the matcher does not give back."""
HOUR_MS = 3_600_000
RETIRED_KEPT_MS = 600_000
RETIRED_KEPT = 500
ACCEPTED_EVERY_MS = 60_000
"""How often an accepted price is noted anew; each note is a write of the state file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelResult:
    cancel: Cancel
    outcome: Outcome
    sent_ms: int
    done_ms: int

    @property
    def as_decided(self) -> bool:
        """Whether the order is gone with nothing more filled of it than was known when the cancel
        was decided: only then does what was decided to follow it still hold."""
        if self.outcome.verdict is not Verdict.ACCEPTED:
            return False
        known, left = self.cancel.left, self.outcome.left
        return known is None or left is None or left >= known


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceResult:
    """`level` is None where old bytes were sent again."""

    signed: PreparedOrder
    level: Level | None
    replaces: str | None
    outcome: Outcome
    sent_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `act` did. In a dry run both are empty, whatever the plan."""

    cancels: tuple[CancelResult, ...] = ()
    places: tuple[PlaceResult, ...] = ()


def remember(memory: Memory, decision: Decision, report: Report, *, dry_run: bool) -> Memory:
    """The memory of the next cycle."""
    snapshot = decision.snapshot
    open_orders = {c.order_id: c for c in decision.tracked.open_orders}
    for place in report.places:
        _placed(open_orders, place)
    signed = [place.signed.order for place in report.places]
    for cancel in report.cancels:
        known = open_orders.get(cancel.cancel.order_id)
        if known is not None:
            open_orders[known.order_id] = _cancelled(known, cancel)
    read_ms = snapshot.venue.orders.as_of_ms if snapshot.venue.orders.value else None
    balances = snapshot.venue.balances.value
    inventory = balances.base if balances else memory.inventory
    moved = inventory != memory.inventory
    return changed(
        memory,
        startup=memory.startup and not _startup_done(snapshot, decision, report, dry_run),
        open_orders=tuple(open_orders.values()),
        signatures=_signed(decision.signatures, signed),
        signed_elsewhere=decision.signed_elsewhere,
        signatures_known=memory.signatures_known or read_ms is not None,
        last_replace_ms=_replaces(memory, report),
        refused_until_ms=_refusals(memory, report, decision.now_ms),
        replace_cancels_ms=_budget(memory, report, decision.now_ms),
        reductions_ms=_reductions(memory, report, decision.now_ms),
        fill_totals=decision.fill_totals,
        strategy=decision.quotes.kept,
        settlements=decision.settlements,
        fills_since_ms=fills_since_ms(snapshot, memory),
        last_fill_seen_ms=decision.now_ms if decision.new_fills else memory.last_fill_seen_ms,
        last_fill_made_ms=max(
            (fill.at_ms for fill in decision.new_fills), default=memory.last_fill_made_ms
        ),
        halts=decision.halts,
        last_halt_reason=decision.halts[0].reason if decision.halts else memory.last_halt_reason,
        last_reference=memory.last_reference
        if decision.reference.price is None
        else Accepted(price=decision.reference.price, at_ms=decision.now_ms),
        degraded=decision.degraded,
        last_submitted=_submitted(memory, report),
        last_adopted=_adopted(memory, decision),
        last_quote_update_ms=_last_update(memory, decision, report),
        orders_read_ms=read_ms or memory.orders_read_ms,
        contradictions=decision.contradictions,
        retired=_retired(memory, decision),
        inventory=inventory,
        inventory_at_ms=decision.now_ms if moved else memory.inventory_at_ms,
        accepted=_accepted(memory, snapshot),
    )


def _accepted(memory: Memory, snapshot: Snapshot) -> Mapping[str, Accepted]:
    """Of each source the last accepted price, not noted more often than it is worth a write."""
    known = dict(memory.accepted)
    now_ms = snapshot.now_ms
    for quote in (snapshot.anchor, snapshot.external):
        if quote is None or quote.price is None or quote.error is not None:
            continue
        last = known.get(quote.source)
        if last is None or not 0 <= now_ms - last.at_ms < ACCEPTED_EVERY_MS:
            known[quote.source] = Accepted(price=quote.price, at_ms=now_ms)
    return known


def with_signed(memory: Memory, orders: Iterable[NewOrder]) -> Memory:
    """The memory with orders noted that were signed in a cycle which nobody remembered."""
    found = tuple(orders)
    return changed(memory, signatures=_signed(memory.signatures, found)) if found else memory


def _signed(signatures: Signatures, orders: Iterable[NewOrder]) -> Signatures:
    """A refused order is signed all the same; so is one that never left us."""
    made = {
        order.order_id: Signature(
            side=order.side,
            left=order.size,
            notional=order.notional,
            expiry_ms=order.expiry_s * 1000,
        )
        for order in orders
    }
    return Signed.of(signatures).changed(made) if made else signatures


def with_cancels(memory: Memory, cancels: Iterable[CancelResult]) -> Memory:
    """The memory with cancels noted that were sent outside of a cycle, so that the next read of
    their rows is known to show our own doing."""
    results = {result.cancel.order_id: result for result in cancels}
    if not results:
        return memory
    noted = tuple(
        _cancelled(c, results[c.order_id]) if c.order_id in results else c
        for c in memory.open_orders
    )
    return changed(memory, open_orders=noted)


def _cancelled(known: OpenOrder, result: CancelResult) -> OpenOrder:
    tries = known.cancels + 1
    known = changed(known, cancel_category=result.cancel.category.value)
    if result.outcome.verdict is Verdict.ACCEPTED:
        return changed(known, cancels=tries, cancel_acked_ms=result.done_ms)
    longest_ms = RESEND_MAX_MS if known.stage is Stage.UNKNOWN else CANCEL_RETRY_MAX_MS
    if stuck(known, result.done_ms):
        longest_ms = STUCK_RETRY_MAX_MS
    pause_ms = _pause_ms(CANCEL_RETRY_MS, tries, longest_ms)
    return changed(known, cancels=tries, next_cancel_ms=result.done_ms + pause_ms)


def _pause_ms(first_ms: int, tries: int, longest_ms: int) -> int:
    """After so many tries: each pause is twice the one before, up to the longest."""
    return min(first_ms << min(tries - 1, 16), longest_ms)


def _placed(open_orders: dict[str, OpenOrder], result: PlaceResult) -> None:
    order, verdict = result.signed.order, result.outcome.verdict
    known = open_orders.get(order.order_id)
    if verdict is Verdict.REFUSED:
        if known is not None and result.outcome.unjudged:
            open_orders[order.order_id] = changed(
                known, next_send_ms=result.sent_ms + RESEND_MAX_MS
            )
        elif known is not None:
            open_orders[order.order_id] = changed(known, resend_refused=True, signed=None)
        return
    stage = Stage.ACCEPTED if verdict is Verdict.ACCEPTED else Stage.UNKNOWN
    sends = known.sends + 1 if known else 1
    pause_ms = _pause_ms(RESEND_MS, sends, RESEND_MAX_MS)
    open_orders[order.order_id] = OpenOrder(
        order_id=order.order_id,
        nonce=order.nonce,
        side=order.side,
        price=order.price,
        size=order.size,
        notional=order.notional,
        lot=NO_SIZE,
        created_ms=known.created_ms if known else result.sent_ms,
        expiry_ms=order.expiry_s * 1000,
        stage=stage,
        signed=result.signed if stage is Stage.UNKNOWN else None,
        conflict=result.outcome.conflict,
        sends=sends,
        next_send_ms=result.sent_ms + pause_ms,
        replaces=result.replaces if known is None else known.replaces,
        reduces=order.may_take,
    )


def _startup_done(snapshot: Snapshot, decision: Decision, report: Report, dry_run: bool) -> bool:
    if snapshot.venue.orders.value is None:
        return False
    if snapshot.venue.balances.value is None and not decision.halted:
        return False  # nothing was compared yet, so nothing was cancelled either
    if dry_run:
        return True
    acked = {r.cancel.order_id for r in report.cancels if r.outcome.verdict is Verdict.ACCEPTED}
    return all(cancel.order_id in acked for cancel in decision.plan.cancels)


def _replaces(memory: Memory, report: Report) -> Mapping[Slot, int]:
    times = dict(memory.last_replace_ms)
    for place in report.places:
        if place.level is not None and place.replaces is not None:
            times[(place.level.side, place.level.index)] = place.sent_ms
    return times


def _refusals(memory: Memory, report: Report, now_ms: int) -> Mapping[Slot, int]:
    times = {slot: at for slot, at in memory.refused_until_ms.items() if at > now_ms}
    for place in report.places:
        if place.level is not None and place.outcome.verdict is Verdict.REFUSED:
            times[(place.level.side, place.level.index)] = place.sent_ms + REFUSED_RETRY_MS
    return times


def _budget(memory: Memory, report: Report, now_ms: int) -> tuple[int, ...]:
    counted = [r.sent_ms for r in report.cancels if r.cancel.counted]
    recent = last_minute(memory, now_ms)
    return tuple(sorted((*recent, *counted))) if counted else recent


def _reductions(memory: Memory, report: Report, now_ms: int) -> tuple[int, ...]:
    recent = [at for at in memory.reductions_ms if now_ms - at < HOUR_MS]
    sent = [p.sent_ms for p in report.places if p.signed.order.may_take and p.level is not None]
    return (*recent, *sent)


def _submitted(memory: Memory, report: Report) -> Mapping[Side, str]:
    last = dict(memory.last_submitted)
    for place in report.places:
        last[place.signed.order.side] = place.signed.order.order_id
    return last


def _adopted(memory: Memory, decision: Decision) -> Mapping[Side, str]:
    """The best adopted order a side; only start-up adopts."""
    if not decision.startup:
        return memory.last_adopted
    adopted = dict(memory.last_adopted)
    for (side, index), order_id in decision.plan.kept:
        if index == 0:
            adopted[side] = order_id
    return adopted


def _last_update(memory: Memory, decision: Decision, report: Report) -> int | None:
    if any(place.outcome.verdict is not Verdict.REFUSED for place in report.places):
        return decision.now_ms
    if decision.startup and decision.plan.kept:
        return decision.now_ms
    return memory.last_quote_update_ms


def _retired(memory: Memory, decision: Decision) -> Mapping[str, int]:
    """The oldest stand first: what is to go is met before what stays, which is not looked at."""
    now_ms, ended = decision.now_ms, decision.tracked.ended
    oldest_ms = next(iter(memory.retired.values()), now_ms)
    if not ended and now_ms - oldest_ms < RETIRED_KEPT_MS:
        return memory.retired
    new = {each.order.order_id: now_ms for each in ended[-RETIRED_KEPT:]}
    kept = dict(memory.retired)
    for order_id in new:
        kept.pop(order_id, None)
    for order_id, at in memory.retired.items():
        if now_ms - at < RETIRED_KEPT_MS and len(kept) + len(new) <= RETIRED_KEPT:
            break
        kept.pop(order_id, None)
    return kept | new
