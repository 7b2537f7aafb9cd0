"""Total, reserved and available: what the subaccount holds and what of it is ours to quote with.

Source: founding description, "Balances"; behaviour.md sections 2 and 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mm_bot.core.again import again
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Size, add
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.orders import Ownership, RestingOrder
from mm_bot.core.settlement import Pending
from mm_bot.core.snapshot import Balances, Reserved

NONE_PENDING = Pending()


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """The two balances taken apart. Where orders are margined `base` is the position, which nothing
    reserves, and `quote` the collateral.

    `available` is what replacements of our managed orders may use: total less what everything
    else reserves, never below zero. `reserved` counts the managed orders too.
    """

    base_total: Size
    base_reserved: Size
    base_available: Size
    quote_total: Amount
    quote_reserved: Amount
    quote_available: Amount
    base_highest: Size
    """The most it can be: with every buy whose settlement no block proves yet."""
    base_lowest: Size

    @property
    def base_unreserved(self) -> Size:
        """Total less everything reserved, never below zero: free for orders elsewhere."""
        return max(self.base_total - self.base_reserved, NO_SIZE)

    @property
    def quote_unreserved(self) -> Amount:
        """The same of the quote side."""
        return max(self.quote_total - self.quote_reserved, NO_AMOUNT)


def holdings(
    market: Instrument,
    balances: Balances,
    elsewhere: Reserved,
    rows: Iterable[RestingOrder],
    pending: Pending = NONE_PENDING,
) -> Holdings:
    """What is there and what is free, given our live orders here and elsewhere, and fills that the
    balances may lack: those have used up what they cost, and brought nothing."""
    return _holdings(market, balances.base, balances.quote, elsewhere, tuple(rows), pending)


@again(1)
def _holdings(
    market: Instrument,
    base: Size,
    quote: Amount,
    elsewhere: Reserved,
    rows: tuple[RestingOrder, ...],
    pending: Pending,
) -> Holdings:
    """Of the totals alone: a new block mostly says the same."""
    live = [row for row in rows if row.live]
    managed = reserved(market, (r for r in live if r.ownership is Ownership.MANAGED))
    fixed = reserved(market, (r for r in live if r.ownership is not Ownership.MANAGED))
    fixed = _plus(fixed, elsewhere)
    spent = pending.bought_for if market.is_spot else NO_AMOUNT
    return Holdings(
        base_total=base,
        base_reserved=fixed.base + managed.base,
        base_available=max(base - fixed.base - pending.sold, NO_SIZE),
        quote_total=quote,
        quote_reserved=fixed.quote + managed.quote,
        quote_available=max(quote - fixed.quote - spent, NO_AMOUNT),
        base_highest=base + pending.bought,
        base_lowest=base - pending.sold,
    )


def reserved(market: Instrument, rows: Iterable[RestingOrder]) -> Reserved:
    """What resting orders hold of the two balances. Of each side at once: it is proportional to
    size and worth."""
    sums = dict.fromkeys(Side, (NO_SIZE.value, NO_AMOUNT.value))
    for row in rows:
        size, notional = sums[row.side]
        sums[row.side] = add(size, row.size.value), add(notional, row.notional.value)
    found = Reserved()
    for side, (size, notional) in sums.items():
        base, quote = market.held_by(side, Size(size), Amount(notional))
        found = _plus(found, Reserved(base=base, quote=quote))
    return found


def _plus(left: Reserved, right: Reserved) -> Reserved:
    return Reserved(base=left.base + right.base, quote=left.quote + right.quote)
