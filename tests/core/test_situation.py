"""What counts of what is seen: whose fills, which clock, and balances that lack a fill."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.exact import Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderStatus
from mm_bot.core.settlement import Settlement
from mm_bot.core.snapshot import Fill, Snapshot
from tests.core.builders import (
    NOW_MS,
    balances,
    fill,
    observation,
    open_order,
    own_orders,
    row,
    running,
    snapshot,
)
from tests.core.decisions import decided, unread

BOOKED = replace(running(), fill_totals=FillTotals(cursor=0))
FILLED = replace(
    row(Side.BUY, "1600", "0", status=OrderStatus.FILLED),
    lot=Size.of("0.000625"),
    filled_steps=160_000,
)
FILL = fill(7, Side.BUY, "1600", "100", order_id=FILLED.order_id)


@pytest.mark.parametrize(("newest", "cursor"), [(41, 41), (None, 0)])
def test_the_books_begin_with_the_newest_trade(newest: int | None, cursor: int) -> None:
    """What was filled before is not of these books, and no trade up to it is counted later; on an
    exchange without a trade they begin before the first."""
    first = decided(snapshot(own_orders(FILLED, newest_trade_id=newest)))
    assert first.fill_totals.cursor == cursor
    entry = first.settlements[FILLED.order_id]
    assert (entry.owed, entry.unbooked, entry.counts_after) == (0, 160_000, cursor)


@pytest.mark.parametrize(
    ("memory", "owed", "counts_after"),
    [
        (BOOKED, 160_000, 0),
        (replace(BOOKED, signatures_known=False), 0, 5),
        (
            replace(BOOKED, signatures_known=False, open_orders=(open_order(Side.BUY, "1600"),)),
            160_000,
            0,
        ),
    ],
    ids=["known", "unknown after a restart", "left open by the process before"],
)
def test_a_fill_is_owed_where_the_books_cannot_have_it(
    memory: Memory, owed: int, counts_after: int
) -> None:
    """A filled row without its fills is of late rows; only what an earlier process may have
    counted and forgotten is taken as counted, up to where its books were."""
    known = replace(memory, fill_totals=FillTotals(cursor=5))
    entry = decided(snapshot(own_orders(FILLED)), known).settlements[FILLED.order_id]
    assert (entry.owed, entry.counts_after) == (owed, counts_after)


@pytest.mark.parametrize(("ours_ms", "block_ms"), [(30_000, 31_001), (31_001, 30_000)])
def test_nothing_is_past_before_both_clocks_say_so(ours_ms: int, block_ms: int) -> None:
    """A row lives on past its expiry, and its signature, by the earlier of our clock and that of
    the latest block; without any block our own clock tells of the row."""
    late = row(Side.BUY, "1600", life_ms=1_000)
    venue = observation(own_orders(late), holdings=balances(block_ms=NOW_MS + block_ms))
    seen = snapshot(venue=venue, now_ms=NOW_MS + ours_ms)
    assert [each.order_id for each in decided(seen).tracked.open_orders] == [late.order_id]
    both = replace(seen, now_ms=NOW_MS + 31_001)
    dead = replace(
        both, venue=observation(own_orders(late), holdings=balances(block_ms=NOW_MS + 31_001))
    )
    assert not decided(dead).tracked.open_orders
    part = replace(venue.balances, value=None)
    blind = replace(both, venue=replace(venue, balances=part))
    assert not decided(blind).tracked.open_orders
    alive = replace(blind, now_ms=NOW_MS + 30_000)
    assert decided(alive).tracked.open_orders


def test_a_signature_dies_by_the_earlier_clock() -> None:
    """One that the chain's clock ended is not over while ours still shows its second."""
    late = row(Side.BUY, "1600", life_ms=1_000)
    for ours_ms, block_ms, counts in (
        (999, 5_000, True),
        (5_000, 999, True),
        (1_000, 1_000, False),
    ):
        venue = observation(own_orders(late), holdings=balances(block_ms=NOW_MS + block_ms))
        seen = snapshot(venue=venue, now_ms=NOW_MS + ours_ms)
        assert (late.order_id in decided(seen).signatures) is counts


def seen(
    *,
    read_ms: int | None = NOW_MS,
    block_ms: int = NOW_MS,
    fills: tuple[Fill, ...] = (),
    settled: dict[str, int] | None = None,
) -> Snapshot:
    """Balances of that read and block, and what they are told to contain."""
    held = replace(balances(block_ms=block_ms), settled=settled or {})
    rows = (FILLED,) if fills else ()
    venue = observation(own_orders(*rows, fills=fills), holdings=held)
    return snapshot(venue=replace(venue, balances_read_ms=read_ms))


WAITING = Settlement(
    nonce=1,
    side=Side.BUY,
    price=FILLED.price,
    lot=FILLED.lot,
    filled=3,
    settled=0,
    asked=True,
    since_ms=NOW_MS,
    since_block_ms=NOW_MS,
    expiry_ms=NOW_MS + 300_000,
    booked=3,
)
SHOWN = {FILLED.order_id: 160_000}


@pytest.mark.parametrize(
    ("at", "memory", "behind"),
    [
        (seen(), BOOKED, False),
        (seen(read_ms=None), BOOKED, True),
        (seen(), replace(BOOKED, last_fill_seen_ms=NOW_MS), True),
        (seen(), replace(BOOKED, last_fill_seen_ms=NOW_MS - 1), False),
        (seen(), replace(BOOKED, last_fill_made_ms=NOW_MS + 10_000), False),
        (seen(), replace(BOOKED, last_fill_made_ms=NOW_MS + 10_001), True),
        (seen(block_ms=NOW_MS - 1), replace(BOOKED, last_fill_made_ms=NOW_MS + 10_000), True),
        (seen(), running(), False),
        (seen(read_ms=NOW_MS - 1), running(), True),
        (seen(), replace(BOOKED, fills_since_ms=NOW_MS + 1), True),
        (seen(), replace(BOOKED, fills_since_ms=NOW_MS), False),
        (seen(fills=(FILL,)), BOOKED, True),
        (seen(fills=(FILL,), settled=SHOWN), BOOKED, False),
        (seen(fills=(FILL, fill(8, Side.SELL, "1600", "1")), settled=SHOWN), BOOKED, True),
        (seen(), replace(BOOKED, settlements={"a": WAITING}), False),
        (seen(), replace(BOOKED, settlements={"a": replace(WAITING, asked=False)}), True),
        (
            seen(),
            replace(BOOKED, settlements={"a": WAITING, "b": replace(WAITING, asked=False)}),
            True,
        ),
        (
            seen(),
            replace(BOOKED, settlements={"a": replace(WAITING, asked=False, filled=0, booked=0)}),
            False,
        ),
    ],
)
def test_balances_are_behind_the_fills_that_they_may_lack(
    at: Snapshot, memory: Memory, behind: bool
) -> None:
    """They were read before the last fill was seen, or before any could be; their block is over ten
    seconds older than the last fill; or the chain was not asked at that block about an order that
    has fills."""
    assert decided(at, memory).behind_fills is behind


def test_without_the_order_table_or_the_balances_nothing_is_known_to_be_held() -> None:
    """What is free is total less reserved, and each of the two tells one of them."""
    assert decided(seen(), BOOKED).holdings is not None
    assert decided(unread(seen()), BOOKED).holdings is None
    part = replace(seen().venue.balances, value=None)
    down = replace(seen(), venue=replace(seen().venue, balances=part))
    assert decided(down, BOOKED).holdings is None
    assert decided(down, BOOKED).behind_fills
