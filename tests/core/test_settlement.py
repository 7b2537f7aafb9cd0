"""Fills between the table and the chain: the worse of both counts until a block proves them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from mm_bot.core.exact import NO_AMOUNT, Amount, Price, Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Side
from mm_bot.core.liability import Signature, outstanding
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderStatus, Ownership, RestingOrder
from mm_bot.core.quoting import MissingReason
from mm_bot.core.remember import Report, remember
from mm_bot.core.risk import HaltReason
from mm_bot.core.settlement import (
    REVERTED_AFTER_MS,
    Past,
    Pending,
    Settlement,
    disagreeing,
    lacking,
    pending,
    settle,
    told_beside,
    unsettled,
)
from mm_bot.core.snapshot import Fill, Snapshot
from mm_bot.core.watching import fills_after
from mm_bot.host.persistence import first_memory, to_state
from tests.core.builders import (
    FUTURE,
    NOW_MS,
    POLICY,
    QUOTES,
    SPOT,
    balances,
    fill,
    own_orders,
    row,
    snapshot,
)
from tests.core.decisions import ASK, decided

LOT = Size.of("0.000625")
"""One cNGN at 1600."""
FILLED = replace(
    row(Side.BUY, "1600", nonce=1, status=OrderStatus.FILLED),
    size=Size.of(0),
    lot=LOT,
    filled_steps=160_000,
)
"""A bid for 100 that is filled by its row."""
FILL = fill(1, Side.BUY, "1600", "100", order_id=FILLED.order_id)
TIGHT = replace(POLICY, quote=replace(QUOTES, max_long=Size.of(10_100)))
"""Room for one order of 100 beside the 10,000 held."""
BEGUN = Memory(
    started_ms=NOW_MS, startup=False, signatures_known=True, fill_totals=FillTotals(cursor=0)
)


def seen(
    *rows: RestingOrder,
    fills: tuple[Fill, ...] = (),
    settled: int | None = None,
    base: str = "10000",
    later_ms: int = 0,
) -> Snapshot:
    """A moment at which the chain counts so much of the filled bid."""
    now_ms = NOW_MS + later_ms
    made = snapshot(own_orders(*rows, fills=fills), now_ms=now_ms)
    held = made.venue.balances
    assert held.value is not None
    counts = {} if settled is None else {FILLED.order_id: settled}
    value = replace(held.value, base=Size.of(base), block_time_ms=now_ms, settled=counts)
    part = replace(held, value=value, as_of_ms=now_ms)
    return replace(made, venue=replace(made.venue, balances=part))


def after_the_fill() -> Memory:
    """The fill was told, and no block shows it."""
    first = decided(seen(ASK, FILLED, fills=(FILL,), settled=0), BEGUN, TIGHT)
    assert not first.plan.places
    return remember(BEGUN, first, Report(), dry_run=False)


def test_a_fill_that_no_block_shows_takes_its_headroom() -> None:
    """However often the lagging balance is read anew, the bid has no room until the chain counts
    the fill."""
    memory = after_the_fill()
    for later_ms in (1_000, 5_000, 9_000):
        lagging = decided(seen(ASK, FILLED, settled=0, later_ms=later_ms), memory, TIGHT)
        assert not lagging.plan.places
        assert MissingReason.INVENTORY_LIMIT in {gap.reason for gap in lagging.missing}
        memory = remember(memory, lagging, Report(), dry_run=False)
    wide = replace(POLICY, quote=replace(QUOTES, max_long=Size.of(10_200)))
    shown = seen(ASK, FILLED, settled=160_000, base="10100", later_ms=10_000)
    proven = decided(shown, memory, wide)
    assert [place.level.side for place in proven.plan.places] == [Side.BUY]
    assert not proven.settlements


def test_a_fill_is_not_taken_twice() -> None:
    """Once a block contains it, the balance alone counts."""
    memory = after_the_fill()
    proven = decided(seen(ASK, FILLED, settled=160_000, later_ms=1_000), memory, TIGHT)
    assert proven.holdings is not None
    assert proven.holdings.base_highest == proven.holdings.base_total


@pytest.mark.parametrize("side", list(Side))
def test_a_fill_that_no_block_shows_counts_for_the_inventory_halts(side: Side) -> None:
    """A chain that is behind hides no inventory beyond its limit. The halt ends where the match
    reverted; and a start that did not ask the chain yet halts for nothing that it may show."""
    short = side is Side.SELL
    quote = replace(POLICY.quote, max_long=Size.of(10_050), max_short=Size.of(-50))
    risks = replace(POLICY.risk, max_long=quote.max_long, max_short=quote.max_short)
    limits = replace(POLICY, quote=quote, risk=risks)
    base, reason = ("0", HaltReason.MAX_SHORT) if short else ("10000", HaltReason.MAX_LONG)
    filled = replace(FILLED, side=side)
    told = fill(1, side, "1600", "100", order_id=FILLED.order_id)
    lags = decided(seen(filled, fills=(told,), settled=0, base=base), BEGUN, limits)
    assert [(halt.reason, dict(halt.numbers)["inventory"]) for halt in lags.halts] == [
        (reason, "-100" if short else "10100")
    ]
    assert not decided(seen(filled, fills=(told,), base=base), BEGUN, limits).halts, "not asked"
    memory = remember(BEGUN, lags, Report(), dry_run=False)
    late = seen(filled, settled=0, base=base, later_ms=REVERTED_AFTER_MS + 1)
    assert not decided(late, memory, limits).halts


def test_a_sale_that_no_block_shows_is_gone_from_what_asks_may_sell() -> None:
    """The other side is not helped by a fill the balance lacks, and the sold base is not offered
    again."""
    sold = replace(FILLED, side=Side.SELL)
    told = decided(seen(sold, settled=0), BEGUN)
    assert told.holdings is not None
    assert told.holdings.base_available == Size.of(9_900)
    assert told.holdings.base_lowest == Size.of(9_900)
    assert told.holdings.base_highest == Size.of(10_000)


def test_a_match_that_reverted_leaves_the_books_and_its_signature_counts() -> None:
    """Blocks go on and none has it: position and cash are as before, the headroom is back, and what
    the signature can still fill is in the liability."""
    memory = after_the_fill()
    assert memory.fill_totals.position == Size.of(100)
    late = seen(ASK, FILLED, settled=0, later_ms=REVERTED_AFTER_MS + 1)
    told = decided(late, memory, TIGHT)
    assert (told.fill_totals.position, told.fill_totals.bought) == (Size.of(0), Size.of(0))
    assert (told.fill_totals.cash, told.fill_totals.realised) == (NO_AMOUNT, NO_AMOUNT)
    assert told.holdings is not None
    assert told.holdings.base_highest == Size.of(10_000)
    assert outstanding(told.signatures, Side.BUY) == Size.of(100)
    memory = remember(memory, told, Report(), dry_run=False)
    assert decided(late, memory, TIGHT).fill_totals == told.fill_totals


def test_a_match_that_settles_after_all_returns_to_the_books() -> None:
    """What was taken out as reverted is booked again once the chain counts it."""
    memory = after_the_fill()
    before = memory.fill_totals
    late = seen(ASK, FILLED, settled=0, later_ms=REVERTED_AFTER_MS + 1)
    memory = remember(memory, decided(late, memory, TIGHT), Report(), dry_run=False)
    shown = seen(ASK, FILLED, settled=160_000, base="10100", later_ms=REVERTED_AFTER_MS + 2_000)
    back = decided(shown, memory, TIGHT).fill_totals
    assert (back.position, back.cash, back.bought) == (before.position, before.cash, before.bought)


def test_a_restart_takes_nothing_out_twice() -> None:
    """What left the books is saved with them: the next process neither books it anew nor takes it
    out once more."""
    memory = after_the_fill()
    late = seen(ASK, FILLED, settled=0, later_ms=REVERTED_AFTER_MS + 1)
    memory = remember(memory, decided(late, memory, TIGHT), Report(), dry_run=False)
    out = memory.fill_totals
    again = first_memory(to_state(memory), NOW_MS + REVERTED_AFTER_MS)
    assert again.fill_totals == replace(out, checkpoint=None)
    told = decided(late, again, TIGHT)
    assert told.fill_totals.position == Size.of(0)
    second = remember(again, told, Report(), dry_run=False)
    later = seen(ASK, FILLED, settled=0, later_ms=3 * REVERTED_AFTER_MS)
    assert decided(later, second, TIGHT).fill_totals.position == Size.of(0)
    assert told.settlements[FILLED.order_id].pending == 0


def test_what_a_reorganised_chain_takes_back_is_pending_again() -> None:
    """A block that settled a fill is replaced by one that has not: its room is taken once more, and
    only a minute later it counts as reverted."""
    half = replace(
        FILLED, status=OrderStatus.ACTIVE, size=Size.of(50), filled_steps=80_000, expiry_ms=10**15
    )
    fifty = fill(1, Side.BUY, "1600", "50", order_id=FILLED.order_id)
    memory = BEGUN
    for later_ms, settled, base, highest in (
        (0, 80_000, "10050", "10050"),
        (90_000, 80_000, "10050", "10050"),
        (92_000, 0, "10000", "10050"),
        (150_000, 0, "10000", "10050"),
        (153_000, 0, "10000", "10000"),
        (154_000, 80_000, "10050", "10050"),
    ):
        world = seen(half, fills=(fifty,), settled=settled, base=base, later_ms=later_ms)
        told = decided(world, memory, TIGHT)
        assert told.holdings is not None
        assert told.holdings.base_highest == Size.of(highest), later_ms
        memory = remember(memory, told, Report(), dry_run=False)
    assert memory.fill_totals.position == Size.of(50)


def test_what_was_filled_before_the_books_began_is_not_taken_out_of_them() -> None:
    """With a lost state file the books begin empty: an old match that reverted changes nothing."""
    empty = Memory(started_ms=NOW_MS)
    first = decided(seen(FILLED, settled=0), empty)
    memory = remember(empty, first, Report(), dry_run=False)
    late = seen(FILLED, settled=0, later_ms=REVERTED_AFTER_MS + 1)
    assert decided(late, memory).fill_totals.position == Size.of(0)


def test_a_row_past_its_expiry_is_dead_whatever_its_status_says() -> None:
    """The matcher died with the order in `matching`: a while after the expiry its slot is filled
    anew; before that the slot has a reason, and the cancels of it back off."""
    jammed = row(Side.BUY, "1500", nonce=1, status=OrderStatus.MATCHING, life_ms=60_000)
    memory, rests = BEGUN, []
    for later_ms in range(0, 100_000, 2_000):
        told = decided(seen(jammed, ASK, later_ms=later_ms), memory)
        rests.append([p.level.side for p in told.plan.places if not p.after])
        reasons = {gap.reason for gap in told.missing}
        if 6_000 < later_ms < 60_000:
            assert MissingReason.STUCK_IN_MATCHING in reasons
        memory = remember(memory, told, Report(), dry_run=False)
    dead_at = (59_000 + 30_000) // 2_000 + 1
    assert not any(Side.BUY in sides for sides in rests[4:dead_at])
    assert Side.BUY in rests[dead_at]


def test_a_match_that_is_booked_long_past_its_order_s_expiry_is_counted_over_a_restart() -> None:
    """The matcher holds the order past its expiry, the process that knew it ends, and then the
    match is booked, under a number that others' trades have passed (seed 3929 of the
    simulator)."""
    alive = row(Side.BUY, "1600", nonce=1, status=OrderStatus.MATCHING, life_ms=60_000)
    memory = BEGUN
    for later_ms in (0, 58_000, 95_000):
        made = seen(alive, ASK, later_ms=later_ms)
        orders = replace(made.venue.orders.value or own_orders(), newest_trade_id=7)
        part = replace(made.venue.orders, value=orders)
        made = replace(made, venue=replace(made.venue, orders=part))
        memory = remember(memory, decided(made, memory), Report(), dry_run=False)
    assert alive.order_id not in {each.order_id for each in memory.open_orders}, "it is dead"
    memory = first_memory(to_state(memory), NOW_MS + 100_000)
    booked = replace(FILLED, order_id=alive.order_id, expiry_ms=alive.expiry_ms)
    memory = remember(
        memory, decided(seen(ASK, booked, later_ms=100_000), memory), Report(), dry_run=False
    )
    assert fills_after(memory) == 0, "it is looked for behind the cursor"
    late = replace(FILL, order_id=alive.order_id)
    told = decided(seen(ASK, booked, fills=(late,), settled=160_000, later_ms=101_000), memory)
    assert told.new_fills == (late,)


@pytest.mark.parametrize(
    ("status", "later_ms", "kept"),
    [
        (OrderStatus.MATCHING, 59_000, False),
        (OrderStatus.MATCHING, 59_001, True),
        (OrderStatus.ACTIVE, 59_001, False),
    ],
)
def test_what_the_matcher_holds_past_its_expiry_is_remembered(
    status: OrderStatus, later_ms: int, kept: bool
) -> None:
    """Only what it holds, and from the expiry on: the ledger lets go of it half a minute later. It
    stays, with fills or without, however long ago it expired."""
    alive = row(Side.BUY, "1600", nonce=1, status=status, life_ms=60_000)
    told = decided(seen(alive, ASK, later_ms=later_ms), BEGUN)
    assert (alive.order_id in told.settlements) is kept
    held = (ID,) if kept else ()
    assert (settled(None, replace(HALF, filled_steps=0), held=held) is not None) is kept
    late = settled(KNOWN, HALF, count=80, block_ms=EXPIRY_MS + 60_001, held=held)
    assert (late is not None) is kept


ID = FILLED.order_id
HALF = replace(FILLED, status=OrderStatus.CANCELLED, size=Size.of(50), filled_steps=80)
EXPIRY_MS = FILLED.expiry_ms
PAST = Past(cursor=0, newest_trade_id=0, continued=False, live=(), taken_out={}, signatures={})
KNOWN = Settlement(
    nonce=1,
    side=Side.BUY,
    price=FILLED.price,
    lot=LOT,
    filled=80,
    settled=80,
    asked=True,
    since_ms=NOW_MS - 100_000,
    since_block_ms=NOW_MS - 100_000,
    expiry_ms=EXPIRY_MS,
    booked=80,
    trades=frozenset({1}),
)


def settled(
    known: Settlement | None,
    *rows: RestingOrder,
    count: int | None = None,
    block_ms: int = NOW_MS,
    now_ms: int = NOW_MS,
    past: Past = PAST,
    held: tuple[str, ...] = (),
) -> Settlement | None:
    """What is known of the order after one look."""
    counts = {} if count is None else {ID: count}
    read = replace(balances(block_ms=block_ms), settled=counts)
    before = {} if known is None else {ID: known}
    return settle(before, rows, (), read, now_ms, past=past, held=held).get(ID)


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
    assert (settled(entry, *rows, count=count, block_ms=block_ms) is not None) is kept


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
    assert (settled(None, by_hand) is not None) is kept
    known = replace(KNOWN, filled=filled, settled=filled, booked=filled)
    assert (settled(known, by_hand, count=filled) is not None) is kept


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
    found = settled(known, HALF)
    assert found is not None
    assert (found.reverted, found.pending, found.unsettled) == (reverted, 80 - reverted, 80)
    first = settled(replace(known, since_block_ms=None), HALF)
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
        found = settled(KNOWN, replace(HALF, status=OrderStatus.ACTIVE), count=count)
        assert found is not None
        assert (found.since_ms == NOW_MS, found.since_block_ms == NOW_MS) == (again, again)


def test_what_reverted_and_settled_in_part_is_reverted_as_far_as_it_is_not() -> None:
    """Without waiting for a minute again."""
    known = replace(KNOWN, settled=0, reverted=80, since_ms=NOW_MS)
    found = settled(known, HALF, count=30)
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
        at = settled(replace(KNOWN, **changes), HALF)
        assert at is not None
        assert at.odd_since_ms == (NOW_MS if odd else None), changes
    before = replace(KNOWN, booked=1, odd_since_ms=NOW_MS - 7)
    still = settled(before, HALF)
    over = settled(replace(before, booked=80), HALF)
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
    found = settled(None, count=5, past=past)
    assert found is not None
    assert (found.side, found.filled, found.settled, found.odd_since_ms) == (
        Side.SELL,
        0,
        5,
        NOW_MS,
    )
    assert found.price == Price.of(0)
    assert settled(None, count=0, past=past) is None
    assert settled(None, count=5) is None, "no signature of ours"


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
