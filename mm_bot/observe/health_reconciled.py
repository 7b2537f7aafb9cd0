"""What `/status` says of the last cycle that did something: `reconciliation`. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from mm_bot.core.commands import Verdict
from mm_bot.core.instrument import Level
from mm_bot.core.plan import Slot
from mm_bot.core.remember import Report
from mm_bot.observe.health_texts import GUARD_MEANS
from mm_bot.observe.view import Reconciled


def reconciliation(last: Reconciled | None, now_ms: int) -> dict[str, object] | None:
    """The last cycle that did something: what was cancelled, placed, kept and held, and why."""
    if last is None:
        return None
    decision, report = last.decision, last.report
    sent = {result.cancel.order_id: result for result in report.cancels}
    cancels = {cancel.order_id: cancel for cancel in decision.plan.cancels}
    cancels |= {order_id: result.cancel for order_id, result in sent.items()}
    return {
        "age_ms": max(0, now_ms - decision.now_ms),
        "startup": decision.startup,
        "dry_run": decision.policy.dry_run,
        "cancels": [
            {
                "order_id": order_id,
                "reason": cancel.reason,
                "category": cancel.category.value,
                "outcome": sent[order_id].outcome.verdict.value if order_id in sent else "not sent",
                "detail": sent[order_id].outcome.detail if order_id in sent else "",
            }
            for order_id, cancel in sorted(cancels.items())
        ],
        "places": _places(last),
        "kept": [_slot(slot, order_id) for slot, order_id in decision.plan.kept],
        "held": [
            {
                **_slot(held.slot, held.order_id),
                "guard": held.guard,
                "fault": held.fault,
                "means": GUARD_MEANS.get(held.guard, ""),
            }
            for held in decision.plan.held
        ],
    }


def placed_in(report: Report) -> Iterable[tuple[Slot, str, Verdict]]:
    """The slot, the id and the fate of each order that was sent."""
    for result in report.places:
        if result.level is not None:
            slot = (result.level.side, result.level.index)
            yield slot, result.signed.order.order_id, result.outcome.verdict


def _places(last: Reconciled) -> list[dict[str, object]]:
    """Sent ones with their outcome; in a dry run, and where a cancel was in the way, the plan's."""
    sent: list[dict[str, object]] = [
        {
            "order_id": result.signed.order.order_id,
            "side": result.signed.order.side.value,
            "level": None if result.level is None else result.level.index,
            "price": str(result.signed.order.price),
            "size": str(result.signed.order.size),
            "replaces": result.replaces,
            "outcome": result.outcome.verdict.value,
            "detail": result.outcome.detail,
        }
        for result in last.report.places
    ]
    done = {slot for slot, _, _ in placed_in(last.report)}
    unsent = [
        {
            **level_of(place.level),
            "order_id": None,
            "replaces": place.replaces,
            "outcome": "not sent",
            "detail": "dry run" if last.decision.policy.dry_run else "something was in the way",
        }
        for place in last.decision.plan.places
        if (place.level.side, place.level.index) not in done
    ]
    return [*sent, *unsent]


def level_of(level: Level) -> dict[str, object]:
    """A wanted level."""
    return {
        "side": level.side.value,
        "level": level.index,
        "price": str(level.price),
        "size": str(level.size),
        "notional_cngn": str(level.notional),
    }


def _slot(slot: Slot, order_id: str) -> dict[str, object]:
    side, index = slot
    return {"order_id": order_id, "side": side.value, "level": index}
