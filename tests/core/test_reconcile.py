"""The plan: what is kept, replaced, filled, and what waits for evidence."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import Stage
from mm_bot.core.orders import Ownership
from mm_bot.core.plan import CancelCategory
from mm_bot.core.quoting import Bound, MissingReason
from mm_bot.core.reconcile import cancel_everything, plan
from tests.core.builders import NOW_MS, RECONCILES, SPOT, level, open_order, row
from tests.core.reconcile_inputs import ASK, BID, BIDS, desk_of, ladder_of, reasons, resting


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("startup", [True, False])
def test_what_fits_is_kept_and_nothing_is_sent(levels: int, startup: bool) -> None:
    """Invariant 4; a restart over one to three levels adopts them all."""
    made = plan(desk_of(*resting(levels), ladder=ladder_of(levels), startup=startup), RECONCILES)
    assert made.quiet
    assert len(made.kept) == 2 * levels


@pytest.mark.parametrize(
    ("price", "size", "reason"),
    [
        ("1596.79", "100", None),
        ("1595.21", "100", None),
        ("1596.8", "100", "price_too_far_from_target"),
        ("1595.2", "100", "price_too_far_from_target"),
        ("1596", "100.000001", None),
        ("1596", "99.999999", None),
        ("1596", "100.000002", "size_too_far_from_target"),
        ("1596", "40", "size_too_far_from_target"),
    ],
)
def test_the_adoption_criteria(price: str, size: str, reason: str | None) -> None:
    """Price within 5 bps of the target, size within the tolerance (plus one lot, here none)."""
    made = plan(desk_of(open_order(Side.BUY, price, size), ASK, startup=True), RECONCILES)
    assert reasons(made) == ([reason] if reason else [])
    assert {c.category for c in made.cancels} <= {CancelCategory.STARTUP}
    assert [p.replaces for p in made.places] == ([BID.order_id[:-1] + "1"] if reason else [])


def test_size_fits_within_one_lot_more() -> None:
    """Flooring to one whole cNGN may have moved the size by one lot."""
    floored = replace(open_order(Side.BUY, "1596", "99.9994"), lot=Size.of("0.000627"))
    assert plan(desk_of(floored, ASK, startup=True), RECONCILES).quiet


@pytest.mark.parametrize("startup", [True, False])
def test_with_one_level_duplicates_all_go(startup: bool) -> None:
    """Invariant 5, the founding rule: two adoptable orders on a side are both cancelled, and the
    new one waits for both."""
    twins = [open_order(Side.BUY, "1596", nonce=n) for n in (9, 10)]
    made = plan(desk_of(*twins, ASK, startup=startup), RECONCILES)
    assert reasons(made) == ["duplicate_side", "duplicate_side"]
    (place,) = made.places
    assert place.after == tuple(sorted(c.order_id for c in twins))


def test_places_go_out_bids_first_and_the_best_first() -> None:
    """Invariant 7, whatever order the ladder and the ledger have."""
    made = plan(desk_of(ladder=ladder_of(2)), RECONCILES)
    slots = [(place.level.side, place.level.index) for place in made.places]
    assert slots == [(Side.BUY, 0), (Side.BUY, 1), (Side.SELL, 0), (Side.SELL, 1)]


def test_one_order_that_must_move_is_seen_among_those_that_fit() -> None:
    """An old one is renewed, one that the matcher holds for too long is told, and one of unknown
    outcome waits for evidence, while the other of its side stays."""
    bid, other = open_order(Side.BUY, BIDS[0], nonce=5), open_order(Side.BUY, BIDS[1], nonce=6)
    ladder = replace(ladder_of(2), asks=())
    old = replace(bid, created_ms=bid.created_ms - 250_000, expiry_ms=NOW_MS + 40_000)
    held = replace(bid, matching_since_ms=NOW_MS - 5_001)
    unknown = open_order(Side.BUY, BIDS[0], nonce=5, stage=Stage.UNKNOWN)
    for order, cancels, gaps in (
        (old, ["renewal"], []),
        (held, [], [MissingReason.STUCK_IN_MATCHING]),
        (unknown, [], [MissingReason.AWAITING_EVIDENCE]),
        (replace(held, matching_since_ms=NOW_MS - 5_000), [], []),
    ):
        made = plan(desk_of(order, other, ladder=ladder), RECONCILES)
        assert reasons(made) == cancels
        assert [gap.reason for gap in made.missing] == gaps
        assert ((Side.BUY, 1), other.order_id) in made.kept
    alone = plan(desk_of(held, ASK), RECONCILES)
    assert [gap.reason for gap in alone.missing] == [MissingReason.STUCK_IN_MATCHING]


def test_with_more_levels_only_the_surplus_goes() -> None:
    """Invariant 5: a fourth order on a ladder of three is cancelled, the fitting ones stay."""
    extra = open_order(Side.BUY, "1570", nonce=99)
    made = plan(desk_of(*resting(3), extra, ladder=ladder_of(3)), RECONCILES)
    assert [c.order_id for c in made.cancels] == [extra.order_id]
    assert len(made.kept) == 6


@pytest.mark.parametrize("startup", [True, False])
def test_what_is_surplus_says_why_and_counts_while_it_runs(startup: bool) -> None:
    """A fourth order of three levels is a duplicate; a third where the strategy wants two is one
    that it does not quote. At start-up neither counts as a replace."""
    category = CancelCategory.STARTUP if startup else CancelCategory.REPLACE_DRIVEN
    extra = open_order(Side.BUY, "1570", nonce=99)
    fewer = replace(ladder_of(3), bids=ladder_of(2).bids)
    for known, ladder, why in (
        ([*resting(3), extra], ladder_of(3), "duplicate_side"),
        (resting(3), fewer, "strategy_not_quoting_side"),
    ):
        (cancel,) = plan(desk_of(*known, ladder=ladder, startup=startup), RECONCILES).cancels
        assert (cancel.reason, cancel.category, cancel.counted) == (why, category, not startup)


def test_only_the_lost_level_is_placed_again() -> None:
    """The best of three bids filled: its slot alone is filled, nothing is cancelled."""
    known = [c for c in resting(3) if not (c.side is Side.BUY and c.price == level_price(0))]
    made = plan(desk_of(*known, ladder=ladder_of(3)), RECONCILES)
    assert not made.cancels
    assert [(p.level.side, p.level.index) for p in made.places] == [(Side.BUY, 0)]


def level_price(index: int) -> Price:
    return level(Side.BUY, BIDS[index]).price


@pytest.mark.parametrize("startup", [True, False])
@pytest.mark.parametrize("ownership", Ownership)
def test_strays_go_at_startup_only_and_protected_never(startup: bool, ownership: Ownership) -> None:
    """Invariant 6: at start-up every stray goes, with its reason, but a protected one; later none
    does."""
    stray = row(Side.BUY, "1500", order_id="web-1", nonce=50, ownership=ownership)
    made = plan(desk_of(BID, ASK, startup=startup, unmanaged=(stray,)), RECONCILES)
    gone = startup and ownership is not Ownership.PROTECTED
    assert reasons(made) == ([ownership.value] if gone else [])
    halted = cancel_everything(
        desk_of(startup=startup, unmanaged=(stray,)), CancelCategory.RISK, "risk_halt:x"
    )
    assert bool(halted.cancels) == gone


def test_a_side_that_is_not_quoted_is_cancelled() -> None:
    """bid-only cancels the ask, with the founding text's reason."""
    made = plan(desk_of(BID, ASK, ladder=replace(ladder_of(), asks=())), RECONCILES)
    assert [(c.order_id, c.reason) for c in made.cancels] == [
        (ASK.order_id, "strategy_not_quoting_side")
    ]


