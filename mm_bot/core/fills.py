"""Own fills, each exactly once, and what they earned.

Invariants:
1. A row of `trade_fills` is counted once, over restarts too: the tally is saved as one value.
2. A row that commits late, with a lower id than one already seen, is still counted: the cursor
   trails by `SETTLING_MS`, and what was counted above it is remembered.
3. cash + position x price is the exact total result; realised and unrealised only divide it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from mm_bot.core.exact import (
    NO_AMOUNT,
    NO_SIZE,
    Amount,
    Price,
    Size,
    multiply,
    round_half_even,
)
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.settlement import Settlements
from mm_bot.core.snapshot import Fill

SETTLING_MS = 60_000
REVERTED_KEPT = 500
"""Orders whose reverted matches are remembered, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Fills since the state file began. `position` and `cash` start at zero: they are the flow of
    our fills, not balances. `cash`, `cost` and `realised` are cNGN."""

    cursor: int | None = None
    """Every row up to this trade id is counted or not ours; None before the first read."""
    seen: frozenset[tuple[int, str]] = frozenset()
    """(trade id, order id) counted above the cursor."""
    checkpoint: tuple[int, int] | None = None
    """(newest trade id, when it was the newest): the next cursor once it has settled."""
    buys: int = 0
    sells: int = 0
    position: Size = NO_SIZE
    cash: Amount = NO_AMOUNT
    cost: Amount = NO_AMOUNT
    """What the open position cost, signed like the position."""
    realised: Amount = NO_AMOUNT
    bought: Size = NO_SIZE
    sold: Size = NO_SIZE
    reverted: Mapping[str, int] = field(default_factory=dict)
    """By order id, in steps, what was booked and then taken out: its match reverted on chain."""

    def unrealised(self, market: Instrument, price: Price) -> Amount:
        """What closing the position at `price` would add, in cNGN."""
        return (price * self.position).times(market.multiplier) - self.cost


def count(
    tally: Tally, fills: Iterable[Fill], newest_trade_id: int, now_ms: int
) -> tuple[Tally, tuple[Fill, ...]]:
    """The tally with every fill not counted yet, and those fills."""
    if tally.cursor is None:
        return replace(tally, cursor=newest_trade_id), ()
    new, cursor = [], tally.cursor
    for fill in fills:
        key = (fill.trade_id, fill.order_id)
        if fill.trade_id > cursor and key not in tally.seen:
            tally = _booked(replace(tally, seen=tally.seen | {key}), fill)
            new.append(fill)
    return _advanced(tally, newest_trade_id, now_ms), tuple(new)


def reverted(tally: Tally, settlements: Settlements, market: Instrument) -> Tally:
    """The books without what reverted on chain, and with what settled after all. A fill that was
    counted stays counted; position, cash and volumes are put right."""
    for order_id, entry in settlements.items():
        out = max(0, entry.reverted - entry.unbooked)
        change = out - tally.reverted.get(order_id, 0)
        if not change:
            continue
        size = entry.size(change if entry.side is Side.BUY else -change)
        worth = entry.notional(market, abs(change))
        worth = worth if (change > 0) == (entry.side is Side.BUY) else -worth
        cost, realised = _settle(tally, -size, -worth)
        kept = dict(list({**tally.reverted, order_id: out}.items())[-REVERTED_KEPT:])
        volume = entry.size(change)
        tally = replace(
            tally,
            position=tally.position - size,
            cash=tally.cash + worth,
            cost=cost,
            realised=realised,
            bought=tally.bought - (volume if entry.side is Side.BUY else NO_SIZE),
            sold=tally.sold - (NO_SIZE if entry.side is Side.BUY else volume),
            reverted=kept,
        )
    return tally


def _booked(tally: Tally, fill: Fill) -> Tally:
    signed = fill.size if fill.side is Side.BUY else -fill.size
    worth = fill.notional if fill.side is Side.BUY else -fill.notional
    cost, realised = _settle(tally, signed, worth)
    buying = fill.side is Side.BUY
    return replace(
        tally,
        buys=tally.buys + buying,
        sells=tally.sells + (not buying),
        position=tally.position + signed,
        cash=tally.cash - worth,
        cost=cost,
        realised=realised,
        bought=tally.bought + (fill.size if buying else NO_SIZE),
        sold=tally.sold + (NO_SIZE if buying else fill.size),
    )


def _settle(tally: Tally, signed: Size, worth: Amount) -> tuple[Amount, Amount]:
    """Average cost. A fill that reduces the position realises its share of the cost; one that
    turns it around closes all of it and opens the rest at the fill's own price. The shares are
    rounded to 1e-18 cNGN; cash + cost = realised throughout (invariant 3)."""
    held = tally.position
    grows = not held or (held > NO_SIZE) == (signed > NO_SIZE)
    if grows:
        return tally.cost + worth, tally.realised
    if abs(signed) <= abs(held):
        closed = Amount(_share(tally.cost.value, abs(signed), abs(held)))
        return tally.cost - closed, tally.realised - worth - closed
    closing = Amount(_share(worth.value, abs(held), abs(signed)))
    return worth - closing, tally.realised - closing - tally.cost


def _share(total: Decimal, part: Size, whole: Size) -> Decimal:
    return round_half_even(multiply(total, part.value), whole.value, 18)


def _advanced(tally: Tally, newest_trade_id: int, now_ms: int) -> Tally:
    if tally.checkpoint is None:
        return replace(tally, checkpoint=(newest_trade_id, now_ms))
    settled_id, since_ms = tally.checkpoint
    if now_ms - since_ms < SETTLING_MS:
        return tally
    cursor = max(tally.cursor or 0, settled_id)
    return replace(
        tally,
        cursor=cursor,
        seen=frozenset(key for key in tally.seen if key[0] > cursor),
        checkpoint=(newest_trade_id, now_ms),
    )
