"""What orders of one plan are to each other: what waits for what, bounds they share, a replacement
that goes with its cancel."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import Stage
from mm_bot.core.plan import CancelCategory
from mm_bot.core.quoting import Bound, Hanging, Ladder, MissingReason
from mm_bot.core.reconcile import cancel_everything, plan
from tests.core.builders import NOW_MS, RECONCILES, SPOT, level, open_order
from tests.core.reconcile_inputs import ASK, BID, BIDS, desk_of, ladder_of, reasons, resting

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
