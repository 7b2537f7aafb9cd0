"""A frozen source goes stale by contradicting us; a quiet one stays fresh."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.freshness import contradictions, measure, own_limit
from mm_bot.core.instrument import Capabilities, Side
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
from tests.core.settings import ABLE, RISKS

DEPTH_LIMIT = 25
RESTING = row(Side.BUY, "1596")
BOTH_SIDES = (others(Side.BUY, "1590"), others(Side.SELL, "1610"))


def _found(
    memory: Memory,
    read: OwnOrders | None,
    shown: Book | None = None,
    now_ms: int = NOW_MS,
    able: Capabilities = ABLE,
) -> dict[str, int]:
    venue = observation(read, shown=shown, at_ms=now_ms)
    seen: Snapshot = snapshot(venue=venue, now_ms=now_ms)
    tracked = track(memory.open_orders, venue.orders, now_ms, now_ms)
    return contradictions(seen, memory, tracked, able)


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


def test_one_row_that_is_rightly_absent_hides_no_other() -> None:
    """Neither one that is listed, nor one in `matching`, nor one that expired this millisecond."""
    listed, blinks, expired, lost = (row(Side.BUY, "1596", nonce=n) for n in range(4))
    blinks = replace(blinks, status=OrderStatus.MATCHING)
    expired = replace(expired, expiry_ms=NOW_MS)
    shown = book(others(Side.BUY, "1596", order_id=listed.order_id, ours=True))
    found = _found(running(), own_orders(blinks, expired, listed, lost), shown)
    assert found == {f"book lacks {lost.order_id}": NOW_MS}
    lives = replace(expired, expiry_ms=NOW_MS + 1)
    assert _found(running(), own_orders(lives), shown)


@pytest.mark.parametrize(
    ("listed", "price", "missed"),
    [
        (DEPTH_LIMIT, "1575.5", True),  # between the last two that are listed
        (DEPTH_LIMIT, "1575", False),  # as good as the last: it may be the next one
        (DEPTH_LIMIT, "1574", False),
        (DEPTH_LIMIT - 1, "1574", True),  # there would be room for it
    ],
)
def test_where_the_list_ends_an_order_may_be_next(listed: int, price: str, missed: bool) -> None:
    """A list is whole where it is shorter than the exchange's longest, or where that has none."""
    better = [others(Side.BUY, str(1599 - i), order_id=f"x{i}") for i in range(listed)]
    read = own_orders(row(Side.BUY, price))
    assert bool(_found(running(), read, book(*better))) is missed
    whole = replace(ABLE, book_depth=None)
    assert _found(running(), read, book(*better), able=whole)
    assert not _found(running(), read, book(*better), able=replace(ABLE, book_names_orders=False))


def test_an_accepted_order_that_never_appears() -> None:
    """Accepted, and no row: it contradicts."""
    known = running(open_order(Side.BUY, "1596"))
    assert _found(known, own_orders()) == {f"orders lack {RESTING.order_id}": NOW_MS}


def test_a_ghost_in_the_book() -> None:
    """Listed though its row is dead: the book is old."""
    memory = replace(running(), retired={RESTING.order_id: NOW_MS - 1})
    ghost = book(others(Side.BUY, "1596", order_id=RESTING.order_id, ours=True), *BOTH_SIDES)
    told = {f"book still lists {RESTING.order_id}": NOW_MS}
    assert _found(memory, own_orders(), ghost) == told
    dead = own_orders(replace(RESTING, status=OrderStatus.CANCELLED))
    assert _found(running(open_order(Side.BUY, "1596")), dead, ghost) == told
    assert not _found(running(), dead, ghost)


def test_an_unread_source_neither_adds_nor_ends_a_contradiction() -> None:
    """What was known stays known until both are read again."""
    memory = replace(running(), contradictions={"book lacks x": 5})
    assert _found(memory, None) == {"book lacks x": 5}
    venue = observation(own_orders())
    for part in (Part(value=None, as_of_ms=None), replace(venue.book, error="down")):
        unread = snapshot(venue=replace(venue, book=part))
        found = contradictions(unread, memory, track((), venue.orders, NOW_MS, NOW_MS), ABLE)
        assert found == memory.contradictions


def test_data_is_as_old_as_it_says() -> None:
    """Ages are those of the data; a source that never answered is as old as the bot, or never."""
    venue = observation(own_orders())
    venue = replace(venue, balances=replace(venue.balances, as_of_ms=NOW_MS - 7_000))
    venue = replace(venue, book=Part(value=None, as_of_ms=None, error="down"))
    seen = replace(snapshot(venue=venue), anchor=anchor(None, as_of_ms=None))
    fresh = measure(seen, running(started_ms=NOW_MS - 3_000), {})
    assert (fresh.balances_ms, fresh.anchor_ms, fresh.market_data_ms) == (7_000, 3_000, None)
    assert fresh.market_data_source == "book"


def test_every_age_is_that_of_its_own_source() -> None:
    """None is negative where a clock was set back; one millisecond is worse than none, and never
    read is worse than any."""
    venue = observation(own_orders())
    balances = replace(venue.balances, as_of_ms=NOW_MS)
    for quote_ms, told in ((NOW_MS - 1, (1, 0, 1)), (None, (0, 0, 0)), (NOW_MS + 5, (0, 0, 0))):
        assert balances.value is not None
        held = replace(balances, value=replace(balances.value, quote_as_of_ms=quote_ms))
        fresh = measure(snapshot(venue=replace(venue, balances=held)), running(), {})
        assert (fresh.balances_ms, fresh.base_ms, fresh.quote_ms) == told
    venue = replace(
        venue,
        book=replace(venue.book, as_of_ms=NOW_MS + 9),
        trades=replace(venue.trades, as_of_ms=NOW_MS - 2),
        orders=replace(venue.orders, as_of_ms=NOW_MS - 3),
    )
    seen = snapshot(venue=venue, quote=anchor(as_of_ms=NOW_MS + 9), external=anchor())
    fresh = measure(seen, running(), {})
    assert (fresh.book_ms, fresh.trades_ms, fresh.orders_ms) == (0, 2, 3)
    assert (fresh.contradiction_ms, fresh.market_data_ms, fresh.market_data_source) == (
        0,
        3,
        "orders",
    )
    assert (fresh.anchor_ms, fresh.external_ms) == (0, 0)
    unread = replace(seen, venue=replace(venue, orders=Part(value=None, as_of_ms=NOW_MS)))
    memory = replace(running(), orders_read_ms=NOW_MS - 70)
    assert measure(replace(unread, anchor=None), memory, {}).orders_ms == 70
    assert measure(replace(unread, anchor=None), memory, {}).anchor_ms is None
    assert measure(unread, running(), {}).market_data_ms is None


def test_the_longest_contradiction_is_the_one_that_is_named() -> None:
    """Of two that began together the first by name."""
    found = {"b": NOW_MS - 50, "c": NOW_MS - 50, "a": NOW_MS - 20}
    fresh = measure(snapshot(), running(), found)
    assert (fresh.contradiction_ms, fresh.market_data_ms) == (50, 50)
    assert fresh.market_data_source == "b"


def test_only_an_anchor_with_a_limit_of_its_own_changes_the_limit() -> None:
    """Without an anchor, and with one that has none, it is the operator's."""
    assert own_limit(RISKS, None) is RISKS
    assert own_limit(RISKS, anchor()) is RISKS
    limit = own_limit(RISKS, replace(anchor(), max_age_ms=7))
    assert limit == replace(RISKS, anchor_max_age_ms=7)
