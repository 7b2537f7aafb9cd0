"""Own fills are counted once each, and what they earned adds up to the last unit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Price, Size
from mm_bot.core.fills import FillTotals, count, reverted
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.settlement import Settlement
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


@pytest.mark.parametrize(
    ("rows", "position", "cash", "cost", "realised", "fees"),
    [
        ("buy 100 1596, sell 100 1604", "0", "800", "0", "800", "0"),
        ("sell 1 100, buy 1 90", "0", "10", "0", "10", "0"),
        ("buy 1 100, sell 2 110, buy 1 105", "0", "15", "0", "15", "0"),
        ("buy 1 100, sell 2 110", "-1", "120", "-110", "10", "0"),
        ("sell 2 100, buy 3 90", "1", "-70", "90", "20", "0"),
        ("buy 1 100, buy 1 110, sell 0.5 120", "1.5", "-150", "157.5", "7.5", "0"),
        ("sell 1 100 2, buy 1 90 -0.5", "0", "8.5", "0", "10", "1.5"),
        (
            "buy 3 10.00000000000000001, sell 1 11",
            "2",
            "-19.00000000000000003",
            "20.00000000000000002",
            "0.99999999999999999",
            "0",
        ),
        (
            "buy 3 0.0000000000000000001, sell 1 0",
            "2",
            "-0.0000000000000000003",
            "0.0000000000000000003",
            "0",
            "0",
        ),
        ("buy 1 0.0000000000000000001, sell 1 0", "0", "-1E-19", "0", "-1E-19", "0"),
    ],
)
def test_a_fill_is_booked_at_average_cost_through_shorts_and_flips(
    rows: str, position: str, cash: str, cost: str, realised: str, fees: str
) -> None:
    """`side size price fee`; the third to fifth are the vectors of the specification, section 13.
    Fees are paid beside what is realised, and a rebate is a negative one. Shares of a cost are
    rounded at 1e-18 cNGN, the whole of it never, so that nothing held costs nothing."""
    made = []
    for number, text in enumerate(rows.split(", "), start=1):
        side, size, price, *fee = text.split()
        one = fill(number, Side(side), price, size)
        worth = one.price * one.size
        made.append(replace(one, notional=worth, fee=Amount.of(fee[0]) if fee else NO_AMOUNT))
    books, _ = count(STARTED, made, len(made), NOW_MS)
    assert (books.position, books.cash, books.cost, books.realised, books.fees) == (
        Size.of(position),
        *(Amount.of(each) for each in (cash, cost, realised, fees)),
    )
    assert books.adds_up


def entry(
    market: Instrument, side: Side = Side.BUY, *, filled: int, unbooked: int = 0, out: int = 0
) -> Settlement:
    """Of an order at 1600 whose fills were all counted but for `unbooked`, of which the chain has
    none of the last `out`."""
    return Settlement(
        nonce=1,
        side=side,
        price=Price.of(1600),
        lot=Size.of("0.000625" if market is SPOT else "0.001"),
        filled=filled,
        settled=filled - out,
        asked=True,
        since_ms=NOW_MS,
        since_block_ms=NOW_MS,
        expiry_ms=NOW_MS,
        unbooked=unbooked,
        reverted=out,
        booked=filled - unbooked,
    )


@given(
    st.sampled_from([SPOT, FUTURE]),
    st.lists(
        st.tuples(st.sampled_from(Side), st.integers(1, 9), st.integers(0, 9)),
        min_size=1,
        max_size=5,
    ),
)
def test_books_without_what_reverted_are_those_of_the_rest(
    market: Instrument, orders: list[tuple[Side, int, int]]
) -> None:
    """Of orders of so many steps the last so many revert: position, cash and volumes are as if
    only the rest had been filled, asked once or twice, and whole again should all of it settle
    after all; what earned them adds up at any time."""

    def filled(*steps: int) -> FillTotals:
        rows = [
            fill(number, side, "1600", str(entry(market, filled=1).size(each)), market=market)
            for number, (side, each) in enumerate(zip(sides, steps, strict=True), start=1)
            if each
        ]
        return count(STARTED, rows, len(rows), NOW_MS)[0]

    def flow(books: FillTotals) -> tuple[object, ...]:
        assert books.adds_up
        assert books.position or not books.cost
        return books.position, books.cash, books.bought, books.sold

    sides = [side for side, _, _ in orders]
    whole, gone = [each for _, each, _ in orders], [min(each, out) for _, each, out in orders]
    books = filled(*whole)
    entries = {
        str(i): entry(market, side, filled=each, out=out)
        for i, (side, each, out) in enumerate(zip(sides, whole, gone, strict=True))
    }
    without = reverted(books, entries, market)
    assert flow(without) == flow(
        filled(*(each - out for each, out in zip(whole, gone, strict=True)))
    )
    assert reverted(without, entries, market) == without
    settled = {order_id: replace(each, reverted=0) for order_id, each in entries.items()}
    assert flow(reverted(without, settled, market)) == flow(books)
    assert (without.buys, without.sells) == (books.buys, books.sells)


@pytest.mark.parametrize(
    ("filled", "unbooked", "out", "taken"),
    [(10, 0, 3, 3), (10, 4, 5, 1), (10, 4, 4, 0), (10, 4, 2, 0), (10, 9, 10, 1)],
)
def test_only_what_was_booked_is_taken_out(
    filled: int, unbooked: int, out: int, taken: int
) -> None:
    """What was filled before the books began is the first of an order to revert."""
    entries = {"a": entry(FUTURE, filled=filled, unbooked=unbooked, out=out)}
    books = reverted(STARTED, entries, FUTURE)
    assert books.reverted == ({"a": taken} if taken else {})
    assert books.position == -entry(FUTURE, filled=1).size(taken)
    more = {"a": replace(entries["a"], reverted=100)}
    assert reverted(STARTED, more, FUTURE).reverted == {"a": filled - unbooked}


@pytest.mark.parametrize(
    ("rows", "counted"),
    [
        ("a 10 60", "a 10 60"),
        ("a 4 60", "a 4 60"),
        ("a 3 60", ""),
        ("a 5 60", ""),
        ("a 4 61", ""),
        ("a 4 0", ""),
        ("a 4 1", "a 4 1"),
        ("a 4 30, a 6 30", "a 4 30, a 6 30"),
        ("a 4 30, a 6 31", "a 4 30"),
        ("a 4 30, b 6 40, a 7 30", "a 4 30, b 6 40, a 7 30"),
        ("c 4 1", ""),
    ],
)
def test_behind_the_cursor_a_row_counts_where_its_order_lacks_it(rows: str, counted: str) -> None:
    """`order trade steps`, the cursor at trade 10. Order a lacks 60 steps, its trade 5 is counted
    and nobody knows of those up to 3; b lacks 40, and of c nothing is known."""

    def made(text: str) -> tuple[Fill, ...]:
        parts = (each.split() for each in text.split(", ") if each)
        return tuple(
            replace(fill(int(trade), Side.BUY, "1600", "1", order_id=order), steps=int(steps))
            for order, trade, steps in parts
        )

    lacking = replace(entry(SPOT, filled=100), booked=40, trades=frozenset({5}), counts_after=3)
    known = {"a": lacking, "b": replace(lacking, booked=60)}
    _, new = count(FillTotals(cursor=10), made(rows), 10, NOW_MS, known)
    assert new == made(counted)


def test_the_books_begin_empty() -> None:
    """Nothing is held, earned or paid before the first fill."""
    begun = FillTotals()
    assert (begun.position, begun.bought, begun.sold) == (NO_SIZE, NO_SIZE, NO_SIZE)
    assert (begun.buys, begun.sells) == (0, 0)
    assert begun.adds_up
