"""The parts of `/status`, each from the last view. Exact numbers are text; ages are milliseconds.

What is quoted is told three times, from different sides: `wanted` (each level and the order that
holds it), `live` (each order that rests), `missing` (each gap and the number that bound it).
"""

from __future__ import annotations

from collections.abc import Iterable

from mm_bot.core.commands import Verdict
from mm_bot.core.decide import Decision
from mm_bot.core.exact import plain
from mm_bot.core.freshness import own_limit
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import OpenOrder
from mm_bot.core.plan import Slot
from mm_bot.core.quoting import Missing
from mm_bot.core.risk import Halt
from mm_bot.core.snapshot import Part, T
from mm_bot.core.stopped import Stopped, stopped
from mm_bot.observe.explain import quoting
from mm_bot.observe.health_reconciled import level_of, placed_in
from mm_bot.observe.health_texts import HALT_ENDS_WHEN, SOURCE_MEANS, means
from mm_bot.observe.view import NotedFill, View, shown


def halt(found: Halt) -> dict[str, object]:
    return {
        "reason": found.reason.value,
        **dict(found.numbers),
        "numbers": _pairs(found.numbers),
        "ends_when": HALT_ENDS_WHEN[found.reason],
    }


def evidence_of(seen: Stopped) -> dict[str, object]:
    """What says that nothing of ours is live, or what may be."""
    return {
        "may_be_live": list(seen.may_be_live),
        "rows_seen": seen.rows_seen,
        "unread": seen.unread,
        "block": seen.block_number,
        "executable_until_ms": seen.executable_until_ms,
    }


def halted(view: View) -> dict[str, object] | None:
    """While a halt holds: whether its cancels are proven, with the evidence; None without one."""
    if not view.decision.halts or view.decision.policy.dry_run:
        return None
    seen = stopped(view.decision, view.memory)
    return {"proven_empty": seen.proven, **evidence_of(seen)}


def signed(view: View) -> dict[str, object]:
    """What the signatures behind `signed_liability` are worth, and until when they can execute."""
    until_ms = view.executable_until_ms
    limit = view.decision.policy.risk.max_signed_liability
    return {
        "quote": {side.value: str(each) for side, each in view.liability_worth.items()},
        "elsewhere_quote": {s.value: str(each) for s, each in view.liability_elsewhere.items()},
        "limit_quote": None if limit is None else str(limit),
        "signatures": len(view.memory.signatures),
        "executable_until_ms": until_ms,
        "executable_for_ms": None if until_ms is None else max(0, until_ms - view.at_ms),
    }


def reference(view: View) -> dict[str, object]:
    found = view.decision.reference
    return {
        "price": shown(found.price),
        "source": found.source.value,
        "means": SOURCE_MEANS[found.source],
        "local": shown(found.local),
        "deviation_bps": None if found.deviation_bps is None else plain(found.deviation_bps),
        "candidates": [
            {
                "source": c.source.value,
                "price": shown(c.price),
                "why_not": c.why_not or ("" if c.source is found.source else "an earlier one won"),
                "chosen": c.source is found.source,
            }
            for c in found.candidates
        ],
    }


def wanted(view: View) -> list[dict[str, object]]:
    """Each wanted level with the order that holds it, best first a side."""
    decision = view.decision
    holders = _holders(view)
    gaps = {(gap.side, gap.index): gap for gap in decision.missing}
    found = []
    for level in (*decision.ladder.bids, *decision.ladder.asks):
        slot = (level.side, level.index)
        order_id, state = holders.get(slot, (None, ""))
        if order_id is None:
            gap = gaps.get(slot) or gaps.get((level.side, None))
            state = gap.reason.value if gap else state or "not placed"
        found.append({**level_of(level), "order_id": order_id, "state": state})
    return found


def why(view: View) -> dict[str, object]:
    """What the strategy says of each side, in the order in which it came to it."""
    return {
        side.value: [
            {"step": line.step, "says": line.says, "numbers": line.numbers}
            for line in quoting(view.decision, side)
        ]
        for side in Side
    }


def clocks(view: View) -> list[dict[str, object]]:
    return [
        {"clock": clock.name, "ahead_ms": clock.ahead_ms, "off": clock.off}
        for clock in view.decision.snapshot.venue.clocks
    ]


def missing(gap: Missing) -> dict[str, object]:
    return {
        "side": gap.side.value,
        "level": gap.index,
        "reason": gap.reason.value,
        **dict(gap.numbers),
        "numbers": _pairs(gap.numbers),
        "means": means(gap.reason),
    }


