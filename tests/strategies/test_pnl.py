"""The books, through shorts and flips, and what made the result: the parts are always the whole."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Amount
from mm_bot.core.fills import FillTotals, count
from mm_bot.core.instrument import Side
from mm_bot.core.quoting import Quotes
from mm_bot.core.snapshot import Fill
from mm_bot.strategies.attribution import Attribution
from mm_bot.strategies.trial import Asked, measure, policy, view
from tests.core.builders import fill

ON = policy(pnl_attribution="true")


def booked(*fills: Fill, fill_totals: FillTotals | None = None) -> FillTotals:
    return count(fill_totals or FillTotals(cursor=0), fills, 0, 0)[0]


def part(quotes: Quotes, name: str) -> Decimal | None:
    return measure(quotes, "mm_bot_pnl_attribution", name)


@given(
    st.lists(
        st.tuples(st.sampled_from(Side), st.integers(1, 9), st.integers(-30, 30)), max_size=12
    ),
    st.integers(1, 8),
)
def test_sides_mirror_and_splitting_changes_nothing(
    trades: list[tuple[Side, int, int]], part_of_one: int
) -> None:
    """Sides swapped and prices mirrored around 1600: the same result. A fill in two parts: the
    same books. The fills of one price in any order: the same worth."""
    rows = [fill(n, s, str(1600 + d), str(v)) for n, (s, v, d) in enumerate(trades, start=1)]
    mirrored = [
        fill(n, s.opposite, str(1600 - d), str(v)) for n, (s, v, d) in enumerate(trades, start=1)
    ]
    books, other = booked(*rows), booked(*mirrored)
    assert (books.realised, books.position) == (other.realised, -other.position)
    split = booked(
        *(
            fill(2 * n + i + 1, f.side, str(f.price), str(f.size.value * eighths / 8))
            for n, f in enumerate(rows)
            for i, eighths in enumerate((part_of_one, 8 - part_of_one))
            if eighths
        )
    )
    assert (split.cash, split.position, split.fees) == (books.cash, books.position, books.fees)
    # what was paid for a part of a position is a quotient
    assert abs((split.realised - books.realised).value) < Decimal("1e-15")
    assert split.adds_up
    level = [fill(n, s, "1600", str(v)) for n, (s, v, _) in enumerate(trades, start=1)]
    turned = [fill(n, s, "1600", str(v)) for n, (s, v, _) in enumerate(trades[::-1], start=1)]
    assert booked(*level).cash == booked(*turned).cash
    assert booked(*level).position == booked(*turned).position


STEPS = st.lists(
    st.tuples(
        st.integers(1500, 1700),
        st.lists(
            st.tuples(
                st.sampled_from(Side),
                st.integers(1, 9),
                st.integers(1500, 1700),
                st.integers(-3, 3),
            ),
            max_size=3,
        ),
    ),
    min_size=2,
    max_size=12,
)


@given(STEPS, st.sets(st.integers(1, 11), max_size=2))
def test_capture_and_inventory_less_fees_are_the_whole_result(
    steps: list[tuple[int, list[tuple[Side, int, int, int]]]], restarts: set[int]
) -> None:
    """The sum over fills of s (m - p) v, which is the money of their markouts at 0, and over marks
    of q (m' - m), less the fees, is what the books changed, over restarts too."""
    asked, fill_totals, number = Asked(ON), FillTotals(cursor=0), 0
    mark = Decimal(steps[0][0])
    quotes = asked.quote(view(str(mark), fill_totals=fill_totals))
    captured, inventory, fees = Decimal(0), Decimal(0), Decimal(0)
    for i, (price, fills) in enumerate(steps[1:], start=1):
        if i in restarts:
            asked.restart()
        rows = [
            replace(fill(number + n, side, str(at), str(size)), fee=Amount.of(fee))
            for n, (side, size, at, fee) in enumerate(fills, start=1)
        ]
        number += len(rows)
        # A restart goes on from the mark of the last fill: nothing moved since but the mark.
        fill_totals, new = count(fill_totals, rows, number, 0)
        if i not in restarts or not new:
            captured += sum(
                (f.side.sign * (mark - f.price.value) * f.size.value for f in new), Decimal(0)
            )
            inventory += fill_totals.position.value * (price - mark)
        fees += sum((each.fee.value for each in new), Decimal(0))
        mark = Decimal(price)
        quotes = asked.quote(replace(view(str(price), at_s=i, fill_totals=fill_totals), fills=new))
        whole = fill_totals.cash.value + fill_totals.position.value * mark
        assert part(quotes, "total") == whole
        assert part(quotes, "fees") == -fees
        if i in restarts and new:
            told = part(quotes, "spread_capture"), part(quotes, "inventory")
            assert None not in told
            captured, inventory = Decimal(told[0] or 0), Decimal(told[1] or 0)
        assert part(quotes, "spread_capture") == captured
        assert part(quotes, "inventory") == inventory
        assert captured + inventory - fees == whole


def test_adverse_selection_is_what_the_reference_did_within_the_horizon() -> None:
    """Bought 2 at 1598 with the mark at 1600; five seconds later it is 1590: -20 of the
    inventory's -24, the rest came after."""
    asked, fill_totals = Asked(ON), FillTotals(cursor=0)
    asked.quote(view("1600", fill_totals=fill_totals))
    bought = fill(1, Side.BUY, "1598", "2")
    fill_totals = booked(bought, fill_totals=fill_totals)
    asked.quote(replace(view("1600", at_s=0.1, fill_totals=fill_totals), fills=(bought,)))
    asked.quote(view("1590", at_s=4.5, fill_totals=fill_totals))
    waits = asked.quote(view("1590", at_s=4.9, fill_totals=fill_totals))
    assert part(waits, "adverse_selection") == 0
    asked.quote(view("1588", at_s=5.1, fill_totals=fill_totals))
    quotes = asked.quote(view("1588", at_s=6, fill_totals=fill_totals))
    assert part(quotes, "adverse_selection") == -20
    assert part(quotes, "spread_capture") == 4
    assert part(quotes, "inventory") == -24
    assert part(quotes, "total") == -20
    assert measure(quotes, "mm_bot_pnl_adverse_unknown_fills") == 0


def test_without_a_fresh_reference_it_is_unknown_and_counted() -> None:
    """The last reference before the horizon is 5 s old; half of that is the limit."""
    asked = Asked(ON)
    asked.quote(view("1600", fill_totals=FillTotals(cursor=0)))
    sold = fill(1, Side.SELL, "1604", "2")
    fill_totals = booked(sold)
    asked.quote(replace(view("1600", fill_totals=fill_totals), fills=(sold,)))
    quotes = asked.quote(view("1590", at_s=9, fill_totals=fill_totals))
    assert part(quotes, "adverse_selection") == 0
    assert measure(quotes, "mm_bot_pnl_adverse_unknown_fills") == 1


def test_parts_that_are_not_the_whole_are_never_told() -> None:
    """It is asserted where it is told; a saved state that does not add up is begun anew."""
    with pytest.raises(AssertionError):
        _ = Attribution(worth=Amount.of(1)).total
    asked = Asked(ON)
    asked.kept = replace(asked.kept, saved={"attribution": ["1600", "0", "1", *["0"] * 6]})
    assert part(asked.quote(view("1600")), "total") == 0
