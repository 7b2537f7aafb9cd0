"""What stays and what comes fit the bounds of their side together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from mm_bot.core.exact import Amount
from mm_bot.core.exposure import (
    beside_what_stays,
    open_notional,
    pace_ms,
    within_bounds,
    within_signed_room,
)
from mm_bot.core.instrument import Level, Side
from mm_bot.core.ledger import OpenOrder
from mm_bot.core.plan import (
    RENEWAL,
    Cancel,
    CancelCategory,
    Place,
    Plan,
    ReconcileInput,
    SignedRoom,
    cancel_of,
)
from mm_bot.core.quoting import Bound, Hanging, Ladder, MissingReason
from tests.core.builders import NOW_MS, level, open_order
from tests.core.reconcile_inputs import desk_of

LEVELS = tuple(level(Side.BUY, str(1_600 - i), index=i) for i in range(3))
"""Of 100 each."""
ROW = 7
"""Nonce of an order that holds no slot."""
BOUNDS = (MissingReason.INVENTORY_LIMIT, MissingReason.NOTIONAL_LIMIT)


def bid(size: int, nonce: int = 1, price: str = "1600") -> OpenOrder:
    return open_order(Side.BUY, price, str(size), nonce=nonce)


def desk(
    *known: OpenOrder, left: Mapping[Side, tuple[int, ...]] | None = None, hanging: str = ""
) -> ReconcileInput:
    """With so much size left a side, by each of its bounds."""
    bounds = {
        side: tuple(
            Bound(reason=why, left=Decimal(n)) for why, n in zip(BOUNDS, each, strict=False)
        )
        for side, each in (left or {}).items()
    }
    given = desk_of(*known, ladder=Ladder(bids=LEVELS, bounds=bounds or None))
    return replace(given, hanging=Hanging(stay=frozenset({hanging}))) if hanging else given


def sizes(levels: tuple[Level, ...]) -> list[str]:
    return [str(each.size) for each in levels]


@pytest.mark.parametrize(
    ("left", "stays", "expected"),
    [
        (300, {}, [100, 100, 100]),
        (299, {}, [100, 100, 99]),
        (150, {}, [100, 50, 100]),
        (250, {0: 150}, [100, 100, 100]),
        (249, {0: 150}, [100, 99, 100]),
        (190, {0: 20, 2: 90}, [100, 80, 100]),
        (100, {0: 100}, [100, 100, 100]),
        (10, {0: 100, 1: 100, 2: 100}, [100, 100, 100]),
    ],
)
def test_what_comes_is_cut_to_what_the_bound_leaves_beside_what_stays(
    left: int, stays: dict[int, int], expected: list[int]
) -> None:
    """Best first. A level for which an order stays is not touched, nor is one of which nothing
    tradable would be left: that is dropped later, with its reason."""
    given = desk(left={Side.BUY: (left,)})
    found = beside_what_stays(given, LEVELS, {i: bid(size) for i, size in stays.items()})
    assert sizes(found) == [str(each) for each in expected]
    (alone,) = beside_what_stays(desk(left={Side.BUY: (99,)}), LEVELS[:1], {})
    assert str(alone.size) == "99"
    for wanted, made in zip(LEVELS, found, strict=True):
        assert (made is wanted) == (made.size == wanted.size), "cut is only what has to be"
        assert made.notional == given.market.notional(made.price, made.size)


def test_an_order_without_a_slot_takes_its_part_until_its_cancel_is_acknowledged() -> None:
    """One of that side, and one that is to stay; others are no part of what stays."""
    hangs = bid(80, nonce=ROW)
    asks = replace(hangs, side=Side.SELL)
    acked = replace(hangs, cancel_acked_ms=NOW_MS)
    for order, hanging, last in (
        (hangs, True, 20),
        (hangs, False, 100),
        (asks, True, 100),
        (acked, True, 100),
    ):
        given = desk(order, left={Side.BUY: (300,)}, hanging=order.order_id if hanging else "")
        assert sizes(beside_what_stays(given, LEVELS, {})) == ["100", "100", str(last)]


def placed(*levels: Level, replaces: tuple[OpenOrder, ...] = (), reason: str = "price") -> Plan:
    """The last of them replace these orders."""
    first = len(levels) - len(replaces)
    old = (None,) * first + tuple(each.order_id for each in replaces)
    return Plan(
        cancels=tuple(cancel_of(each, CancelCategory.REPLACE_DRIVEN, reason) for each in replaces),
        places=tuple(
            Place(level=each, replaces=gone, after=(gone,) if gone else ())
            for each, gone in zip(levels, old, strict=True)
        ),
    )


def told(plan: Plan) -> tuple[list[int], list[str], list[tuple[int | None, str]]]:
    """Levels that come, what is cancelled, and what is missing."""
    return (
        [place.level.index for place in plan.places],
        [cancel.order_id for cancel in plan.cancels],
        [(gap.index, gap.reason.value) for gap in plan.missing],
    )


def test_places_are_dropped_outermost_first_until_the_side_fits() -> None:
    """By the bound that they pass; exactly at it nothing is dropped, and the other side is let
    alone. An order whose cancel is acknowledged takes nothing."""
    wanted = placed(*LEVELS)
    for left, kept in (((300, 300), 3), ((299, 300), 2), ((199, 300), 1), ((99, 300), 0)):
        given = desk(left={Side.BUY: left, Side.SELL: (1_000,)})
        found = within_bounds(given, wanted)
        gaps = [(i, "inventory_limit") for i in reversed(range(kept, 3))]
        assert told(found) == (list(range(kept)), [], gaps)
    by_worth = within_bounds(desk(left={Side.BUY: (300, 200)}), wanted)
    assert told(by_worth)[2] == [(2, "notional_limit")]
    resting = bid(1, nonce=ROW)
    at_bound = {Side.BUY: (300,)}
    assert len(within_bounds(desk(resting, left=at_bound), wanted).places) == 2
    gone = replace(resting, cancel_acked_ms=NOW_MS)
    assert len(within_bounds(desk(gone, left=at_bound), wanted).places) == 3
    other = replace(resting, side=Side.SELL)
    assert len(within_bounds(desk(other, left=at_bound), wanted).places) == 3
    assert within_bounds(desk(resting), wanted) is wanted, "nothing bounds it"


def test_each_side_is_held_to_its_own_bounds() -> None:
    """Also where the first side is within them, and where orders alone are past one."""
    asks = tuple(replace(each, side=Side.SELL) for each in LEVELS)
    both = replace(placed(*LEVELS), places=placed(*LEVELS).places + placed(*asks).places)
    found = within_bounds(desk(left={Side.BUY: (300,), Side.SELL: (100,)}), both)
    sides = [(place.level.side, place.level.index) for place in found.places]
    assert sides == [*((Side.BUY, i) for i in range(3)), (Side.SELL, 0)]
    full = desk(bid(500, nonce=ROW), left={Side.BUY: (100,)})
    assert not within_bounds(full, placed(*LEVELS)).places


@pytest.mark.parametrize(("size", "goes"), [(99, False), (100, False), (101, True)])
def test_a_replace_that_does_not_fit_keeps_its_order_unless_that_is_larger(
    size: int, goes: bool
) -> None:
    """What was to come instead is 100; the cancel of a larger one makes the side smaller."""
    old, other = bid(size), bid(1_000, nonce=ROW)
    given = desk(old, other, left={Side.BUY: (1_050,)})
    found = within_bounds(given, placed(LEVELS[0], replaces=(old,)))
    assert told(found) == ([], [old.order_id] if goes else [], [(0, "inventory_limit")])


def test_where_only_cancels_make_room_every_place_of_the_side_waits_for_all_of_them() -> None:
    """Were one of them not to succeed, the side would pass its bound; the other side waits for its
    own alone."""
    old, older = bid(100, nonce=1), bid(100, nonce=2)
    ask = open_order(Side.SELL, "1604", "100", nonce=3)
    asked = placed(replace(LEVELS[0], side=Side.SELL), replaces=(ask,))
    bids = placed(*LEVELS[:2], replaces=(old, older))
    plan = Plan.merged((bids, asked))
    tight = within_bounds(desk(old, older, ask, left={Side.BUY: (200,)}), plan)
    both = (old.order_id, older.order_id)
    assert [place.after for place in tight.places] == [both, both, (ask.order_id,)]
    wide = within_bounds(desk(old, older, ask, left={Side.BUY: (400,)}), plan)
    assert [place.after for place in wide.places] == [(each,) for each in (*both, ask.order_id)]


def signed(left: int, limit: int = 1_000_000) -> SignedRoom:
    return SignedRoom(left=Amount.of(left), limit=Amount.of(limit))


@pytest.mark.parametrize(
    ("left", "kept"), [(479_700, 3), (479_699, 2), (319_900, 2), (160_000, 1), (0, 0), (-5, 0)]
)
def test_only_so_many_are_placed_as_may_be_signed(left: int, kept: int) -> None:
    """The worth of each counts, the outermost go first, and the other side signs for itself."""
    ask = level(Side.SELL, "1604")
    wanted = Plan(places=tuple(Place(level=each) for each in (LEVELS[2], ask, *LEVELS[:2])))
    given = replace(desk(), signed_room={Side.BUY: signed(left)})
    found = within_signed_room(given, wanted)
    comes = {place.level for place in found.places}
    assert comes == {ask, *LEVELS[:kept]}
    gaps = [(i, "signed_liability") for i in reversed(range(kept, 3))]
    assert told(found)[2] == gaps
    assert within_signed_room(desk(), wanted) is wanted


@pytest.mark.parametrize(
    ("price", "reason", "goes"),
    [
        ("1599", "price", False),
        ("1600", "price", False),
        ("1600.01", "price", True),
        ("1600.01", RENEWAL, False),
    ],
)
def test_a_replace_that_may_not_be_signed_keeps_its_order_unless_that_is_priced_worse(
    price: str, reason: str, goes: bool
) -> None:
    """Of a bid worse for us is higher than wanted; one that only grows old stays."""
    old = bid(100, price=price)
    given = replace(desk(old), signed_room={Side.BUY: signed(0)})
    found = within_signed_room(given, placed(LEVELS[0], replaces=(old,), reason=reason))
    assert told(found) == ([], [old.order_id] if goes else [], [(0, "signed_liability")])
    other = Cancel(
        order_id="other", nonce=9, category=CancelCategory.REPLACE_DRIVEN, reason=RENEWAL
    )
    beside = placed(LEVELS[0], replaces=(old,), reason=reason)
    found = within_signed_room(given, replace(beside, cancels=(*beside.cancels, other)))
    assert told(found)[1] == [*([old.order_id] if goes else []), "other"]


@pytest.mark.parametrize(
    ("left", "limit", "pace"),
    [
        (501, 1_000, 0),
        (500, 1_000, 7 * 480),
        (498, 1_000, 3_373),
        (240, 1_000, 7_000),
        (239, 1_000, 7_000),
        (1, 1_000, 7_000),
        (0, 1_000, 7_000),
        (-1, 1_000, 7_000),
    ],
)
def test_requoting_slows_down_once_half_of_what_may_be_signed_is_used(
    left: int, limit: int, pace: int
) -> None:
    """A ladder worth 240 fits `left / 240` times more into what is left, and each signature of it
    lives for 7 s: so long apart are two replaces, in whole milliseconds, and no longer."""
    ladder = Ladder(
        bids=tuple(replace(each, notional=Amount.of(80)) for each in LEVELS),
        asks=(replace(LEVELS[0], side=Side.SELL),),
    )
    given = replace(desk(), ladder=ladder, signed_room={Side.BUY: signed(left, limit)})
    assert pace_ms(given, Side.BUY, 7_000) == pace
    assert pace_ms(given, Side.SELL, 7_000) == 0, "nothing limits that side"


def test_what_may_be_live_is_worth_its_larger_side() -> None:
    """In cNGN, without what an acknowledged cancel ended."""
    bids = (bid(10), bid(5, nonce=2))
    ask = replace(bid(12, nonce=3), side=Side.SELL)
    assert open_notional((*bids, ask)) == Amount.of(24_000)
    assert open_notional((bids[0], ask)) == Amount.of(19_200)
    acked = replace(ask, cancel_acked_ms=NOW_MS)
    assert open_notional((bids[0], acked)) == Amount.of(16_000)
    assert open_notional(()) == Amount.of(0)
