"""Whole decisions on a small spot world, and what became of them."""

from __future__ import annotations

from dataclasses import replace

from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Verdict
from mm_bot.core.decide import Decision, decide
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderId
from mm_bot.core.policy import Policy
from mm_bot.core.remember import PlaceResult, Report, remember
from mm_bot.core.snapshot import Snapshot
from mm_bot.strategies import founding
from tests.core.builders import NOW_MS, POLICY, SPOT, row, snapshot

BID, ASK = row(Side.BUY, "1596", nonce=1), row(Side.SELL, "1604", nonce=2)
EMPTY = Memory(started_ms=NOW_MS)
ACCEPTED = Outcome(verdict=Verdict.ACCEPTED)
REFUSED = Outcome(verdict=Verdict.REFUSED)
UNKNOWN = Outcome(verdict=Verdict.UNKNOWN)


def decided(
    seen: Snapshot | None = None, memory: Memory = EMPTY, policy: Policy = POLICY
) -> Decision:
    """What is decided, by default on a healthy world with nothing resting."""
    return decide(seen or snapshot(), memory, policy, SPOT, founding(policy))


def unread(seen: Snapshot) -> Snapshot:
    """The same with the order table down."""
    part = replace(seen.venue.orders, value=None, as_of_ms=None, error="down")
    return replace(seen, venue=replace(seen.venue, orders=part))


def sent(decision: Decision, outcome: Outcome, sent_ms: int = NOW_MS) -> Report:
    """Every place of the plan sent and answered alike."""
    results = []
    for i, place in enumerate(decision.plan.places):
        level = place.level
        order = NewOrder(
            order_id=str(OrderId(SPOT.symbol, level.side, 100 + i)),
            side=level.side,
            price=level.price,
            size=level.size,
            notional=level.notional,
            nonce=100 + i,
            expiry_s=NOW_MS // 1000 + 300,
        )
        results.append(
            PlaceResult(
                signed=PreparedOrder(order=order, body=b""),
                level=level,
                replaces=place.replaces,
                outcome=outcome,
                sent_ms=sent_ms,
            )
        )
    return Report(places=tuple(results))


def after(decision: Decision, report: Report, memory: Memory = EMPTY) -> Memory:
    """The memory of the next cycle."""
    return remember(memory, decision, report, dry_run=False)
