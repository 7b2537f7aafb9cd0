"""Own fills are counted once each, and what they earned adds up to the last unit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Amount, Price
from mm_bot.core.fills import FillTotals, count
from mm_bot.core.instrument import Side
from mm_bot.core.snapshot import Fill
from tests.core.builders import FUTURE, NOW_MS, SPOT, fill

STARTED = FillTotals(cursor=0)
MINUTE_MS = 60_000
prices = st.decimals(min_value="1000", max_value="2000", places=2)
sizes = st.decimals(min_value="0.001", max_value="1000", places=3)
fills = st.lists(st.tuples(st.sampled_from(Side), prices, sizes), max_size=20).map(
    lambda rows: [
        fill(i + 1, side, str(price), str(size)) for i, (side, price, size) in enumerate(rows)
    ]
)


@given(fills, st.lists(st.integers(0, 20), max_size=8))
def test_reading_twice_counts_once(rows: list[Fill], reads: list[int]) -> None:
    """Invariant 1: however often and in whatever pieces rows are read, each counts once."""
    fill_totals, counted = STARTED, 0
    for until in [*reads, len(rows)]:
        fill_totals, new = count(fill_totals, rows[:until], until, NOW_MS)
        counted += len(new)
    assert counted == len(rows) == fill_totals.buys + fill_totals.sells
    total = sum((f.size.value * f.side.sign for f in rows), Decimal(0))
    assert fill_totals.position.value == total
    assert fill_totals.position == fill_totals.bought - fill_totals.sold


@given(fills, prices)
def test_results_add_up_exactly(rows: list[Fill], price: Decimal) -> None:
    """Invariant 3: cash + position x price = realised + unrealised, to the last digit."""
    for market in (SPOT, FUTURE):
        here = [fill(f.trade_id, f.side, str(f.price), str(f.size), market=market) for f in rows]
        fill_totals, _ = count(STARTED, here, len(here), NOW_MS)
        at = Price(price)
        worth = (at * fill_totals.position).times(market.multiplier)
        assert fill_totals.cash + worth == fill_totals.realised + fill_totals.unrealised(market, at)


def test_books_add_up_to_the_last_unit_or_do_not() -> None:
    """Invariant 3: cash and cost are what was realised, less fees."""
    books = FillTotals(
        cash=Amount.of(-3), cost=Amount.of(2), realised=Amount.of(1), fees=Amount.of(2)
    )
    assert books.adds_up
    assert not replace(books, cash=Amount.of(-4)).adds_up


def test_a_late_row_is_counted() -> None:
    """Invariant 2: a row that commits late under a lower id is counted while it may still come."""
    fill_totals, _ = count(STARTED, [fill(2, Side.BUY, "1600", "1")], 2, NOW_MS)
    fill_totals, new = count(
        fill_totals, [fill(1, Side.BUY, "1600", "1"), fill(2, Side.BUY, "1600", "1")], 2, NOW_MS + 1
    )
    assert [f.trade_id for f in new] == [1]
    assert fill_totals.buys == 2


def test_the_cursor_trails_by_a_whole_minute() -> None:
    """Up to the last moment of it a row under a lower id is still counted, however often others
    were read meanwhile."""
    later, late = fill(9, Side.BUY, "1600", "1"), fill(7, Side.SELL, "1600", "1")
    fill_totals, _ = count(STARTED, [later], 9, NOW_MS)
    for at_ms in (1, 100, MINUTE_MS - 1):
        fill_totals, new = count(fill_totals, [later], 9, NOW_MS + at_ms)
        assert (fill_totals.cursor, new) == (0, ())
    fill_totals, new = count(fill_totals, [late, later], 9, NOW_MS + MINUTE_MS - 1)
    assert new == (late,)
    fill_totals, _ = count(fill_totals, [late, later], 9, NOW_MS + MINUTE_MS)
    assert (fill_totals.cursor, fill_totals.floor) == (9, 0)


def test_the_cursor_moves_only_past_what_has_settled() -> None:
    """The cursor follows a minute behind, and what it passed is not counted again."""
    rows = [fill(5, Side.SELL, "1600", "1")]
    fill_totals, _ = count(STARTED, rows, 5, NOW_MS)
    assert fill_totals.cursor == 0
    fill_totals, _ = count(fill_totals, rows, 9, NOW_MS + MINUTE_MS)
    assert fill_totals.cursor == 5
    assert fill_totals.seen == frozenset()
    fill_totals, new = count(fill_totals, rows, 9, NOW_MS + 2 * MINUTE_MS)
    assert not new


def test_a_row_is_looked_for_twenty_minutes_back() -> None:
    """Of the cursors of an hour the last twenty are known: the oldest is where a fill that is owed
    is looked for."""
    fill_totals = STARTED
    for minute in range(61):
        fill_totals, _ = count(fill_totals, [], minute, NOW_MS + minute * MINUTE_MS)
    assert fill_totals.cursor is not None
    assert fill_totals.past == tuple(range(fill_totals.cursor - 20, fill_totals.cursor))
    assert fill_totals.floor == fill_totals.cursor - 20


def test_before_the_first_read_nothing_is_ours() -> None:
    """Totals without a cursor start at the newest trade: what was before is not counted."""
    fill_totals, new = count(FillTotals(), [], 41, NOW_MS)
    assert (fill_totals.cursor, new) == (41, ())


def test_a_round_trip_realises_its_spread() -> None:
    """Bought at 1596, sold at 1604, one hundred each: 800 cNGN realised, nothing left."""
    rows = [fill(1, Side.BUY, "1596", "100"), fill(2, Side.SELL, "1604", "100")]
    fill_totals, _ = count(STARTED, rows, 2, NOW_MS)
    assert (str(fill_totals.realised), str(fill_totals.position), str(fill_totals.cost)) == (
        "800",
        "0",
        "0",
    )
