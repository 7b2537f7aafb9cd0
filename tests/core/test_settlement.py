"""Fills between the table and the chain: the worse of both counts until a block proves them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.exact import NO_AMOUNT, Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Side
from mm_bot.core.liability import outstanding
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderStatus, RestingOrder
from mm_bot.core.quoting import MissingReason
from mm_bot.core.remember import Report, remember
from mm_bot.core.risk import HaltReason
from mm_bot.core.settlement import REVERTED_AFTER_MS
from mm_bot.core.snapshot import Fill, Snapshot
from mm_bot.core.watching import fills_after
from mm_bot.host.persistence import first_memory, to_state
from tests.core.builders import NOW_MS, POLICY, QUOTES, fill, own_orders, row, snapshot
from tests.core.decisions import ASK, decided
from tests.core.settling import EXPIRY_MS, FILL, FILLED, HALF, ID, KNOWN, one_look

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
    assert (one_look(None, replace(HALF, filled_steps=0), held=held) is not None) is kept
    late = one_look(KNOWN, HALF, count=80, block_ms=EXPIRY_MS + 60_001, held=held)
    assert (late is not None) is kept
