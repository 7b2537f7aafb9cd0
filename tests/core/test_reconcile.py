"""The plan: what is kept, replaced, filled, and what waits for evidence."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import Stage
from mm_bot.core.orders import Ownership
from mm_bot.core.plan import CancelCategory
from mm_bot.core.quoting import Bound, Hanging, Ladder, MissingReason
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


ONE_COMMAND = replace(SPOT, capabilities=replace(SPOT.capabilities, atomic_replace=True))


def test_a_replace_is_one_command_where_the_exchange_can() -> None:
    """Its place waits for no other order then; a predecessor whose cancel was tried already, or an
    own ask in the way, makes two commands of it, as it is everywhere else."""
    stale = open_order(Side.BUY, "1580", created_ms=NOW_MS - 10_000)
    for market, atomic in ((SPOT, False), (ONE_COMMAND, True)):
        (place,) = plan(replace(desk_of(stale, ASK), market=market), RECONCILES).places
        assert (place.atomic, place.replaces) == (atomic, stale.order_id)
    tried = replace(stale, cancels=1)
    (place,) = plan(replace(desk_of(tried, ASK), market=ONE_COMMAND), RECONCILES).places
    assert not place.atomic
    low_ask = open_order(Side.SELL, "1595", created_ms=NOW_MS - 10_000, nonce=2)
    made = plan(replace(desk_of(stale, low_ask), market=ONE_COMMAND), RECONCILES)
    assert {p.level.side: p.atomic for p in made.places} == {Side.BUY: False, Side.SELL: True}
    (first,) = plan(replace(desk_of(ASK), market=ONE_COMMAND), RECONCILES).places
    assert not first.atomic


def test_the_half_of_a_replace_is_not_sent_by_itself() -> None:
    """A replace whose outcome is unknown did both or neither: the same order by itself would rest
    beside the old one, or on top of what filled that. What took nobody's place is sent again."""
    old = open_order(Side.BUY, "1580", nonce=7)
    new = replace(open_order(Side.BUY, "1596", stage=Stage.UNKNOWN), replaces=old.order_id)
    for before in ((old,), ()):
        given = replace(desk_of(*before, new, ASK), market=ONE_COMMAND)
        assert not plan(given, RECONCILES).resends
    first = replace(new, replaces=None)
    assert plan(replace(desk_of(first, ASK), market=ONE_COMMAND), RECONCILES).resends == (first,)


def test_a_bid_waits_for_the_ask_it_would_meet() -> None:
    """Invariant 2: a place that reaches an own ask waits for its cancel, and is not sent where
    that ask stays."""
    low_ask = open_order(Side.SELL, "1595", created_ms=NOW_MS - 10_000)
    made = plan(desk_of(low_ask), RECONCILES)
    (bid,) = [p for p in made.places if p.level.side is Side.BUY]
    assert bid.after == (low_ask.order_id,)
    held = plan(desk_of(low_ask), replace(RECONCILES, min_lifetime_ms=60_000))
    assert not held.places
    assert [m.reason for m in held.missing] == [MissingReason.OWN_ORDER_IN_THE_WAY]


def test_an_order_of_unknown_price_is_in_the_way_of_everything() -> None:
    """Invariant 2: of an order that only the state file names no price is known."""
    named = replace(open_order(Side.SELL, "1604", stage=Stage.UNKNOWN), price=level_zero())
    made = plan(desk_of(replace(named, signed=None)), RECONCILES)
    assert not made.places
    bid = replace(open_order(Side.BUY, "1596", stage=Stage.UNKNOWN), price=level_zero())
    assert not plan(desk_of(replace(bid, signed=None)), RECONCILES).places


def level_zero() -> Price:
    return level(Side.BUY, "0").price


def _bounded(left: str, levels: int) -> Ladder:
    bound = Bound(reason=MissingReason.INVENTORY_LIMIT, left=Decimal(left))
    return replace(ladder_of(levels), bounds={Side.BUY: (bound,)})


