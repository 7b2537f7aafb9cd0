"""Own fills, each exactly once, and what they earned.

Invariants:
1. A row of `trade_fills` is counted once, over restarts too: the totals are saved as one value.
2. A row that commits late, with a lower id than one already seen, is still counted: the cursor
   trails by `SETTLING_MS`, and what was counted above it is remembered. One that is later still is
   owed to its order (`settlement.py`): then fills are read again from `floor` on.
3. cash + position x price is the exact total result, after fees; realised and unrealised, which
   are before them, only divide it: cash + cost = realised - fees, always.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mm_bot.core.changed import changed
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Price, Size, multiply, round_half_even
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.settlement import Settlements
from mm_bot.core.snapshot import Fill

SETTLING_MS = 60_000
PAST_KEPT = 20
"""Cursors behind the present one: how many minutes a row may be late and still be found."""
NOTHING: Settlements = {}
REVERTED_KEPT = 500
"""Orders whose reverted matches are remembered, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillTotals:
    """Fills since the state file began. `position` and `cash` start at zero: they are the flow of
    our fills, not balances. `cash`, `cost`, `realised` and `fees` are in the quote."""

    cursor: int | None = None
    """Every row up to this trade id is counted or not ours; None before the first read."""
    seen: frozenset[tuple[int, str]] = frozenset()
    """(trade id, order id) counted above the cursor."""
    past: tuple[int, ...] = ()
    """Earlier cursors, oldest first, a minute or more apart."""
    checkpoint: tuple[int, int] | None = None
    """(newest trade id, when it was the newest): the next cursor once it has settled."""
    buys: int = 0
    sells: int = 0
    position: Size = NO_SIZE
    cash: Amount = NO_AMOUNT
    cost: Amount = NO_AMOUNT
    """What the open position cost, signed like the position."""
    realised: Amount = NO_AMOUNT
    """Of what was closed, before fees."""
    fees: Amount = NO_AMOUNT
    """Paid; they are in `cash` already."""
    bought: Size = NO_SIZE
    sold: Size = NO_SIZE
    reverted: Mapping[str, int] = field(default_factory=dict)
    """By order id, in steps, what was booked and then taken out: its match reverted on chain."""

    def unrealised(self, market: Instrument, price: Price) -> Amount:
        """What closing the position at `price` would add, in the quote."""
        return (price * self.position).times(market.multiplier) - self.cost

    @property
    def floor(self) -> int | None:
        """The trade id after which a fill that is owed is looked for."""
        return self.past[0] if self.past else self.cursor

    @property
    def adds_up(self) -> bool:
        """Invariant 3, exactly."""
        return self.cash + self.cost == self.realised - self.fees


def count(
    fill_totals: FillTotals,
    fills: Iterable[Fill],
    newest_trade_id: int,
    now_ms: int,
    settlements: Settlements = NOTHING,
) -> tuple[FillTotals, tuple[Fill, ...]]:
    """The totals with every fill not counted yet, and those fills; `settlements` tell which orders
    fills are owed to."""
    if fill_totals.cursor is None:
        return changed(fill_totals, cursor=newest_trade_id), ()
    new, cursor = [], fill_totals.cursor
    for fill in fills:
        key = (fill.trade_id, fill.order_id)
        if fill.trade_id > cursor and key not in fill_totals.seen:
            fill_totals = _booked(changed(fill_totals, seen=fill_totals.seen | {key}), fill)
            new.append(fill)
        elif fill.trade_id <= cursor and _owed(fill, settlements, new):
            fill_totals = _booked(fill_totals, fill)
            new.append(fill)
    return _advanced(fill_totals, cursor, newest_trade_id, now_ms), tuple(new)