@pytest.mark.parametrize(
    ("policy", "age_ms", "price", "guard"),
    [
        (replace(RECONCILES, min_lifetime_ms=2_000), 1_999, "1590", "min_quote_lifetime"),
        (replace(RECONCILES, min_lifetime_ms=2_000), 2_000, "1590", None),
        (replace(RECONCILES, min_move_bps=Decimal(10)), 9_000, "1595", "min_price_move"),
        (replace(RECONCILES, min_move_bps=Decimal(10)), 9_000, "1590", None),
    ],
)
def test_churn_guards_hold_an_order(
    policy: object, age_ms: int, price: str, guard: str | None
) -> None:
    """Too young, or moved too little: the order stays and the guard is told; at start-up and past
    the guard it goes."""
    assert isinstance(policy, type(RECONCILES))
    order = open_order(Side.BUY, price, created_ms=NOW_MS - age_ms)
    made = plan(desk_of(order, ASK), policy)
    assert [h.guard for h in made.held] == ([guard] if guard else [])
    assert made.quiet == (guard is not None)
    assert not plan(desk_of(order, ASK, startup=True), policy).held


def test_a_cancel_that_waits_holds_its_order() -> None:
    """Until it is due again the slot says so; then it is sent."""
    waits = replace(open_order(Side.BUY, "1590"), cancels=1, next_cancel_ms=NOW_MS + 1)
    made = plan(desk_of(waits, ASK), RECONCILES)
    assert ([h.guard for h in made.held], made.quiet) == (["cancel_pending"], True)
    due = replace(waits, next_cancel_ms=NOW_MS)
    made = plan(desk_of(due, ASK), RECONCILES)
    assert ([c.order_id for c in made.cancels], made.held) == ([due.order_id], ())


