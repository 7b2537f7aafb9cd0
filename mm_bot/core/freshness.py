"""How old what we saw is, by its own time; and where book and rows contradict each other.

Book and rows carry no time of their own. A quiet exchange answers the same for hours and is fresh;
a frozen one contradicts itself about our own orders: one rests in one and is absent in the other.
The age of the market data is therefore the largest of the ages of the reads and of the time such a
contradiction has lasted (behaviour.md section 2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mm_bot.core.again import again
from mm_bot.core.changed import changed
from mm_bot.core.exact import Price
from mm_bot.core.instrument import BOTH, Capabilities, Side
from mm_bot.core.ledger import Tracked
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderStatus
from mm_bot.core.policy import RiskPolicy
from mm_bot.core.snapshot import AnchorQuote, Book, BookOrder, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """Ages in milliseconds; None is "never read", except where the source is off."""

    book_ms: int | None
    trades_ms: int | None
    orders_ms: int | None
    contradiction_ms: int
    market_data_ms: int | None
    """The worst of the four above."""
    market_data_source: str
    balances_ms: int | None
    """The worse of both assets'."""
    base_ms: int | None
    quote_ms: int | None
    anchor_ms: int | None
    """None where no anchor is configured."""
    external_ms: int | None


def measure(snapshot: Snapshot, memory: Memory, contradictions: Mapping[str, int]) -> Freshness:
    """The age of every source at `snapshot.now_ms`."""
    now_ms, venue = snapshot.now_ms, snapshot.venue
    orders_at = venue.orders.as_of_ms
    if venue.orders.value is None:
        orders_at = memory.orders_read_ms
    oldest = min(contradictions.values(), default=now_ms)
    base_ms = quote_ms = _age(venue.balances.as_of_ms, now_ms)
    held = venue.balances.value
    if held is not None and held.quote_as_of_ms is not None:
        quote_ms = _age(held.quote_as_of_ms, now_ms)
    ages = {
        "book": _age(venue.book.as_of_ms, now_ms),
        "trades": _age(venue.trades.as_of_ms, now_ms),
        "orders": _age(orders_at, now_ms),
        "contradiction": now_ms - oldest,
    }
    worst = max(ages, key=lambda name: _rank(ages[name]))
    source = worst
    if worst == "contradiction":
        source = min(contradictions, key=lambda key: (contradictions[key], key))
    return Freshness(
        book_ms=ages["book"],
        trades_ms=ages["trades"],
        orders_ms=ages["orders"],
        contradiction_ms=now_ms - oldest,
        market_data_ms=ages[worst],
        market_data_source=source,
        balances_ms=max((base_ms, quote_ms), key=_rank),
        base_ms=base_ms,
        quote_ms=quote_ms,
        anchor_ms=_anchor_age(snapshot.anchor, memory, now_ms),
        external_ms=_anchor_age(snapshot.external, memory, now_ms),
    )


def contradictions(
    snapshot: Snapshot, memory: Memory, tracked: Tracked, able: Capabilities
) -> dict[str, int]:
    """Each contradiction that holds now, and since when without a break. Where a source was not
    read in this cycle nothing new is known, and what was known stays."""
    book, orders = snapshot.venue.book, snapshot.venue.orders
    if orders.value is None or book.value is None or book.error is not None:
        return dict(memory.contradictions)
    found = set(_lost_rows(tracked))
    if able.book_names_orders:
        found.update(_ghosts(book.value, memory, tracked))
        found.update(_unlisted(book.value, snapshot, able.book_depth))
    return {key: memory.contradictions.get(key, snapshot.now_ms) for key in sorted(found)}


def _lost_rows(tracked: Tracked) -> Iterator[str]:
    """Accepted or read as live once, and the order table has no row; cancelled by acknowledgement,
    and the row still lives (the ledger has then taken the acknowledgement back)."""
    for c in tracked.open_orders:
        if c.absent_since_ms is not None:
            yield f"orders lack {c.order_id}"
        elif c.ack_contradicted:
            yield f"orders still list {c.order_id}"


def _ghosts(book: Book, memory: Memory, tracked: Tracked) -> Iterator[str]:
    """In the book, though its row is known to be dead."""
    ended = {each.order.order_id for each in tracked.ended}
    for order_id in _listed(book):
        if order_id in memory.retired or order_id in ended:
            yield f"book still lists {order_id}"


@again(1)
def _listed(book: Book) -> frozenset[str]:
    return frozenset(order.order_id for side in BOTH for order in book.side(side))


def _unlisted(book: Book, snapshot: Snapshot, depth: int | None) -> Iterator[str]:
    """Active in its row, and not in the part of the book that is listed."""
    read = snapshot.venue.orders.value
    assert read is not None
    shown = _listed(book)
    for row in read.rows:
        if row.order_id in shown:
            continue
        if row.status is not OrderStatus.ACTIVE or row.expiry_ms <= snapshot.now_ms:
            continue
        listed = book.side(row.side)
        whole = depth is None or len(listed) < depth
        if whole or _inside(listed, row.side, row.price):
            yield f"book lacks {row.order_id}"


def _inside(listed: tuple[BookOrder, ...], side: Side, price: Price) -> bool:
    """Better than the last order listed, so that it would have to be."""
    return side.best_first(price) < side.best_first(listed[-1].price)


def _age(at_ms: int | None, now_ms: int) -> int | None:
    return None if at_ms is None else max(0, now_ms - at_ms)


def _anchor_age(quote: AnchorQuote | None, memory: Memory, now_ms: int) -> int | None:
    """A source that never answered is as old as the bot: it is tolerated for as long."""
    if quote is None:
        return None
    return _age(memory.started_ms if quote.as_of_ms is None else quote.as_of_ms, now_ms)


def own_limit(policy: RiskPolicy, quote: AnchorQuote | None) -> RiskPolicy:
    """The limits with the anchor's own age limit, where its data has one."""
    if quote is None or quote.max_age_ms is None:
        return policy
    return changed(policy, anchor_max_age_ms=quote.max_age_ms)


def _rank(age_ms: int | None) -> tuple[bool, int]:
    """Never read is older than any age."""
    return (age_ms is None, age_ms or 0)
