"""What a cycle knows before anything is wanted: what is seen, held against memory. Pure.

Entry point: `situation`. Here it is settled which of it counts: orders only under the one-writer
lock, rows only while they can still fill, fills once, balances with what they are known to lack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mm_bot.core import degrade, freshness, ledger, liability, reference
from mm_bot.core.balances import Holdings, holdings
from mm_bot.core.changed import changed, made_directly
from mm_bot.core.fills import FillTotals, count, reverted
from mm_bot.core.freshness import Freshness
from mm_bot.core.instrument import Instrument
from mm_bot.core.ledger import Tracked
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderStatus
from mm_bot.core.policy import Policy
from mm_bot.core.reference import Reference
from mm_bot.core.settlement import (
    Past,
    Settlement,
    Settlements,
    pending,
    settle,
    told_beside,
    unasked,
    unsettled,
)
from mm_bot.core.snapshot import Fill, OwnOrders, Part, Snapshot
from mm_bot.core.touch import Touch, touch

BLOCK_LAG_MS = 10_000
"""A fill's row may be this much younger than the block that settled it."""


@made_directly
@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All of it, each worked out once."""

    snapshot: Snapshot
    """Without the order table where that does not count, and without dead rows."""
    memory: Memory
    policy: Policy
    market: Instrument
    tracked: Tracked
    fill_totals: FillTotals
    new_fills: tuple[Fill, ...]
    settlements: Settlements
    strangers: reference.Others
    reference: Reference
    half_known: degrade.HalfKnown | None
    touch: Touch
    contradictions: Mapping[str, int]
    freshness: Freshness
    holdings: Holdings | None
    signatures: liability.Signatures
    """Of this market, before what this cycle signs."""
    signed_elsewhere: liability.Signatures
    behind_fills: bool
    """See `Decision`."""


def situation(snapshot: Snapshot, memory: Memory, policy: Policy, market: Instrument) -> Situation:
    """What holds at `snapshot.now_ms`."""
    expiry_clock_ms = _expiry_clock_ms(snapshot)
    snapshot = _without_unlocked_orders(snapshot)
    held = _held_past_expiry(snapshot, expiry_clock_ms)
    snapshot = _without_dead_rows(snapshot, expiry_clock_ms)
    orders = snapshot.venue.orders
    tracked = ledger.track(memory.open_orders, orders, snapshot.now_ms, expiry_clock_ms)
    fill_totals, new_fills = _fills(snapshot, memory)
    settlements = _settlements(snapshot, memory, new_fills, held)
    strangers = reference.others(snapshot.venue)
    chosen = reference.choose(snapshot, strangers, policy.reference)
    contradictions = freshness.contradictions(snapshot, memory, tracked, market.capabilities)
    signatures, elsewhere = _signatures(snapshot, memory, settlements, market)
    return Situation(
        snapshot=snapshot,
        memory=memory,
        policy=policy,
        market=market,
        tracked=tracked,
        fill_totals=reverted(fill_totals, settlements, market),
        new_fills=new_fills,
        settlements=settlements,
        strangers=strangers,
        reference=chosen,
        half_known=degrade.half_known(chosen, snapshot, strangers, memory, policy),
        touch=touch(snapshot, strangers, tracked, policy.reference),
        contradictions=contradictions,
        freshness=freshness.measure(snapshot, memory, contradictions),
        holdings=_holdings(snapshot, settlements, market),
        signatures=signatures,
        signed_elsewhere=elsewhere,
        behind_fills=_behind_fills(snapshot, memory, settlements, new_fills),
    )


def _without_unlocked_orders(snapshot: Snapshot) -> Snapshot:
    """Without the one-writer lock another process may act on these orders: they count as unread,
    so nothing is placed, and the market data grows stale until the lock is held again."""
    if snapshot.venue.lock_held:
        return snapshot
    error = snapshot.venue.orders.error or "the one-writer lock is not held"
    unread: Part[OwnOrders] = Part(value=None, as_of_ms=None, error=error)
    return changed(snapshot, venue=changed(snapshot.venue, orders=unread))


def _without_dead_rows(snapshot: Snapshot, expiry_clock_ms: int) -> Snapshot:
    part = snapshot.venue.orders
    if part.value is None:
        return snapshot
    read = ledger.without_dead_rows(part.value, expiry_clock_ms)
    if read is part.value:
        return snapshot
    return changed(snapshot, venue=changed(snapshot.venue, orders=changed(part, value=read)))


def _held_past_expiry(snapshot: Snapshot, expiry_clock_ms: int) -> frozenset[str]:
    """Orders that the matcher holds still, though no match of them can begin any more."""
    read = snapshot.venue.orders.value
    rows = () if read is None else read.rows
    return frozenset(
        row.order_id
        for row in rows
        if row.status is OrderStatus.MATCHING and row.expiry_ms < expiry_clock_ms
    )


def _expiry_clock_ms(snapshot: Snapshot) -> int:
    """What is past by this is past: a signature dies by the chain's clock, whatever ours says."""
    chain_ms = _chain_ms(snapshot)
    return snapshot.now_ms if chain_ms is None else chain_ms