def _owed(fill: Fill, settlements: Settlements, new: Iterable[Fill]) -> bool:
    """Whether a row from behind the cursor is one that was never counted."""
    entry = settlements.get(fill.order_id)
    if entry is None or fill.trade_id <= entry.counts_after or fill.trade_id in entry.trades:
        return False
    just = sum(each.steps for each in new if each.order_id == fill.order_id)
    return 0 < fill.steps <= entry.owed - just


def reverted(fill_totals: FillTotals, settlements: Settlements, market: Instrument) -> FillTotals:
    """The books without what reverted on chain, and with what settled after all. A fill that was
    counted stays counted; position, cash and volumes are put right."""
    for order_id, entry in settlements.items():
        out = max(0, min(entry.reverted - entry.unbooked, entry.booked))
        change = out - fill_totals.reverted.get(order_id, 0)
        if not change:
            continue
        steps = change if entry.side is Side.BUY else -change
        size, worth = entry.size(steps), entry.notional(market, steps)
        cost, realised = _settle(fill_totals, -size, -worth)
        kept = dict(list({**fill_totals.reverted, order_id: out}.items())[-REVERTED_KEPT:])
        volume = entry.size(change)
        fill_totals = changed(
            fill_totals,
            position=fill_totals.position - size,
            cash=fill_totals.cash + worth,
            cost=cost,
            realised=realised,
            bought=fill_totals.bought - (volume if entry.side is Side.BUY else NO_SIZE),
            sold=fill_totals.sold - (NO_SIZE if entry.side is Side.BUY else volume),
            reverted=kept,
        )
    return fill_totals


def _booked(fill_totals: FillTotals, fill: Fill) -> FillTotals:
    signed = fill.size if fill.side is Side.BUY else -fill.size
    worth = fill.notional if fill.side is Side.BUY else -fill.notional
    cost, realised = _settle(fill_totals, signed, worth)
    buying = fill.side is Side.BUY
    return changed(
        fill_totals,
        buys=fill_totals.buys + buying,
        sells=fill_totals.sells + (not buying),
        position=fill_totals.position + signed,
        cash=fill_totals.cash - worth - fill.fee,
        cost=cost,
        realised=realised,
        fees=fill_totals.fees + fill.fee,
        bought=fill_totals.bought + (fill.size if buying else NO_SIZE),
        sold=fill_totals.sold + (NO_SIZE if buying else fill.size),
    )


def _settle(fill_totals: FillTotals, signed: Size, worth: Amount) -> tuple[Amount, Amount]:
    """Cost and realised result with the fill. Average cost: a fill against the position closes the
    smaller of the two, at that one's share of the cost and of the fill's worth; what is left of
    the fill opens a position at its own price. A share that is not the whole is rounded to 1e-18
    of the quote; invariant 3 holds throughout."""
    cost, realised, held = fill_totals.cost, fill_totals.realised, fill_totals.position
    if held.value.is_signed() == signed.value.is_signed():
        return cost + worth, realised
    closed = min(abs(held), abs(signed))
    cost_closed = _share(cost, closed, abs(held))
    worth_closed = _share(worth, closed, abs(signed))
    return cost - cost_closed + worth - worth_closed, realised - cost_closed - worth_closed


def _share(total: Amount, part: Size, whole: Size) -> Amount:
    if part == whole:
        return total
    return Amount(round_half_even(multiply(total.value, part.value), whole.value, 18))


def _advanced(
    fill_totals: FillTotals, before: int, newest_trade_id: int, now_ms: int
) -> FillTotals:
    if fill_totals.checkpoint is None:
        return changed(fill_totals, checkpoint=(newest_trade_id, now_ms))
    settled_id, since_ms = fill_totals.checkpoint
    if now_ms - since_ms < SETTLING_MS:
        return fill_totals
    cursor = max(before, settled_id)
    return changed(
        fill_totals,
        cursor=cursor,
        past=(*fill_totals.past, before)[-PAST_KEPT:],
        seen=frozenset(key for key in fill_totals.seen if key[0] > cursor),
        checkpoint=(newest_trade_id, now_ms),
    )