def test_unknown_orders_count_in_the_bounds() -> None:
    """Invariant 8: with room for two, one unknown and one wanted beside it, the third is left out,
    outermost first."""
    unknown = open_order(Side.BUY, "1596", stage=Stage.UNKNOWN)
    made = plan(desk_of(unknown, *resting(3)[3:], ladder=_bounded("200", 3)), RECONCILES)
    assert [p.level.index for p in made.places] == [1]
    assert MissingReason.INVENTORY_LIMIT in [m.reason for m in made.missing]


def test_an_outer_level_is_cut_to_what_an_inner_order_that_stays_leaves() -> None:
    """Invariant 8: the inner order rests at an older price within the threshold and so takes a
    little more of the bound than its level. The outer level gets the rest, and then rests, also
    where the next tick of the inner one leaves a little more."""
    bound = Bound(reason=MissingReason.NOTIONAL_LIMIT, left=Decimal(240_000), priced=True)
    wanted = replace(ladder_of(2), asks=(), bounds={Side.BUY: (bound,)})
    outer = level(Side.BUY, BIDS[1], "50.477", index=1)
    wanted = replace(wanted, bids=(wanted.bids[0], outer))
    inner = open_order(Side.BUY, "1596.5", nonce=5)
    (place,) = plan(desk_of(inner, ladder=wanted), RECONCILES).places
    assert place.level.index == 1
    assert outer.size - Size.of("0.05") < place.level.size < outer.size
    assert inner.notional + place.level.notional <= Amount.of(240_000)
    share = Size.of("0.02")  # within the threshold of 5 bps of 50
    for size, stays in (
        (place.level.size, True),
        (place.level.size - share, True),
        (place.level.size - share - share, False),
        (place.level.size + share, False),
    ):
        resting = open_order(Side.BUY, BIDS[1], str(size), nonce=6)
        assert plan(desk_of(inner, resting, ladder=wanted), RECONCILES).quiet is stays


@pytest.mark.parametrize(
    ("size", "stays"),
    [
        ("50.44", "kept"),  # what the inner one leaves, but for the threshold
        ("50.477", "kept"),  # what was wanted: the next tick may leave that again
        ("50.3", "held"),
    ],
)
def test_a_held_order_fits_where_what_stays_leaves_no_more(size: str, stays: str) -> None:
    """While a churn guard holds an order, its size is judged by what the others leave, too."""
    bound = Bound(reason=MissingReason.NOTIONAL_LIMIT, left=Decimal(240_000), priced=True)
    wanted = replace(ladder_of(2), asks=(), bounds={Side.BUY: (bound,)})
    sized = [("100", 0), ("50.477", 1), ("0.001", 2)]
    wanted = replace(wanted, bids=tuple(level(Side.BUY, BIDS[i], s, index=i) for s, i in sized))
    inner = open_order(Side.BUY, "1596.5", nonce=5)
    outer = open_order(Side.BUY, BIDS[1], size, nonce=6)
    stale = open_order(Side.BUY, "1580", "0.001", nonce=7)
    guarded = replace(RECONCILES, min_lifetime_ms=60_000)
    made = plan(desk_of(inner, outer, stale, ladder=wanted), guarded)
    found = {"kept": [name for _, name in made.kept], "held": [h.order_id for h in made.held]}
    assert outer.order_id in found[stays]
    assert made.quiet


def test_a_place_waits_for_the_room_that_a_cancel_gives() -> None:
    """Invariant 8: where a side fits its bounds only without what is being cancelled, its places
    wait for those cancels too."""
    far = open_order(Side.BUY, "1500", nonce=77)
    two = replace(_bounded("200", 2), asks=())
    made = plan(desk_of(far, ladder=two), RECONCILES)
    assert {p.after for p in made.places} == {(far.order_id,)}
    assert [p.level.index for p in made.places] == [0, 1]


def test_nothing_is_placed_that_would_take() -> None:
    """Invariant 9: a bid that reaches an ask of others is left out with its reason, and an order
    that it was to replace stays."""
    walled = replace(desk_of(ASK), touch={Side.SELL: Price.of("1596")})
    made = plan(walled, RECONCILES)
    assert made.quiet
    assert [m.reason for m in made.missing] == [MissingReason.CROSSED_BY_OTHERS]
    beside = replace(walled, touch={Side.SELL: Price.of("1596.01")})
    assert [p.level.side for p in plan(beside, RECONCILES).places] == [Side.BUY]


