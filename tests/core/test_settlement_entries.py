"""What is remembered of an order with fills, and until when."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.liability import Signature
from mm_bot.core.orders import OrderStatus, Ownership, RestingOrder
from mm_bot.core.settlement import (
    Pending,
    Settlement,
    disagreeing,
    lacking,
    pending,
    settle,
    told_beside,
    unsettled,
)
from tests.core.builders import FUTURE, NOW_MS, SPOT, balances
from tests.core.settling import EXPIRY_MS, FILL, HALF, ID, KNOWN, LOT, PAST, one_look


@pytest.mark.parametrize(
    ("entry", "seen_row", "count", "block_ms", "kept"),
    [
        (KNOWN, replace(HALF, size=Size.of(0)), 80, NOW_MS, False),
        (KNOWN, replace(HALF, size=Size.of(0)), None, NOW_MS, False),
        (KNOWN, replace(HALF, size=Size.of(0)), 79, NOW_MS, True),
        (KNOWN, replace(HALF, size=Size.of(0)), 81, NOW_MS, True),
        (replace(KNOWN, booked=79), replace(HALF, size=Size.of(0)), 80, NOW_MS, False),
        (replace(KNOWN, booked=78), replace(HALF, size=Size.of(0)), 80, NOW_MS, True),
        (KNOWN, HALF, 80, EXPIRY_MS + 60_000, True),
        (KNOWN, HALF, 80, EXPIRY_MS + 60_001, False),
        (KNOWN, replace(HALF, status=OrderStatus.ACTIVE), 80, EXPIRY_MS + 60_001, True),
        (KNOWN, replace(HALF, status=OrderStatus.ACTIVE, size=Size.of(0)), 80, NOW_MS, True),
        (KNOWN, None, 80, EXPIRY_MS + 600_000, True),
        (KNOWN, None, 80, EXPIRY_MS + 600_001, False),
        (replace(KNOWN, settled=0), None, 0, EXPIRY_MS + 600_001, False),
        (replace(KNOWN, booked=78), None, 80, EXPIRY_MS + 600_001, True),
        (replace(KNOWN, reverted=80, settled=0), replace(HALF, size=Size.of(0)), 80, NOW_MS, True),
        (None, replace(HALF, filled_steps=0), None, NOW_MS, False),
        (None, replace(HALF, filled_steps=0, status=OrderStatus.ACTIVE), None, NOW_MS, False),
        (None, HALF, None, NOW_MS, True),
    ],
)
def test_an_order_with_fills_is_remembered_until_all_agree_and_nothing_can_fill(
    entry: Settlement | None,
    seen_row: RestingOrder | None,
    count: int | None,
    block_ms: int,
    kept: bool,
) -> None:
    """Invariant 3: its row is terminal with nothing left, or a minute past its expiry by the
    chain's clock; of each trade a step may be lost by rounding. What settled after all is
    remembered for the books to hear of it; and ten minutes past its expiry only a disagreement
    is."""
    rows = () if seen_row is None else (seen_row,)
    assert (one_look(entry, *rows, count=count, block_ms=block_ms) is not None) is kept


@pytest.mark.parametrize(
    ("status", "filled", "kept"),
    [
        (OrderStatus.ACTIVE, 0, True),
        (OrderStatus.MATCHING, 0, True),
        (OrderStatus.CANCELLED, 0, False),
        (OrderStatus.CANCELLED, 80, True),
    ],
)
def test_a_live_order_that_we_do_not_manage_is_remembered_before_it_fills(
    status: OrderStatus, filled: int, kept: bool
) -> None:
    """Nobody else asks for its row; once it ended untouched there is nothing to wait for."""
    by_hand = replace(HALF, status=status, filled_steps=filled, ownership=Ownership.PROTECTED)
    assert (one_look(None, by_hand) is not None) is kept
    known = replace(KNOWN, filled=filled, settled=filled, booked=filled)
    assert (one_look(known, by_hand, count=filled) is not None) is kept


@pytest.mark.parametrize(
    ("ours_ms", "blocks_ms", "asked", "reverted"),
    [
        (60_001, 60_001, True, 80),
        (60_000, 60_001, True, 0),
        (60_001, 60_000, True, 0),
        (90_000, 90_000, False, 0),
    ],
)
def test_a_match_counts_as_reverted_after_a_minute_by_both_clocks(
    ours_ms: int, blocks_ms: int, asked: bool, reverted: int
) -> None:
    """Invariant 2: a minute of ours and of blocks, on a chain that was asked. Then it is not
    pending, and can still be filled by its signature."""
    known = replace(
        KNOWN,
        settled=0,
        asked=asked,
        since_ms=NOW_MS - ours_ms,
        since_block_ms=NOW_MS - blocks_ms,
    )
    found = one_look(known, HALF)
    assert found is not None
    assert (found.reverted, found.pending, found.unsettled) == (reverted, 80 - reverted, 80)
    first = one_look(replace(known, since_block_ms=None), HALF)
    assert first is not None
    assert (first.reverted, first.since_block_ms) == (0, NOW_MS), "no block was seen before"


@pytest.mark.parametrize(("filled", "since_ms"), [(80, NOW_MS - 100_000), (81, NOW_MS)])
def test_the_minute_begins_anew_with_each_fill_and_what_was_proven_stays(
    filled: int, since_ms: int
) -> None:
    """So it does where the chain takes back a block; a row that tells less than before is an old
    one."""
    known = replace(KNOWN, unbooked=3, counts_after=7, reverted=2, odd_since_ms=5)
    grown = settle({ID: known}, (replace(HALF, filled_steps=filled),), (), None, NOW_MS, past=PAST)
    block_ms = None if filled > 80 else since_ms
    expected = replace(known, filled=filled, since_ms=since_ms, since_block_ms=block_ms)
    assert grown == {ID: expected}
    older = settle({ID: known}, (replace(HALF, filled_steps=1),), (), None, NOW_MS, past=PAST)
    assert older == {ID: known}
    for count, again in ((80, False), (79, True)):
        found = one_look(KNOWN, replace(HALF, status=OrderStatus.ACTIVE), count=count)
        assert found is not None
        assert (found.since_ms == NOW_MS, found.since_block_ms == NOW_MS) == (again, again)


def test_what_reverted_and_settled_in_part_is_reverted_as_far_as_it_is_not() -> None:
    """Without waiting for a minute again."""
    known = replace(KNOWN, settled=0, reverted=80, since_ms=NOW_MS)
    found = one_look(known, HALF, count=30)
    assert found is not None
    assert (found.reverted, found.pending) == (50, 0)


def test_a_disagreement_is_as_old_as_its_first_look() -> None:
    """A step of a trade may be lost by rounding, and what was filled before the books began is
    owed by nobody; it ends with the look that agrees."""
    table: tuple[tuple[dict[str, Any], bool], ...] = (
        ({}, False),
        ({"booked": 79}, False),
        ({"booked": 78}, True),
        ({"booked": 78, "unbooked": 2}, False),
        ({"booked": 40, "unbooked": 40}, False),
        ({"settled": 81}, True),
        ({"settled": 81, "unbooked": 81, "booked": 0}, False),
    )
    for changes, odd in table:
        at = one_look(replace(KNOWN, **changes), HALF)
        assert at is not None
        assert at.odd_since_ms == (NOW_MS if odd else None), changes
    before = replace(KNOWN, booked=1, odd_since_ms=NOW_MS - 7)
    still = one_look(before, HALF)
    over = one_look(replace(before, booked=80), HALF)
    assert still is not None
    assert over is not None
    assert (still.odd_since_ms, over.odd_since_ms) == (NOW_MS - 7, None)
    assert disagreeing({ID: before}, NOW_MS - 7 + 600_000) == {}
    assert disagreeing({ID: before}, NOW_MS - 6 + 600_000) == {ID: before}
    assert disagreeing({ID: KNOWN}, 10**15) == {}


def test_each_side_is_pending_by_itself() -> None:
    """A bid in size and worth, an ask in size; what the chain was not asked about is pending and
    not known to be lacking."""
    bid, ask = replace(KNOWN, settled=30), replace(KNOWN, settled=50, side=Side.SELL)
    every = {"none": KNOWN, "a": bid, "b": replace(bid, settled=70), "c": ask, "d": ask}
    assert pending(every, SPOT) == Pending(
        bought=LOT.times(Decimal(60)), bought_for=Amount.of(60), sold=LOT.times(Decimal(60))
    )
    some = {**every, "a": replace(bid, asked=False), "d": replace(ask, asked=False)}
    assert lacking(some, SPOT) == Pending(
        bought=LOT.times(Decimal(10)), bought_for=Amount.of(10), sold=LOT.times(Decimal(30))
    )
    lot = replace(bid, lot=Size.of("0.001"))
    of_future = pending({"a": lot}, FUTURE)
    assert (of_future.bought, of_future.bought_for) == (Size.of("0.05"), Amount.of(800_000))
    assert unsettled(every, SPOT) == {
        name: (LOT.times(Decimal(steps)), Amount.of(steps))
        for name, steps in (("a", 50), ("b", 10), ("c", 30), ("d", 30))
    }


def test_an_order_is_asked_for_whose_row_was_not_read() -> None:
    """A fill names it, or the chain counts what one of our signatures filled: by its id alone it
    is known, with nothing filled yet by any row."""
    told = settle({}, (), (FILL,), None, NOW_MS, past=PAST)[ID]
    assert (told.nonce, told.side, told.filled, told.settled, told.asked) == (
        1,
        Side.BUY,
        0,
        0,
        False,
    )
    assert (told.booked, told.trades, told.owed) == (160_000, frozenset({1}), 0)
    stranger = replace(FILL, order_id="by-hand")
    assert settle({}, (), (stranger,), None, NOW_MS, past=PAST)["by-hand"].nonce == 0
    signed = Signature(side=Side.SELL, left=Size.of(1), notional=Amount.of(1), expiry_ms=EXPIRY_MS)
    past = replace(PAST, signatures={ID: signed})
    found = one_look(None, count=5, past=past)
    assert found is not None
    assert (found.side, found.filled, found.settled, found.odd_since_ms) == (
        Side.SELL,
        0,
        5,
        NOW_MS,
    )
    assert found.price == Price.of(0)
    assert one_look(None, count=0, past=past) is None
    assert one_look(None, count=5) is None, "no signature of ours"


def test_a_new_entry_knows_what_left_the_books() -> None:
    """Over a restart what reverted is not taken out again."""
    past = replace(PAST, taken_out={ID: 30})
    for known, out in ((past, 30), (PAST, 0)):
        found = settle({}, (HALF,), (), None, NOW_MS, past=known)[ID]
        assert (found.reverted, found.unbooked, found.booked) == (out, 0, 0)


def test_a_fill_is_told_beside_where_the_chain_and_the_row_have_it() -> None:
    """Then the balances contain it, or it is pending."""
    held = replace(balances(), settled={ID: 1})
    for entry, beside in (
        (None, True),
        (KNOWN, True),
        (replace(KNOWN, booked=81), False),
        (replace(KNOWN, unbooked=1), False),
        (replace(KNOWN, filled=81, unbooked=1), True),
    ):
        entries = {} if entry is None else {ID: entry}
        assert told_beside(FILL, entries, held) is beside
    assert not told_beside(FILL, {}, None)
    assert not told_beside(FILL, {}, balances())
