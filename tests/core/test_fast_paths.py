"""Each fast path of a decision does what its slow equivalent does."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_bot.core import liability
from mm_bot.core.changed import changed
from mm_bot.core.exact import Amount, Price, Size, subtract
from mm_bot.core.exposure import beside_what_stays, cut_one_by_one
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.ledger import (
    OpenOrder,
    Stage,
    Tracked,
    as_known,
    followed,
    says_nothing_new,
    stuck,
    updated,
)
from mm_bot.core.liability import GRACE_MS, Signature, Signed
from mm_bot.core.orders import OrderStatus, Ownership, RestingOrder
from mm_bot.core.pairing import by_table, pair, uncontested
from mm_bot.core.plan import Plan, renewal_ms, standing
from mm_bot.core.quoting import Bound, Ladder, MissingReason, fit
from mm_bot.core.reconcile import plan
from mm_bot.core.room import Room
from mm_bot.core.settlement import settle
from mm_bot.core.slots import as_wanted, fault, hold_or_replace, price_fits, worth_of
from tests.core.builders import (
    FUTURE,
    NOW_MS,
    RECONCILES,
    SPOT,
    level,
    open_order,
    own_orders,
    row,
)
from tests.core.reconcile_inputs import desk_of, ladder_of
from tests.core.settling import PAST

steps = st.integers(1, 60)
BY_HALVES = replace(FUTURE, size_step=Size(Decimal("0.5")))
CENTS = st.integers(159_000, 159_400) | st.integers(159_000, 161_000)
bounds = st.lists(
    st.builds(
        Bound,
        reason=st.just(MissingReason.NOTIONAL_LIMIT),
        left=st.integers(-20, 400).map(lambda n: Decimal(n) / 8),
        per=st.integers(1, 9).map(lambda n: Decimal(n) / 4),
        priced=st.booleans(),
    ),
    max_size=3,
)


@given(
    bounds=bounds,
    orders=st.lists(st.tuples(steps, steps), min_size=1, max_size=5),
    market=st.sampled_from((SPOT, replace(FUTURE, size_step=Size(Decimal("0.25"))))),
)
def test_room_fits_what_bounds_made_anew_fit(
    bounds: list[Bound], orders: list[tuple[int, int]], market: Instrument
) -> None:
    """Sizes and the bound that cuts are those of `fit` over the bounds after every order."""
    room, left = Room(market, tuple(bounds)), tuple(bounds)
    for eighths, quarters in orders:
        price, size = Price(Decimal(eighths) / 8), Size(Decimal(quarters) / 4)
        assert room.fit(price, size) == fit(market, left, price, size)
        room.use(price, size)
        takes = size.value, (price * size).value
        left = tuple(replace(b, left=subtract(b.left, b.takes(*takes))) for b in left)
        assert room.exceeded == any(b.left < 0 for b in left)


@given(
    bounds=bounds,
    orders=st.lists(st.tuples(st.integers(-1, 60), steps), max_size=5),
    market=st.sampled_from((SPOT, replace(FUTURE, size_step=Size(Decimal("0.25"))))),
)
def test_a_room_that_is_ample_cuts_nothing(
    bounds: list[Bound], orders: list[tuple[int, int]], market: Instrument
) -> None:
    """Whether it is tells `fit` after every order; used up by all at once it is as by each."""
    prices = [Price(Decimal(eighths) / 8) for eighths, _ in orders]
    sizes = [Size(Decimal(quarters) / 4) for _, quarters in orders]
    room, at_once = Room(market, tuple(bounds)), Room(market, tuple(bounds))
    ample = room.is_ample(prices, sizes)
    for price, size in zip(prices, sizes, strict=True):
        assert not ample or room.fit(price, size) == (market.floor_size(size), None)
        room.use(price, size)
    at_once.use_all(
        replace(level(Side.BUY, "1"), price=price, size=size)
        for price, size in zip(prices, sizes, strict=True)
    )
    assert at_once.exceeded == room.exceeded
    assert not (ample and room.exceeded)


def test_what_is_ample_leaves_a_lot_at_the_dearest_price() -> None:
    """Beside 1 at 4 and 1 at 2 a lot of 0.25 more at 4, by size and by worth; a price that no order
    can have is never ample, a price below 1 is."""
    market = replace(FUTURE, size_step=Size(Decimal("0.25")))
    prices, sizes = (Price.of(4), Price.of(2)), (Size.of(1), Size.of(1))

    def ample(left: str, *, priced: bool, at: tuple[Price, ...] = prices) -> bool:
        reason = MissingReason.NOTIONAL_LIMIT
        bound = Bound(reason=reason, left=Decimal(left), per=Decimal(1), priced=priced)
        return Room(market, (bound,)).is_ample(at, sizes)

    assert (ample("2.25", priced=False), ample("2.24", priced=False)) == (True, False)
    assert (ample("7", priced=True), ample("6.99", priced=True)) == (True, False)
    assert ample("7", priced=True, at=(Price(Decimal("0.5")),))
    assert not ample("7", priced=True, at=(Price.of(0),))


@given(
    left=st.integers(-50, 400).map(lambda n: Decimal(n) / 4),
    wanted=st.lists(st.tuples(st.integers(-1, 9), st.integers(0, 90)), min_size=1, max_size=4),
    stays=st.sets(st.integers(0, 3)),
    market=st.sampled_from((SPOT, FUTURE, BY_HALVES)),
)
@example(left=Decimal(100), wanted=[(5, 4), (5, 3)], stays=set(), market=BY_HALVES)
def test_what_comes_where_there_is_room_for_all_is_what_is_cut_one_by_one(
    left: Decimal, wanted: list[tuple[int, int]], stays: set[int], market: Instrument
) -> None:
    """Off the grid too, and where a price is none; beside an order that stays in some slots."""
    levels = tuple(
        replace(level(Side.BUY, "1"), index=n, price=Price.of(price), size=Size(Decimal(size) / 4))
        for n, (price, size) in enumerate(wanted)
    )
    bound = Bound(reason=MissingReason.INVENTORY_LIMIT, left=left)
    ladder = Ladder(bids=levels, bounds={Side.BUY: (bound,)})
    desk = replace(desk_of(ladder=ladder), market=market)
    resting = {n: open_order(Side.BUY, "1", "7", nonce=n + 1) for n in stays if n < len(levels)}
    room = Room(market, (bound,))
    room.use_all(resting.values())
    found = beside_what_stays(desk, levels, resting)
    assert found == cut_one_by_one(market, levels, resting, room)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 9), st.booleans()), max_size=6))
def test_what_stands_is_sorted_as_a_taker_finds_it(orders: list[tuple[int, int, bool]]) -> None:
    """One side at a time, best first and of one price the older nonce, none whose cancel is
    acknowledged."""
    for side in Side:
        every = tuple(
            replace(
                open_order(side, str(price), nonce=nonce), cancel_acked_ms=NOW_MS if gone else None
            )
            for price, nonce, gone in orders
        )
        mine = [c for c in every if not c.cancel_acked]
        mine.sort(key=lambda c: (side.best_first(c.price), c.nonce))
        beside = tuple(replace(c, side=side.opposite) for c in every)
        assert standing((*beside, *every), side) == tuple(mine)


@given(st.integers(0, 5).flatmap(lambda n: st.lists(
    st.lists(st.sampled_from((0, 0, 0, 1, 2)), min_size=n, max_size=n), max_size=5
)))  # fmt: skip
def test_pairs_that_nobody_contests_are_those_of_the_table(worth: list[list[int]]) -> None:
    """Where the fast path gives an answer, it is the best alignment."""
    alone = uncontested(worth)
    assert alone is None or alone == by_table(worth, len(worth[0]) if worth else 0)


@given(
    side=st.sampled_from(Side),
    wanted=st.lists(st.tuples(CENTS, st.integers(98, 102)), min_size=1, max_size=4),
    rests=st.lists(st.tuples(CENTS, st.integers(98, 102)), max_size=4),
    stale_bps=st.integers(0, 60),
)
def test_the_score_of_a_pair_is_its_fault(
    side: Side, wanted: list[tuple[int, int]], rests: list[tuple[int, int]], stale_bps: int
) -> None:
    """2 without a fault, 1 with a fault of the size alone, 0 where the price does not fit."""
    policy = replace(RECONCILES, stale_threshold_bps=Decimal(stale_bps), size_tolerance=Size.of(1))
    best_first = [sorted(each, reverse=side is Side.BUY) for each in (wanted, rests)]
    slots, mine = ([(str(Decimal(at) / 100), str(n)) for at, n in each] for each in best_first)
    levels = [level(side, at, size) for at, size in slots]
    orders = [open_order(side, at, size) for at, size in mine]
    slow = [
        [price_fits(c, slot, policy) + (fault(c, slot, policy) is None) for c in orders]
        for slot in levels
    ]
    assert worth_of(levels, orders, policy) == slow


ORDERS = st.builds(
    open_order,
    side=st.just(Side.BUY),
    price=st.sampled_from(("1596", "1595.9", "1592.8", "1589.6")),
    size=st.sampled_from(("100", "100", "90")),
    nonce=st.integers(1, 9),
    stage=st.sampled_from((Stage.LIVE, Stage.LIVE, Stage.UNKNOWN)),
    created_ms=st.sampled_from((NOW_MS - 1_000, NOW_MS - 250_000)),
)


@given(
    orders=st.lists(ORDERS, max_size=3, unique_by=lambda order: order.order_id),
    held=st.sampled_from((None, None, NOW_MS - 6_000)),
    levels=st.integers(0, 3),
    ends=st.sampled_from((None, NOW_MS + 40_000)),
)
def test_a_side_that_is_as_wanted_is_kept(
    orders: list[OpenOrder], held: int | None, levels: int, ends: int | None
) -> None:
    """Where the fast path has an answer, pairing and judging one by one give the same, until the
    moment that it names."""
    mine = [replace(order, matching_since_ms=held) for order in orders]
    mine.sort(key=lambda order: (Side.BUY.best_first(order.price), order.nonce))
    wanted = ladder_of(levels).bids
    desk = desk_of(*mine, ladder=Ladder(bids=wanted))
    whole, until_ms = as_wanted(wanted, tuple(mine), RECONCILES, ends)
    for now_ms in {NOW_MS, until_ms - 1} if whole and until_ms > NOW_MS else ():
        given = replace(desk, now_ms=now_ms, market=replace(SPOT, expiry_ms=ends))
        pairs, surplus = pair(wanted, mine, lambda slots, its: worth_of(slots, its, RECONCILES))
        judged = (
            hold_or_replace(given, RECONCILES, level, pairs[level.index], ()) for level in wanted
        )
        assert not surplus
        assert Plan.merged(judged) == Plan(kept=whole) == plan(given, RECONCILES)
        assert not any(stuck(order, now_ms) for order in mine)


def test_a_whole_side_at_rest_takes_the_fast_path() -> None:
    """Three orders at their levels are as wanted, until the first of them is due; two at one price,
    or one too many, are not."""
    bids = ladder_of(3).bids
    mine = tuple(open_order(Side.BUY, str(b.price), nonce=b.index + 1) for b in bids)
    slots = tuple(((Side.BUY, b.index), c.order_id) for b, c in zip(bids, mine, strict=True))
    assert as_wanted(bids, mine, RECONCILES, None) == (slots, renewal_ms(mine[0], None))
    assert as_wanted(bids[:2], mine, RECONCILES, None) == ((), 0)
    twice = (mine[0], replace(mine[1], price=mine[0].price))
    levels = (bids[0], replace(bids[1], price=bids[0].price))
    assert as_wanted(levels, twice, RECONCILES, None) == ((), 0)


KNOWN = open_order(Side.BUY, "1596")
VARIANTS: dict[str, tuple[Any, ...]] = {
    "stage": tuple(Stage),
    "sends": (0, 1, 2),
    "created_ms": (KNOWN.created_ms, KNOWN.created_ms - 1_000),
    "size": (KNOWN.size, Size.of(50)),
    "cancel_acked_ms": (None, NOW_MS - 500, NOW_MS + 500),
    "absent_since_ms": (None, NOW_MS - 500),
    "matching_since_ms": (None, NOW_MS - 500),
    "conflict": (False, True),
    "resend_refused": (False, True),
    "signed": (None, open_order(Side.BUY, "1596", stage=Stage.UNKNOWN).signed),
}


@pytest.mark.parametrize("status", [OrderStatus.ACTIVE, OrderStatus.MATCHING])
def test_a_row_that_says_nothing_new_changes_nothing(status: OrderStatus) -> None:
    """Where the fast path leaves an order as it is, so does its row; and it is taken wherever that
    is so, but for orders that the matcher holds or whose cancel is acknowledged."""
    seen = row(Side.BUY, "1596", status=status)
    for values in product(*VARIANTS.values()):
        known = changed(KNOWN, **dict(zip(VARIANTS, values, strict=True)))
        rests = status is OrderStatus.ACTIVE and known.cancel_acked_ms is None
        assert says_nothing_new(known, seen) == (rests and updated(known, seen, NOW_MS) == known)
    assert says_nothing_new(KNOWN, row(Side.BUY, "1596"))


@given(
    known=st.fixed_dictionaries(
        {name: st.sampled_from(values) for name, values in VARIANTS.items()}
    ).map(lambda values: replace(KNOWN, **values)),
    seen=st.lists(
        st.builds(
            row,
            side=st.just(Side.BUY),
            price=st.just("1596"),
            nonce=st.sampled_from((1, 2)),
            status=st.sampled_from((OrderStatus.ACTIVE, OrderStatus.FILLED)),
            ownership=st.sampled_from(Ownership),
        ),
        max_size=2,
    ),
)
def test_a_table_that_is_as_known_changes_nothing(
    known: OpenOrder, seen: list[RestingOrder]
) -> None:
    """Where the fast path leaves the ledger as it is, so do its rows one by one."""
    read = own_orders(*seen)
    if as_known((known,), read.rows):
        assert followed((known,), read, NOW_MS, NOW_MS, NOW_MS) == Tracked(
            open_orders=(known,), ended=(), unmanaged=()
        )
    assert as_known((KNOWN,), (row(Side.BUY, "1596"),))
    two = (KNOWN, open_order(Side.BUY, "1592", nonce=2))
    rows = (row(Side.BUY, "1596"), row(Side.BUY, "1592", nonce=2))
    assert as_known(two, rows)
    assert not as_known(two[::-1], rows), "it gives them sorted by id"
    for other in (rows[:1], (*rows, row(Side.BUY, "1500", nonce=3)), (rows[0], rows[0])):
        assert not as_known(two, other)
    for new in (row(Side.BUY, "1596", "7"), row(Side.BUY, "1592", "7", nonce=2)):
        told = tuple(new if new.order_id == old.order_id else old for old in rows)
        assert not as_known(two, told), "each row has to say nothing new"


signatures = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(
        Signature,
        side=st.sampled_from(Side),
        left=st.integers(1, 3).map(Size.of),
        notional=st.integers(1, 9).map(Amount.of),
        expiry_ms=st.integers(0, 5).map(lambda seconds: NOW_MS + seconds * 1_000),
        on_table=st.booleans(),
    ),
    max_size=4,
)


@given(known=signatures, put=signatures, gone=st.sets(st.sampled_from("ghi") | st.just("a")))
def test_signatures_with_a_change_are_those_made_anew(
    known: dict[str, Signature], put: dict[str, Signature], gone: set[str]
) -> None:
    """Their sums and what is hidden too, and again without what expires second by second."""
    found = Signed(known).changed(put, gone - set(put))
    left = {k: s for k, s in {**known, **put}.items() if k not in gone - set(put)}
    for second in range(8):
        chain_ms = NOW_MS + second * 1_000
        found = found.unexpired(chain_ms)
        assert found.unexpired(chain_ms) is found, "nothing more expires"
        left = {k: s for k, s in left.items() if s.expiry_ms + GRACE_MS > chain_ms}
        anew = Signed(left)
        assert (found, found.hidden, found.worth) == (left, anew.hidden, anew.worth)
        assert not left or (found.first_expiry_ms or 0) <= (anew.first_expiry_ms or 0)


row_sizes = st.lists(st.sampled_from(("0", "30", "100")), max_size=3)


@given(
    known=signatures,
    sizes=row_sizes,
    ages_s=st.lists(st.integers(-3, 3), min_size=3, max_size=3),
    seconds=st.lists(st.integers(-4, 9) | st.none(), min_size=2, max_size=6),
)
def test_rows_that_told_nothing_new_tell_nothing_when_they_are_told_again(
    known: dict[str, Signature], sizes: list[str], ages_s: list[int], seconds: list[int | None]
) -> None:
    """Whatever the chain's clock says in between, forwards and backwards: as from a plain mapping,
    which remembers no rows."""
    rows = tuple(
        row(Side.BUY, "1596", size, nonce=n, created_ms=NOW_MS - 300_000 + ages_s[n] * 1_000)
        for n, size in enumerate(sizes)
    )
    found = Signed(known)
    for second in seconds:
        chain_ms = None if second is None else NOW_MS + second * 1_000
        anew = liability.updated(dict(found), rows, {}, chain_ms)
        found = liability.updated(found, rows, {}, chain_ms)
        assert (found, found.hidden, found.worth) == (anew, anew.hidden, anew.worth)


@given(
    st.lists(
        st.builds(
            row,
            side=st.sampled_from(Side),
            price=st.just("1596"),
            nonce=st.integers(1, 3),
            status=st.sampled_from(OrderStatus),
            ownership=st.sampled_from(Ownership),
        ).flatmap(lambda r: st.sampled_from((r, replace(r, filled_steps=7)))),
        max_size=4,
    ).map(tuple)
)
def test_rows_that_rest_untouched_settle_nothing(rows: tuple[RestingOrder, ...]) -> None:
    """With nothing known they are not looked at: an order that the matcher is said to hold, whoever
    it is, has every one of them looked at."""
    left_out = settle({}, rows, (), None, NOW_MS, past=PAST)
    assert left_out == settle({}, rows, (), None, NOW_MS, past=PAST, held={"nobody's"})
