"""A frozen source goes stale by contradicting us; a quiet one stays fresh."""

from __future__ import annotations

from dataclasses import replace

from mm_bot.core.freshness import contradictions, measure
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import track
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderStatus
from mm_bot.core.snapshot import Book, OwnOrders, Part, Snapshot
from tests.core.builders import (
    NOW_MS,
    anchor,
    book,
    observation,
    open_order,
    others,
    own_orders,
    row,
    running,
    snapshot,
)
from tests.core.settings import ABLE

DEPTH_LIMIT = 25
RESTING = row(Side.BUY, "1596")


def _found(
    memory: Memory, read: OwnOrders | None, shown: Book | None = None, now_ms: int = NOW_MS
) -> dict[str, int]:
    venue = observation(read, shown=shown, at_ms=now_ms)
    seen: Snapshot = snapshot(venue=venue, now_ms=now_ms)
    tracked = track(memory.open_orders, venue.orders, now_ms)
    return contradictions(seen, memory, tracked, ABLE)


def test_a_quiet_exchange_is_fresh() -> None:
    """Rows and book that agree contradict nothing, however long they do not change."""
    assert not _found(running(), own_orders(RESTING))


def test_an_active_row_that_the_book_lacks() -> None:
    """It contradicts since it was first seen, without a break."""
    found = _found(running(), own_orders(RESTING), book())
    assert found == {f"book lacks {RESTING.order_id}": NOW_MS}
    later = replace(running(), contradictions=found)
    again = _found(later, own_orders(RESTING), book(), NOW_MS + 9_000)
    assert again == found
    seen = snapshot(own_orders(RESTING), now_ms=NOW_MS + 9_000)
    assert measure(seen, later, again).market_data_ms == 9_000
    assert not _found(later, own_orders(RESTING), None, NOW_MS + 9_000)


def test_the_blink_is_no_contradiction() -> None:
    """A row in `matching` is rightly absent from the book."""
    blinking = replace(RESTING, status=OrderStatus.MATCHING)
    assert not _found(running(), own_orders(blinking), book())


def test_beyond_the_listed_depth_nothing_is_expected() -> None:
    """An order worse than the 25 that are listed need not be in the book."""
    better = [others(Side.BUY, str(1599 - i), order_id=f"x{i}") for i in range(DEPTH_LIMIT)]
    deep = row(Side.BUY, "1500")
    assert not _found(running(), own_orders(deep), book(*better))
    assert _found(running(), own_orders(row(Side.BUY, "1598.5")), book(*better))


def test_an_accepted_order_that_never_appears() -> None:
    """Accepted, and no row: it contradicts."""
    known = running(open_order(Side.BUY, "1596"))
    assert _found(known, own_orders()) == {f"orders lack {RESTING.order_id}": NOW_MS}


def test_a_ghost_in_the_book() -> None:
    """Listed though its row is dead: the book is old."""
    memory = replace(running(), retired={RESTING.order_id: NOW_MS - 1})
    ghost = book(others(Side.BUY, "1596", order_id=RESTING.order_id, ours=True))
    assert _found(memory, own_orders(), ghost) == {f"book still lists {RESTING.order_id}": NOW_MS}


def test_an_unread_source_neither_adds_nor_ends_a_contradiction() -> None:
    """What was known stays known until both are read again."""
    memory = replace(running(), contradictions={"book lacks x": 5})
    assert _found(memory, None) == {"book lacks x": 5}


def test_data_is_as_old_as_it_says() -> None:
    """Ages are those of the data; a source that never answered is as old as the bot, or never."""
    venue = observation(own_orders())
    venue = replace(venue, balances=replace(venue.balances, as_of_ms=NOW_MS - 7_000))
    venue = replace(venue, book=Part(value=None, as_of_ms=None, error="down"))
    seen = replace(snapshot(venue=venue), anchor=anchor(None, as_of_ms=None))
    fresh = measure(seen, running(started_ms=NOW_MS - 3_000), {})
    assert (fresh.balances_ms, fresh.anchor_ms, fresh.market_data_ms) == (7_000, 3_000, None)
    assert fresh.market_data_source == "book"
