"""What rests beside our managed quotes: the prices we may not reach, and the size that counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mm_bot.core import reference
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import Stage, Tracked
from mm_bot.core.policy import ReferencePolicy
from mm_bot.core.snapshot import BookOrder, Snapshot


def touch(
    snapshot: Snapshot,
    strangers: reference.Others,
    tracked: Tracked,
    *,
    firm: bool,
    policy: ReferencePolicy,
) -> dict[Side, Price]:
    """Best price a side of what our plan cannot move: others, and own orders we do not manage.

    Others count from where their size, added up from the best, reaches the policy's least:
    less is simply taken, at its better price. Own orders count whatever their size.

    With `firm`, without orders that cross a resting quote of ours: the matcher is about to fill us
    with those at our price, and a target moved behind them would pull the quote away from them.
    """
    managed = {c.order_id for c in tracked.open_orders}
    managed |= {ended.order.order_id for ended in tracked.ended}
    resting = [
        c for c in tracked.open_orders if c.stage is not Stage.UNKNOWN and not c.cancel_acked
    ]
    found: dict[Side, Price] = {}
    for side in Side:
        orders: Iterable[BookOrder] = strangers[side]
        quotes = [c.price for c in resting if c.side is side.opposite]
        if firm and quotes:
            best_quote = min(quotes, key=side.opposite.best_first)
            orders = [o for o in orders if not side.reaches(o.price, best_quote)]
        best = reference.price_with_size(orders, policy)
        prices = [] if best is None else [best]
        prices.extend(row.price for row in tracked.unmanaged if row.side is side)
        shown = _own_shown(snapshot, side)
        prices.extend(order.price for order in shown if order.order_id not in managed)
        if prices:
            found[side] = min(prices, key=side.best_first)
    return found


def _own_shown(snapshot: Snapshot, side: Side) -> Iterator[BookOrder]:
    """Our owner's orders in the book, and those of its other subaccounts that the matcher holds."""
    book, read = snapshot.venue.book, snapshot.venue.orders.value
    if book.value is not None and book.error is None:
        yield from (o for o in book.value.side(side) if o.ours)
    if read is not None:
        yield from (o for o in read.others if o.side is side and o.ours)


def unmanaged_resting(tracked: Tracked) -> dict[Side, tuple[Size, Amount]]:
    resting = dict.fromkeys(Side, (NO_SIZE, NO_AMOUNT))
    for row in tracked.unmanaged:
        size, notional = resting[row.side]
        resting[row.side] = (size + row.size, notional + row.notional)
    return resting