def test_a_halt_spares_nobody_but_a_nonce_in_doubt() -> None:
    """A halt cancels unknown orders too, but never by a nonce that another order holds."""
    unknown = open_order(Side.BUY, "1590", nonce=5, stage=Stage.UNKNOWN)
    doubtful = replace(open_order(Side.BUY, "1589", nonce=6, stage=Stage.UNKNOWN), conflict=True)
    acked = replace(open_order(Side.BUY, "1588", nonce=7), cancel_acked_ms=NOW_MS)
    waiting = replace(open_order(Side.BUY, "1587", nonce=8), next_cancel_ms=NOW_MS + 1)
    due = replace(open_order(Side.BUY, "1586", nonce=9), next_cancel_ms=NOW_MS)
    given = desk_of(BID, unknown, doubtful, acked, waiting, due)
    made = cancel_everything(given, CancelCategory.RISK, "risk_halt:x")
    expected = sorted(c.order_id for c in (BID, unknown, due))
    assert [c.order_id for c in made.cancels] == expected
    assert made.counted_cancels == 0


def test_a_place_never_takes_while_a_taker_crosses_us() -> None:
    """Invariant 9: while somebody's bid crosses our ask, a renewal of that ask is left alone, a
    stale one is cancelled, and neither is placed anew into the crossing bid."""
    crossing = {Side.BUY: Price.of("1604")}
    old = open_order(Side.SELL, "1604", nonce=9, created_ms=NOW_MS - 250_000)
    renewal = plan(replace(desk_of(BID, old), touch=crossing), RECONCILES)
    assert not renewal.cancels
    assert not renewal.places
    stale = open_order(Side.SELL, "1601", nonce=9)
    made = plan(replace(desk_of(BID, stale), touch=crossing), RECONCILES)
    assert reasons(made) == ["price_too_far_from_target"]
    assert not made.places
    assert MissingReason.CROSSED_BY_OTHERS in {gap.reason for gap in made.missing}


def test_a_bid_does_not_wait_for_a_cancel_that_is_not_sent_after_all() -> None:
    """Invariant 2: an own ask is in its way, whose renewal a taker holds back."""
    wide = replace(RECONCILES, stale_threshold_bps=Decimal(100))
    old = open_order(Side.SELL, "1595", nonce=9, created_ms=NOW_MS - 250_000)
    alone = plan(desk_of(old), wide)
    assert [p.after for p in alone.places] == [(old.order_id,)] * 2
    made = plan(replace(desk_of(old), touch={Side.BUY: Price.of("1604")}), wide)
    assert made.quiet
    assert {m.side: m.reason for m in made.missing} == {
        Side.SELL: MissingReason.CROSSED_BY_OTHERS,
        Side.BUY: MissingReason.OWN_ORDER_IN_THE_WAY,
    }


def test_an_order_that_ends_with_its_market_is_not_renewed() -> None:
    """Its successor could not live longer, so replacing it would only churn."""
    old = open_order(Side.BUY, "1596", created_ms=NOW_MS - 250_000)
    ends = replace(desk_of(old, ASK), market=replace(SPOT, expiry_ms=old.expiry_ms))
    assert plan(ends, RECONCILES).quiet
    goes_on = replace(desk_of(old, ASK), market=replace(SPOT, expiry_ms=old.expiry_ms + 60_000))
    assert reasons(plan(goes_on, RECONCILES)) == ["renewal"]


TOGETHER = replace(RECONCILES, together=True)