def order(c: OpenOrder, decision: Decision) -> dict[str, object]:
    now_ms = decision.now_ms
    return {
        "order_id": c.order_id,
        "side": c.side.value,
        "price": str(c.price),
        "size": str(c.size),
        "stage": c.stage.value,
        "hangs": c.order_id in decision.quotes.hanging.stay,
        "reduces": c.reduces,
        "age_ms": max(0, now_ms - c.created_ms),
        "expires_in_ms": c.expiry_ms - now_ms,
        "sends": c.sends,
    }


def balances(view: View) -> dict[str, object] | None:
    money = view.decision.holdings
    if money is None:
        return None
    return {
        "base": {
            "total": str(money.base_total),
            "reserved": str(money.base_reserved),
            "available": str(money.base_unreserved),
            "for_replacements": str(money.base_available),
        },
        "quote": {
            "total": str(money.quote_total),
            "reserved": str(money.quote_reserved),
            "available": str(money.quote_unreserved),
            "for_replacements": str(money.quote_available),
        },
    }


def sources(view: View) -> dict[str, object]:
    fresh, snapshot = view.decision.freshness, view.decision.snapshot
    venue, risk = snapshot.venue, own_limit(view.decision.policy.risk, snapshot.anchor)

    def source(age_ms: int | None, part: Part[T], limit_ms: int | None) -> dict[str, object]:
        return {"age_ms": age_ms, "limit_ms": limit_ms, "error": part.error}

    data_ms = risk.market_data_max_age_ms
    block = venue.balances.value.block_number if venue.balances.value else None
    found: dict[str, object] = {
        "book": source(fresh.book_ms, venue.book, data_ms),
        "trades": source(fresh.trades_ms, venue.trades, data_ms),
        "orders": source(fresh.orders_ms, venue.orders, data_ms),
        "balances": {
            **source(fresh.balances_ms, venue.balances, risk.balances_max_age_ms),
            "block": block,
        },
    }
    external_ms = view.decision.policy.reference.external_max_age_ms
    for name, quote, age_ms, limit_ms in (
        ("anchor", snapshot.anchor, fresh.anchor_ms, risk.anchor_max_age_ms),
        ("external", snapshot.external, fresh.external_ms, external_ms),
    ):
        if quote is not None:
            found[name] = {
                "source": quote.source,
                "price": shown(quote.price),
                "age_ms": age_ms,
                "limit_ms": limit_ms,
                "error": quote.error,
                "used": list(quote.used or (quote.source,)),
                "refused": list(quote.refused),
                "widening_bps": str(quote.widening_bps),
            }
    return found


def bounds(view: View) -> list[dict[str, object]]:
    """What limits each side's sum at its start; `per` is what one unit of size takes."""
    sides = view.decision.ladder.bounds or {}
    return [
        {
            "side": side.value,
            "reason": bound.reason.value,
            "left": plain(bound.left),
            "per": plain(bound.per),
            "times_price": bound.priced,
        }
        for side in Side
        for bound in sides.get(side, ())
    ]


def fills(noted: Iterable[NotedFill], now_ms: int) -> list[dict[str, object]]:
    """Newest first."""
    return [
        {
            "trade_id": each.fill.trade_id,
            "order_id": each.fill.order_id,
            "side": each.fill.side.value,
            "price": str(each.fill.price),
            "size": str(each.fill.size),
            "notional_cngn": str(each.fill.notional),
            "age_ms": max(0, now_ms - each.fill.at_ms),
            "maker": each.fill.is_maker,
            "partial": not each.fill.completes_order,
            "captured_bps": None if each.captured_bps is None else plain(each.captured_bps),
        }
        for each in reversed(list(noted))
    ]


def _holders(view: View) -> dict[Slot, tuple[str | None, str]]:
    """Slot to the order in it and how it came there."""
    plan = view.decision.plan
    found: dict[Slot, tuple[str | None, str]] = {
        slot: (order_id, "resting") for slot, order_id in plan.kept
    }
    found |= {h.slot: (h.order_id, f"held by {h.guard}, {h.fault}") for h in plan.held}
    for place in plan.places:
        state = "would be placed" if view.decision.policy.dry_run else "not sent"
        found[(place.level.side, place.level.index)] = (None, state)
    for slot, order_id, verdict in placed_in(view.report):
        known = order_id if verdict is not Verdict.REFUSED else None
        found[slot] = (known, f"placed, {verdict.value}")
    return found


def _pairs(numbers: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{name} {value}" for name, value in numbers)
