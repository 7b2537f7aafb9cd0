"""What rests beside our managed quotes: the prices we may not reach, and the size that counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mm_bot.core import reference
from mm_bot.core.again import again
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Price, Size
from mm_bot.core.instrument import BOTH, Side
from mm_bot.core.ledger import Stage, Tracked
from mm_bot.core.policy import ReferencePolicy
from mm_bot.core.snapshot import Book, BookOrder, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """Best price a side of what our plan cannot move: others, and own orders we do not manage.

    Others count from where their size, added up from the best, reaches the policy's least:
    less is simply taken, at its better price. Own orders count whatever their size.
    """

    every: Mapping[Side, Price]
    firm: Mapping[Side, Price]
    """Without orders that cross a resting quote of ours: the matcher is about to fill us with those
    at our price, and a target moved behind them would pull the quote away from them."""


def touch(
    snapshot: Snapshot, strangers: reference.Others, tracked: Tracked, policy: ReferencePolicy
) -> Touch:
    """The touch beside our managed orders."""
    book, read = snapshot.venue.book, snapshot.venue.orders.value
    shown = book.value if book.error is None else None
    return _touch(shown, () if read is None else read.others, strangers, tracked, policy)


@again(1)
def _touch(
    book: Book | None,
    held: tuple[BookOrder, ...],
    strangers: reference.Others,
    tracked: Tracked,
    policy: ReferencePolicy,
) -> Touch:
    """`held` are orders that the matcher may hold, so that no book shows them."""
    managed = {c.order_id for c in tracked.open_orders}
    managed.update(ended.order.order_id for ended in tracked.ended)
    every: dict[Side, Price] = {}
    firm: dict[Side, Price] = {}
    for side in BOTH:
        shown = _own_shown(book, held, side)
        ours = [row.price for row in tracked.unmanaged if row.side is side]
        ours += [order.price for order in shown if order.order_id not in managed]
        orders = strangers[side]
        standing = _standing(orders, side, tracked)
        best = stands = reference.price_with_size(orders, policy)
        if standing is not orders:
            stands = reference.price_with_size(standing, policy)
        for found, theirs in ((every, best), (firm, stands)):
            prices = ours if theirs is None else [*ours, theirs]
            if prices:
                found[side] = min(prices, key=side.best_first)
    return Touch(every=every, firm=firm)


def _standing(orders: Sequence[BookOrder], side: Side, tracked: Tracked) -> Sequence[BookOrder]:
    """Those that cross no resting quote of ours; they are best first, so mostly all of them."""
    if not orders:
        return orders
    against = side.opposite
    quotes = [
        c.price
        for c in tracked.open_orders
        if c.side is against and c.stage is not Stage.UNKNOWN and not c.cancel_acked
    ]
    best = min(quotes, key=against.best_first, default=None)
    if best is None or not side.reaches(orders[0].price, best):
        return orders
    return [order for order in orders if not side.reaches(order.price, best)]


def _own_shown(book: Book | None, held: tuple[BookOrder, ...], side: Side) -> Iterator[BookOrder]:
    """Our owner's orders in the book, and those of its other subaccounts that the matcher holds."""
    if book is not None:
        yield from (o for o in book.side(side) if o.ours)
    yield from (o for o in held if o.side is side and o.ours)


def unmanaged_resting(tracked: Tracked) -> dict[Side, tuple[Size, Amount]]:
    resting = dict.fromkeys(BOTH, (NO_SIZE, NO_AMOUNT))
    for row in tracked.unmanaged:
        size, notional = resting[row.side]
        resting[row.side] = (size + row.size, notional + row.notional)
    return resting