@pytest.mark.parametrize(
    ("left", "waits"),
    [(Decimal(250), False), (Decimal(200), False), (Decimal("199.99"), True), (Decimal(100), True)],
)
def test_a_replacement_goes_with_its_cancel_where_both_fit_every_bound(
    left: Decimal, waits: bool
) -> None:
    """Two orders of 100 fit a bound of 200; where they do not, the new one waits as ever."""
    old = replace(BID, price=Price.of(1590))
    bound = Bound(reason=MissingReason.INVENTORY_LIMIT, left=left)
    ladder = replace(ladder_of(), bounds={Side.BUY: (bound,)})
    made = plan(desk_of(old, ASK, ladder=ladder), TOGETHER)
    assert [c.order_id for c in made.cancels] == [old.order_id]
    assert [p.after for p in made.places] == [(old.order_id,) if waits else ()]
    assert plan(desk_of(old, ASK, ladder=ladder), RECONCILES).places[0].after == (old.order_id,)


def test_a_replacement_waits_for_what_it_could_trade_with_and_at_startup() -> None:
    """An own ask in the way is gone first; a start takes nothing for granted."""
    old_bid, old_ask = replace(BID, price=Price.of(1580)), replace(ASK, price=Price.of(1595))
    made = plan(desk_of(old_bid, old_ask), TOGETHER)
    bid, ask = sorted(made.places, key=lambda place: place.level.side.value)
    assert bid.after == (old_ask.order_id,)
    assert ask.after == ()
    begun = plan(desk_of(old_bid, ASK, startup=True), TOGETHER)
    assert [p.after for p in begun.places] == [(old_bid.order_id,)]


def test_a_cancel_that_failed_beside_its_successor_is_only_sent_again() -> None:
    """The successor is kept and no third order comes; while it is alone its slot waits for it."""
    old = replace(open_order(Side.BUY, "1590", nonce=33), cancels=1)
    made = plan(desk_of(old, BID, ASK), TOGETHER)
    assert [c.order_id for c in made.cancels] == [old.order_id]
    assert made.places == ()
    alone = plan(desk_of(old, ASK), TOGETHER)
    assert [p.after for p in alone.places] == [(old.order_id,)]
    assert reasons(alone) == ["price_too_far_from_target"]
    paused = replace(old, next_cancel_ms=NOW_MS + 1)
    assert plan(desk_of(paused, BID, ASK), TOGETHER).quiet
    assert plan(desk_of(paused, ASK), TOGETHER).quiet


def test_an_order_whose_cancel_failed_is_judged_by_what_is_beside_it() -> None:
    """Alone and fitting again it is kept; where replacing does not go together, it and its twin are
    duplicates."""
    fits = replace(BID, cancels=1)
    assert plan(desk_of(fits, ASK), TOGETHER).quiet
    assert not plan(desk_of(fits, ASK), TOGETHER).missing
    old = replace(open_order(Side.BUY, "1590", nonce=33), cancels=1)
    assert reasons(plan(desk_of(old, BID, ASK), RECONCILES)) == ["duplicate_side"] * 2


@pytest.mark.parametrize("renews", [True, False])
def test_a_failed_cancel_beside_its_successor_counts_unless_it_renews(renews: bool) -> None:
    """At two thirds of its life its cancel is a renewal, which is no churn."""
    age_ms = 200_000 if renews else 0
    old = replace(open_order(Side.BUY, "1590", nonce=33, created_ms=NOW_MS - age_ms), cancels=1)
    made = plan(desk_of(old, BID, ASK), TOGETHER)
    told = [(c.reason, c.counted) for c in made.cancels]
    assert told == [("renewal" if renews else "duplicate_side", not renews)]
    tired = replace(old, cancels=9, next_cancel_ms=NOW_MS)  # one that counts waits 262 ms more
    assert bool(plan(desk_of(tired, BID, ASK), TOGETHER).cancels) is renews


def test_an_order_that_holds_no_slot_is_nobodys_duplicate() -> None:
    """It stays beside the ladder's own order, which is kept as it would be without."""
    hangs = open_order(Side.BUY, "1580", nonce=33)
    given = replace(desk_of(hangs, BID, ASK), hanging=Hanging(stay=frozenset({hangs.order_id})))
    made = plan(given, RECONCILES)
    assert made.quiet
    assert made.kept == (
        ((Side.BUY, 1), hangs.order_id),
        ((Side.BUY, 0), BID.order_id),
        ((Side.SELL, 0), ASK.order_id),
    )