def _chain_ms(snapshot: Snapshot) -> int | None:
    """The earlier of our clock and the latest block's time; None where no block was read yet."""
    balances = snapshot.venue.balances.value
    return None if balances is None else min(snapshot.now_ms, balances.block_time_ms)


def _fills(snapshot: Snapshot, memory: Memory) -> tuple[FillTotals, tuple[Fill, ...]]:
    read = snapshot.venue.orders.value
    if read is None:
        return memory.fill_totals, ()
    return count(
        memory.fill_totals,
        read.fills,
        read.newest_trade_id or 0,
        snapshot.now_ms,
        memory.settlements,
    )


def _settlements(
    snapshot: Snapshot, memory: Memory, new_fills: tuple[Fill, ...], held: frozenset[str]
) -> dict[str, Settlement]:
    read = snapshot.venue.orders.value
    return settle(
        memory.settlements,
        read.rows if read is not None else (),
        new_fills,
        snapshot.venue.balances.value,
        snapshot.now_ms,
        held=held,
        past=Past(
            cursor=memory.fill_totals.cursor,
            newest_trade_id=read.newest_trade_id if read is not None else None,
            continued=not memory.signatures_known,
            live={each.order_id for each in memory.open_orders},
            taken_out=memory.fill_totals.reverted,
            signatures=memory.signatures,
        ),
    )


def _holdings(snapshot: Snapshot, settlements: Settlements, market: Instrument) -> Holdings | None:
    balances, read = snapshot.venue.balances.value, snapshot.venue.orders.value
    if balances is None or read is None:
        return None
    waiting = pending(settlements, market)
    return holdings(market, balances, read.reserved_elsewhere, read.rows, waiting)


def _behind_fills(
    snapshot: Snapshot, memory: Memory, settlements: Settlements, new_fills: tuple[Fill, ...]
) -> bool:
    balances = snapshot.venue.balances.value
    return (
        not all(told_beside(fill, settlements, balances) for fill in new_fills)
        or unasked(settlements)
        or _balances_behind_fills(snapshot, memory)
    )


def _balances_behind_fills(snapshot: Snapshot, memory: Memory) -> bool:
    """Whether the balances may not show the last fill yet: read before it was seen (or before any
    could be seen), or of a block far older than it (a node that stands still answers all the same).
    """
    read_ms, balances = snapshot.venue.balances_read_ms, snapshot.venue.balances.value
    if read_ms is None or balances is None:
        return True
    if fills_since_ms(snapshot, memory) is not None:
        return True
    if memory.last_fill_seen_ms is not None and read_ms <= memory.last_fill_seen_ms:
        return True
    made_ms = memory.last_fill_made_ms
    return made_ms is not None and balances.block_time_ms + BLOCK_LAG_MS < made_ms


def fills_since_ms(snapshot: Snapshot, memory: Memory) -> int | None:
    """See `Memory`; it begins with the first read of the order table."""
    since_ms = memory.fills_since_ms
    if memory.fill_totals.cursor is None:
        since_ms = snapshot.venue.orders.as_of_ms
    read_ms = snapshot.venue.balances_read_ms
    passed = since_ms is not None and read_ms is not None and read_ms >= since_ms
    return None if passed else since_ms


def _signatures(
    snapshot: Snapshot, memory: Memory, settlements: Settlements, market: Instrument
) -> tuple[liability.Signatures, liability.Signatures]:
    """Ours here, and those in other markets of the subaccount."""
    read, chain_ms = snapshot.venue.orders.value, _chain_ms(snapshot)
    rows, others = (read.rows, read.signed_elsewhere) if read is not None else ((), ())
    here = liability.updated(memory.signatures, rows, unsettled(settlements, market), chain_ms)
    return here, liability.updated_elsewhere(memory.signed_elsewhere, others, chain_ms)
