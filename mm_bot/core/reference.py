"""The reference price: what the market is worth without us.

Invariants (behaviour.md section 3; the property tests cite the numbers):
1. Own orders never move it: the local mid is formed from others' orders only.
2. A trade of ours is used only when nothing else is left.
3. Alone in the book with a constant anchor it does not move, whatever we quote.
4. General order: anchor, book, trade. Spot bootstrap: book, trade, external anchor.
5. A price needs size: a side's price is where others' size, added up from the best, reaches
   `min_size` but for the lot that each order may fall short, and a smaller trade is none. Dust
   moves neither the reference nor the deviation.
6. No reference is outside of the policy's bounds, whatever its source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Protocol

from mm_bot.core.again import again
from mm_bot.core.exact import (
    BPS,
    NO_AMOUNT,
    NO_SIZE,
    Amount,
    Price,
    Size,
    multiply,
    round_half_even,
)
from mm_bot.core.instrument import BOTH, Side
from mm_bot.core.policy import ReferencePolicy
from mm_bot.core.snapshot import AnchorQuote, BookOrder, Observation, Snapshot, Trade


class ReferenceSource(Enum):
    ANCHOR = "anchor"
    BOOK = "book"
    TRADE = "trade"
    EXTERNAL = "external"
    OWN_TRADE = "own_trade"
    NONE = "none"


Others = Mapping[Side, tuple[BookOrder, ...]]
"""Orders of everybody but our owner, best first a side."""


class PriceFilter(Protocol):
    """What a local price needs; `ReferencePolicy` says what each means."""

    @property
    def min_size(self) -> Size: ...

    @property
    def lot(self) -> Amount: ...

    @property
    def low(self) -> Price | None: ...

    @property
    def high(self) -> Price | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One source that could have been the reference: its price, or why it has none."""

    source: ReferenceSource
    price: Price | None
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The chosen price and how it was chosen."""

    price: Price | None
    source: ReferenceSource
    candidates: tuple[Candidate, ...]
    local: Price | None
    """Others' mid, else their fresh last trade: what an anchor is compared with."""
    deviation_bps: Decimal | None
    """|local - anchor| / anchor, rounded to 0.0001; None where one of the two is missing."""


def choose(snapshot: Snapshot, strangers: Others, policy: ReferencePolicy) -> Reference:
    """The reference price by the order of the policy, with every candidate and why not."""
    now_ms = snapshot.now_ms
    book = _bounded(_book_candidate(snapshot.venue, strangers, policy), policy)
    trade, own_trade = (
        _bounded(found, policy) for found in _trade_candidates(snapshot.venue, policy, now_ms)
    )
    anchor = _bounded(_anchor_candidate(ReferenceSource.ANCHOR, snapshot.anchor), policy)
    external = _bounded(_external_candidate(snapshot.external, policy, now_ms), policy)
    local = (book, trade)
    ranked: tuple[Candidate, ...]
    if policy.bootstrap:
        ranked = (*local, external) if policy.bootstrap_only else (external, *local)
    else:
        ranked = (anchor, *local)
    ranked += (own_trade,)
    chosen = next((c for c in ranked if c.price is not None), None)
    local_price = next((c.price for c in local if c.price is not None), None)
    outside = external.price if policy.bootstrap else anchor.price
    return Reference(
        price=chosen.price if chosen else None,
        source=chosen.source if chosen else ReferenceSource.NONE,
        candidates=ranked,
        local=local_price,
        deviation_bps=deviation_bps(local_price, outside),
    )


def as_of_ms(snapshot: Snapshot, source: ReferenceSource) -> int | None:
    """The time of that source's price: its own where it tells it, else that of its read."""
    venue, anchor = snapshot.venue, snapshot.anchor
    if source is ReferenceSource.EXTERNAL:
        anchor = snapshot.external
    if source in (ReferenceSource.ANCHOR, ReferenceSource.EXTERNAL):
        return anchor.as_of_ms if anchor is not None else None
    part = venue.book if source is ReferenceSource.BOOK else venue.trades
    return None if source is ReferenceSource.NONE else part.as_of_ms


@again(1)
def deviation_bps(local: Price | None, outside: Price | None) -> Decimal | None:
    """|local - outside| / outside in basis points, half-even to four decimals."""
    if local is None or outside is None or outside.value <= 0:
        return None
    return round_half_even(multiply(abs(local - outside).value, BPS), outside.value, 4)


def others(venue: Observation) -> Others:
    """Orders of everybody but our owner, best first a side.

    The public book leaves out what the matcher holds at that moment, so the best live rows of
    others, `matching` ones included, are put back in.
    """
    book, read = venue.book.value, venue.orders.value
    shown = () if book is None else (book.bids, book.asks)
    return _others((*shown, () if read is None else read.others))


@again(1)
def _others(shown: tuple[tuple[BookOrder, ...], ...]) -> Others:
    """Of one id the last one counts."""
    found = {o.order_id: o for orders in shown for o in orders if not o.ours}
    return {side: _best_first((o for o in found.values() if o.side is side), side) for side in BOTH}


