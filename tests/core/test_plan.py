"""When a cancel may be sent, when an order has grown old, and what a plan says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.instrument import Side
from mm_bot.core.ledger import Stage
from mm_bot.core.plan import (
    RENEWAL,
    CancelCategory,
    Place,
    Plan,
    cancel_of,
    cancellable,
    counted_from_ms,
    due_for_renewal,
)
from mm_bot.core.quoting import MissingReason
from tests.core.builders import NOW_MS, SPOT, level, open_order
from tests.core.reconcile_inputs import ASK, BID, desk_of


@pytest.mark.parametrize(
    ("cancels", "later_ms"),
    [(0, 0), (7, 0), (8, 6), (9, 262), (10, 774), (11, 1_750), (50, 1_750)],
)
def test_a_counted_cancel_pauses_longer_than_one_of_a_halt(cancels: int, later_ms: int) -> None:
    """Up to 250 ms both wait alike; then the counted one goes on doubling, up to 2 s."""
    order = replace(BID, cancels=cancels, next_cancel_ms=NOW_MS)
    assert counted_from_ms(order) == NOW_MS + later_ms


def test_a_cancel_is_sent_from_its_time_on_and_within_the_budget() -> None:
    """Never of an unknown order; at its time and not a millisecond before; a counted one at its own
    later time, and not while the budget has none for it."""
    waits = replace(BID, cancels=9, next_cancel_ms=NOW_MS)
    for early_ms, counted, may in (
        (1, False, False),
        (0, False, True),
        (0, True, False),
        (-261, True, False),
        (-262, True, True),
    ):
        given = desk_of(waits, now_ms=NOW_MS - early_ms)
        assert cancellable(given, waits, counted=counted) is may
        assert not cancellable(given, replace(waits, stage=Stage.UNKNOWN), counted=counted)
    spent = replace(desk_of(BID), out_of_budget=frozenset({BID.order_id}))
    assert not cancellable(spent, BID, counted=True)
    assert cancellable(spent, BID)
    assert cancellable(spent, ASK, counted=True)


@pytest.mark.parametrize(
    ("age_ms", "left_ms", "due"),
    [
        (199_999, None, False),
        (200_000, None, True),
        (200_000, 1_000, True),
        (200_000, 999, False),
        (200_000, 0, False),
    ],
)
def test_an_order_is_due_at_two_thirds_unless_its_market_ends_with_it(
    age_ms: int, left_ms: int | None, due: bool
) -> None:
    """The market's last second is worth a successor only where that lives a second longer."""
    order = open_order(Side.BUY, "1596", created_ms=NOW_MS - age_ms, life_ms=300_000)
    ends_ms = None if left_ms is None else order.expiry_ms + left_ms
    given = replace(desk_of(order), market=replace(SPOT, expiry_ms=ends_ms))
    assert due_for_renewal(given, order) is due


def test_a_place_renews_where_its_own_predecessor_only_grew_old() -> None:
    """Whatever else the plan cancels, and for what."""
    category = CancelCategory.REPLACE_DRIVEN
    place = Place(level=level(Side.BUY, "1596"), replaces=BID.order_id)
    old, stale = (cancel_of(BID, category, why) for why in (RENEWAL, "price_too_far_from_target"))
    for mine, others, renews in (
        (old, "duplicate_side", True),
        (stale, RENEWAL, False),
        (stale, "duplicate_side", False),
    ):
        plan = Plan(cancels=(mine, cancel_of(ASK, category, others)), places=(place,))
        assert plan.renews(place) is renews


def test_a_plan_without_a_place_leaves_what_that_was_to_replace() -> None:
    """The other cancels and places stay, the slot says why it is empty; a cancel that is due
    whatever follows it is kept."""
    cancels = tuple(cancel_of(c, CancelCategory.REPLACE_DRIVEN, "x") for c in (BID, ASK))
    bid = Place(level=level(Side.BUY, "1596"), replaces=BID.order_id)
    ask = Place(level=level(Side.SELL, "1604"), replaces=ASK.order_id)
    whole = Plan(cancels=cancels, places=(bid, ask))
    for keep_cancel in (False, True):
        left = whole.without(bid, MissingReason.DEGRADED, keep_cancel=keep_cancel)
        assert left.cancels == (cancels if keep_cancel else cancels[1:])
        assert left.places == (ask,)
        assert [(m.side, m.index, m.reason) for m in left.missing] == [
            (Side.BUY, 0, MissingReason.DEGRADED)
        ]
    assert whole.without(bid, MissingReason.DEGRADED).cancels == cancels[1:]


@pytest.mark.parametrize(
    ("plan", "quiet"),
    [
        (Plan(), True),
        (Plan(kept=(((Side.BUY, 0), "x"),)), True),
        (Plan(cancels=(cancel_of(BID, CancelCategory.RISK, "x"),)), False),
        (Plan(places=(Place(level=level(Side.BUY, "1596")),)), False),
        (Plan(resends=(BID,)), False),
    ],
)
def test_a_plan_is_quiet_where_nothing_is_sent(plan: Plan, quiet: bool) -> None:
    """One cancel, one place or one order sent again is enough to break it."""
    assert plan.quiet is quiet
    assert plan.counted_cancels == 0