def test_a_slot_is_replaced_once_in_the_refresh_interval() -> None:
    """Between two replaces of a slot lie at least MM_QUOTE_REFRESH_INTERVAL_MS."""
    order = open_order(Side.BUY, "1590")
    soon = replace(desk_of(order, ASK), last_replace_ms={(Side.BUY, 0): NOW_MS - 4_999})
    assert [h.guard for h in plan(soon, RECONCILES).held] == ["quote_refresh_interval"]
    due = replace(soon, last_replace_ms={(Side.BUY, 0): NOW_MS - 5_000})
    assert plan(due, RECONCILES).counted_cancels == 1


@pytest.mark.parametrize(
    ("price", "gone"),
    [
        ("1583.9", True),  # 100.6 bps below 1600
        ("1584", False),  # exactly the limit
        ("1616.1", True),  # on the wrong side just as well
    ],
)
def test_an_order_too_far_from_the_reference_goes_whatever_holds_it(price: str, gone: bool) -> None:
    """Invariant 11: a guard holds an order that does not fit only within the limit; beyond it the
    order is cancelled, outside of the replace budget, also while nothing may be placed."""
    limited = replace(RECONCILES, min_lifetime_ms=60_000, max_deviation_bps=Decimal(100))
    order = open_order(Side.BUY, price, created_ms=NOW_MS - 1)
    given = replace(desk_of(order, ASK), reference=Price.of("1600"))
    for hold in (None, MissingReason.BALANCES_BEHIND_FILLS):
        made = plan(replace(given, hold_places=hold), limited)
        wanted = [(order.order_id, CancelCategory.RISK, "price_deviation", False)] if gone else []
        assert [(c.order_id, c.category, c.reason, c.counted) for c in made.cancels] == wanted
        assert [held.order_id for held in made.held] == ([] if gone else [order.order_id])
        assert [m.reason for m in made.missing] == [MissingReason.CANCEL_PENDING] * gone
    assert plan(given, replace(limited, max_deviation_bps=None)).quiet


def test_an_order_that_fits_is_never_too_far() -> None:
    """A target beyond the limit is meant: its order is kept, and no loop of cancels begins."""
    given = replace(desk_of(BID, ASK), reference=Price.of("1700"))
    assert plan(given, replace(RECONCILES, max_deviation_bps=Decimal(1))).quiet


@pytest.mark.parametrize(("left", "replaced"), [("149", True), ("150", False)])
def test_no_guard_holds_what_is_past_a_bound(left: str, replaced: bool) -> None:
    """Invariant 8: an order too large for its slot is replaced at once where its side is past a
    bound; where it is only larger than wanted, the churn guards hold it like any other."""
    policy = replace(RECONCILES, min_lifetime_ms=10**9)
    bound = Bound(reason=MissingReason.INVENTORY_LIMIT, left=Decimal(left))
    ladder = replace(ladder_of(), bounds={Side.BUY: (bound,)})
    made = plan(desk_of(open_order(Side.BUY, "1596", "150"), ASK, ladder=ladder), policy)
    assert reasons(made) == (["size_too_far_from_target"] if replaced else [])


@pytest.mark.parametrize(("age_ms", "renewed"), [(199_999, False), (200_000, True)])
def test_an_order_is_renewed_at_two_thirds_of_its_life(age_ms: int, renewed: bool) -> None:
    """Renewal is no churn: no guard holds it and it does not count."""
    policy = replace(RECONCILES, min_lifetime_ms=10**9)
    made = plan(desk_of(open_order(Side.BUY, "1596", created_ms=NOW_MS - age_ms), ASK), policy)
    assert reasons(made) == (["renewal"] if renewed else [])
    assert made.counted_cancels == 0


def test_an_unknown_order_is_sent_again_and_never_replaced() -> None:
    """Invariant 3: the same bytes go again when due; no new nonce, no cancel."""
    unknown = open_order(Side.BUY, "1596", stage=Stage.UNKNOWN)
    made = plan(desk_of(unknown, ASK), RECONCILES)
    assert (made.resends, made.places, made.cancels) == ((unknown,), (), ())
    assert [m.reason for m in made.missing] == [MissingReason.AWAITING_EVIDENCE]
    waiting = replace(unknown, next_send_ms=NOW_MS + 1)
    assert plan(desk_of(waiting, ASK), RECONCILES).quiet
    conflicting = replace(unknown, conflict=True)
    assert plan(desk_of(conflicting, ASK), RECONCILES).quiet


def test_nothing_is_sent_again_where_that_might_make_a_second_order() -> None:
    """The exchange's capabilities decide: without `resend_safe` an unknown order waits for
    evidence, and its slot stays taken."""
    unknown = open_order(Side.BUY, "1596", stage=Stage.UNKNOWN)
    market = replace(SPOT, capabilities=replace(SPOT.capabilities, resend_safe=False))
    made = plan(replace(desk_of(unknown, ASK), market=market), RECONCILES)
    assert made.quiet
    assert [m.reason for m in made.missing] == [MissingReason.AWAITING_EVIDENCE]