def price_with_size(orders: Iterable[BookOrder], policy: PriceFilter) -> Price | None:
    """The price at which the sizes of `orders`, best first, add up to the policy's least size; None
    where they do not. Implausible ones count for nothing."""
    total, short = NO_SIZE, NO_AMOUNT
    for order in orders:
        if not _is_plausible(order.price, policy):
            continue
        total, short = total + order.size, short + policy.lot
        if reaches(total, order.price, policy.min_size, short):
            return order.price
    return None


def has_size(trade: Trade, policy: PriceFilter) -> bool:
    """Whether a trade is large enough to tell a price."""
    return reaches(trade.size, trade.price, policy.min_size, policy.lot)


def reaches(size: Size, price: Price, least: Size, short: Amount) -> bool:
    """Whether `size` is `least` but for what the grid cut off, which is never half of it and at
    most `short` of the quote."""
    return size + size >= least and price * size + short >= price * least


def _is_plausible(price: Price, policy: PriceFilter) -> bool:
    above = policy.low is None or price >= policy.low
    return above and (policy.high is None or price <= policy.high)


def _bounded(candidate: Candidate, policy: ReferencePolicy) -> Candidate:
    price = candidate.price
    if price is None or _is_plausible(price, policy):
        return candidate
    why = f"implausible: {price} outside {policy.low or 0} .. {policy.high or 'any'}"
    return Candidate(source=candidate.source, price=None, why_not=why)


def _best_first(orders: Iterable[BookOrder], side: Side) -> tuple[BookOrder, ...]:
    return tuple(sorted(orders, key=lambda o: (side.best_first(o.price), o.order_id)))


def _book_candidate(venue: Observation, strangers: Others, policy: ReferencePolicy) -> Candidate:
    if venue.book.value is None:
        return Candidate(source=ReferenceSource.BOOK, price=None, why_not="book never read")
    return _mid(strangers, policy)


@again(1)
def _mid(strangers: Others, policy: ReferencePolicy) -> Candidate:
    bids, asks = strangers[Side.BUY], strangers[Side.SELL]
    source = ReferenceSource.BOOK
    if not bids or not asks:
        missing = "bid" if not bids else "ask"
        return Candidate(source=source, price=None, why_not=f"no {missing} of others")
    bid, ask = (price_with_size(side, policy) for side in (bids, asks))
    if bid is None or ask is None:
        thin, name = (bids, "bid") if bid is None else (asks, "ask")
        size = sum((o.size for o in thin if _is_plausible(o.price, policy)), NO_SIZE)
        why = f"too small: {name} size of others {size}, needs {policy.min_size}"
        return Candidate(source=source, price=None, why_not=why)
    if bid >= ask:
        return Candidate(source=source, price=None, why_not=f"crossed: bid {bid}, ask {ask}")
    return Candidate(source=source, price=(bid + ask).times(Decimal("0.5")))


def _trade_candidates(
    venue: Observation, policy: ReferencePolicy, now_ms: int
) -> tuple[Candidate, Candidate]:
    trades = venue.trades.value or ()
    fresh = [t for t in trades if now_ms - t.at_ms <= policy.trade_max_age_ms]
    if venue.orders.value is None:
        foreign: list[Trade] = []
        why = "own trades not known while the order table is unread"
    else:
        own_ids = venue.orders.value.own_trade_ids
        # A trade that is newer than the order table's read may be ours: nobody can tell yet.
        told = venue.orders.value.newest_trade_id or 0
        foreign = [t for t in fresh if t.trade_id not in own_ids and t.trade_id <= told]
        fresh = [t for t in fresh if t.trade_id in own_ids]
        why = "no trade of others" if not trades else "none of others within the maximum age"
    newest = next((t.price for t in foreign if has_size(t, policy)), None)
    if foreign and newest is None:
        why = f"too small: largest of others {_largest(foreign)}, needs {policy.min_size}"
    # One of ours may be somebody else's crumb too.
    own = None
    if venue.orders.value is not None:
        own = next((t.price for t in fresh if has_size(t, policy)), None)
    return (
        Candidate(source=ReferenceSource.TRADE, price=newest, why_not="" if newest else why),
        Candidate(
            source=ReferenceSource.OWN_TRADE,
            price=own,
            why_not="" if own else "no trade of ours within the maximum age",
        ),
    )


def _largest(trades: Iterable[Trade]) -> Size:
    return max(trade.size for trade in trades)


def _anchor_candidate(source: ReferenceSource, quote: AnchorQuote | None) -> Candidate:
    if quote is None:
        return Candidate(source=source, price=None, why_not="not configured")
    if quote.price is None:
        return Candidate(source=source, price=None, why_not=quote.error or "no reading yet")
    return Candidate(source=source, price=quote.price)


def _external_candidate(
    quote: AnchorQuote | None, policy: ReferencePolicy, now_ms: int
) -> Candidate:
    candidate = _anchor_candidate(ReferenceSource.EXTERNAL, quote)
    if quote is None or candidate.price is None or quote.as_of_ms is None:
        return candidate
    age_ms = now_ms - quote.as_of_ms
    if age_ms > policy.external_max_age_ms:
        why = f"{age_ms} ms old, limit {policy.external_max_age_ms} ms"
        return Candidate(source=ReferenceSource.EXTERNAL, price=None, why_not=why)
    return candidate
