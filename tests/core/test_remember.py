"""What a report leaves in memory: open orders, pauses, budgets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.commands import Outcome
from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import STUCK_AFTER_MS, OpenOrder, Stage
from mm_bot.core.liability import outstanding
from mm_bot.core.memory import Accepted, Memory
from mm_bot.core.orders import OrderId, OrderStatus
from mm_bot.core.plan import Cancel, CancelCategory
from mm_bot.core.quoting import MissingReason
from mm_bot.core.remember import (
    RESEND_MAX_MS,
    RETIRED_KEPT_MS,
    CancelResult,
    PlaceResult,
    Report,
    remember,
    with_cancels,
    with_signed,
)
from mm_bot.core.risk import HaltReason
from mm_bot.core.snapshot import ClockReading
from mm_bot.core.watching import next_due_ms
from tests.core.builders import (
    LADDER_OF_THREE,
    NOW_MS,
    POLICY,
    SPOT,
    anchor,
    book,
    fill,
    observation,
    open_order,
    others,
    own_orders,
    row,
    running,
    snapshot,
)
from tests.core.decisions import (
    ACCEPTED,
    EMPTY,
    REFUSED,
    UNKNOWN,
    after,
    decided,
    sent,
    unread,
)

LIVE = open_order(Side.BUY, "1596")


def cancelled(order: OpenOrder, outcome: Outcome, sent_ms: int = NOW_MS) -> CancelResult:
    """A counted cancel of it, answered or given up now."""
    cancel = Cancel(
        order_id=order.order_id,
        nonce=order.nonce,
        category=CancelCategory.REPLACE_DRIVEN,
        reason="x",
        counted=True,
    )
    return CancelResult(cancel=cancel, outcome=outcome, sent_ms=sent_ms, done_ms=NOW_MS)


@pytest.mark.parametrize(
    ("outcome", "stage"), [(ACCEPTED, Stage.ACCEPTED), (UNKNOWN, Stage.UNKNOWN)]
)
def test_what_was_sent_is_remembered(outcome: Outcome, stage: Stage) -> None:
    """Invariant 1 of remember: sent and not refused is an order, and counts as signed."""
    decision = decided()
    memory = after(decision, sent(decision, outcome))
    assert [c.stage for c in memory.open_orders] == [stage, stage]
    assert outstanding(memory.signatures, Side.BUY) == Size.of(100)


def test_a_refused_order_is_tried_again_within_two_seconds() -> None:
    """A refusal leaves no open order; after a pause of at most two seconds the slot is filled."""
    decision = decided()
    memory = after(decision, sent(decision, REFUSED))
    assert not memory.open_orders
    assert outstanding(memory.signatures, Side.BUY) == Size.of(100)  # signed all the same
    soon = decided(snapshot(now_ms=NOW_MS + 1), memory)
    assert {m.reason for m in soon.missing} == {MissingReason.REFUSED_RECENTLY}
    due_ms = next_due_ms(memory, NOW_MS)
    assert due_ms is not None
    assert due_ms <= NOW_MS + 2_000
    assert len(decided(snapshot(now_ms=due_ms), memory).plan.places) == 2


def test_a_refusal_beside_a_clock_that_differs_is_the_clocks() -> None:
    """The reason why the slot is empty names the clock and how far it is off; one that agrees
    within two seconds is none."""
    decision = decided()
    memory = after(decision, sent(decision, REFUSED))
    seen = snapshot(now_ms=NOW_MS + 1)
    reasons = {}
    for ahead_ms in (2_000, -2_001):
        clocks = (ClockReading(name="api", ahead_ms=ahead_ms),)
        venue = replace(seen.venue, clocks=clocks)
        missing = decided(replace(seen, venue=venue), memory).missing
        reasons[ahead_ms] = {(gap.reason, gap.numbers) for gap in missing}
    assert reasons == {
        2_000: {(MissingReason.REFUSED_RECENTLY, ())},
        -2_001: {(MissingReason.CLOCK_OFF, (("clock", "api"), ("ahead_ms", "-2001")))},
    }


def test_an_order_known_to_be_dead_is_a_ghost_for_as_long_as_the_book_lists_it() -> None:
    """Also in the cycles after the one that learned of it, and for ten minutes."""
    gone = row(Side.BUY, "1596", status=OrderStatus.FILLED)
    ghost = book(others(Side.BUY, "1596", order_id=gone.order_id, ours=True))
    memory = running(open_order(Side.BUY, "1596"))
    seen = snapshot(venue=observation(own_orders(gone), shown=ghost))
    memory = after(decided(seen, memory), Report(), memory)
    for later_ms in (1, RETIRED_KEPT_MS - 1):
        venue = observation(own_orders(), shown=ghost, at_ms=NOW_MS + later_ms)
        decision = decided(snapshot(venue=venue, now_ms=NOW_MS + later_ms), memory)
        assert decision.contradictions == {f"book still lists {gone.order_id}": NOW_MS}
        memory = after(decision, Report(), memory)


def test_an_unknown_order_is_sent_again_with_a_growing_pause() -> None:
    """The same bytes, at first at once and then at most a second apart."""
    decision = decided()
    memory, now_ms, pauses = after(decision, sent(decision, UNKNOWN)), NOW_MS, []
    body = memory.open_orders[0].signed
    for _ in range(8):
        due_ms = next_due_ms(memory, now_ms)
        assert due_ms is not None
        pauses.append(due_ms - now_ms)
        now_ms = due_ms
        again = decided(snapshot(now_ms=now_ms), memory)
        assert [c.signed for c in again.plan.resends][:1] == [body]
        assert not again.plan.places
        results = tuple(
            PlaceResult(signed=c.signed, level=None, replaces=None, outcome=UNKNOWN, sent_ms=now_ms)
            for c in again.plan.resends
            if c.signed is not None
        )
        memory = after(again, Report(places=results), memory)
    assert pauses == sorted(pauses)
    assert pauses[-1] == RESEND_MAX_MS


def test_a_resend_that_nobody_looked_at_says_nothing_of_the_first_sending() -> None:
    """The first may still be under way: the order stays unknown, to be sent again, and its slot is
    not filled by another; a judgement of the bytes ends it with the next read."""
    first = decided()
    memory = after(first, sent(first, UNKNOWN))
    for unjudged, ids in ((True, [c.order_id for c in memory.open_orders]), (False, [])):
        again = decided(snapshot(now_ms=NOW_MS + 1_000), memory)
        results = tuple(
            PlaceResult(
                signed=known.signed,
                level=None,
                replaces=None,
                outcome=replace(REFUSED, unjudged=unjudged),
                sent_ms=NOW_MS + 1_000,
            )
            for known in again.plan.resends
            if known.signed is not None
        )
        assert len(results) == 2
        later = decided(snapshot(now_ms=NOW_MS + 3_000), after(again, Report(places=results)))
        assert [c.order_id for c in later.plan.resends] == ids
        assert bool(later.plan.places) is not unjudged


@pytest.mark.parametrize(
    ("order", "pauses"),
    [
        (LIVE, [2, 4, 8, 16, 32, 64, 128, 250, 250]),
        (replace(LIVE, stage=Stage.UNKNOWN), [2, 4, 8, 16, 32, 64, 128, 256, 512, 1_000, 1_000]),
        (
            replace(LIVE, matching_since_ms=NOW_MS - STUCK_AFTER_MS - 1),
            [*(2**n for n in range(1, 14)), 10_000, 10_000],
        ),
        (replace(LIVE, matching_since_ms=NOW_MS - STUCK_AFTER_MS), [2, 4, 8, 16, 32, 64, 128, 250]),
    ],
    ids=["resting", "unknown", "stuck", "matching"],
)
def test_cancels_are_repeated_with_a_pause_and_counted_when_driven(
    order: OpenOrder, pauses: list[int]
) -> None:
    """From when its answer failed to come an unproven cancel waits twice as long each time: up to
    a quarter of a second where the order rests, more where it may not exist or is held. An
    acknowledged one waits for nothing; an order that has left is not brought back."""
    memory, times = running(order), []
    counted = cancelled(order, UNKNOWN, sent_ms=NOW_MS - 7)
    for _ in pauses:
        memory = with_cancels(memory, (counted,))
        times.append(memory.open_orders[0].next_cancel_ms - NOW_MS)
    assert times == pauses
    assert memory.open_orders[0].cancels == len(pauses)
    seen = decided(snapshot(own_orders(row(Side.BUY, "1596"))), running(LIVE))
    uncounted = replace(counted, cancel=replace(counted.cancel, counted=False), sent_ms=NOW_MS)
    elsewhere = replace(counted.cancel, order_id="another")
    earlier = replace(counted, cancel=elsewhere, sent_ms=NOW_MS - 9)
    before = replace(running(LIVE), replace_cancels_ms=(NOW_MS - 60_000, NOW_MS - 8))
    memory = after(seen, Report(cancels=(counted, uncounted, earlier)), before)
    assert memory.replace_cancels_ms == (NOW_MS - 9, NOW_MS - 8, NOW_MS - 7)
    (acked,) = with_cancels(memory, (cancelled(order, ACCEPTED),)).open_orders
    assert (acked.cancels, acked.cancel_acked_ms) == (3, NOW_MS)
    gone = decided(snapshot(own_orders(row(Side.BUY, "1596", status=OrderStatus.EXPIRED))), memory)
    assert not after(gone, Report(cancels=(counted,)), memory).open_orders
    other = replace(LIVE, order_id="other")
    both = with_cancels(running(LIVE, other), (cancelled(LIVE, ACCEPTED),)).open_orders
    assert (both[0].cancels, both[1]) == (1, other)
    assert with_cancels(memory, ()) is memory


@pytest.mark.parametrize(
    ("outcome", "known", "holds"),
    [
        (UNKNOWN, None, False),
        (REFUSED, None, False),
        (ACCEPTED, None, True),
        (ACCEPTED, 100, True),
        (replace(ACCEPTED, left=Amount.of(100)), None, True),
        (replace(ACCEPTED, left=Amount.of(100)), 100, True),
        (replace(ACCEPTED, left=Amount.of(101)), 100, True),
        (replace(ACCEPTED, left=Amount.of(99)), 100, False),
    ],
)
def test_what_was_to_follow_a_cancel_holds_only_where_nothing_more_was_filled(
    outcome: Outcome, known: int | None, holds: bool
) -> None:
    """The order is gone, with no less left than was known when the cancel was decided."""
    result = cancelled(LIVE, outcome)
    left = None if known is None else Amount.of(known)
    assert replace(result, cancel=replace(result.cancel, left=left)).as_decided is holds


def test_an_order_is_what_its_first_sending_said_with_every_pause_twice_the_last() -> None:
    """When it was sent first, what it replaced and when it expires stay; its bytes are kept for as
    long as nobody answered, and the pauses end at a second."""
    decision = decided()
    made = sent(decision, UNKNOWN).places[0]
    memory, pauses = running(), []
    for number in range(1, 8):
        again = replace(made, sent_ms=NOW_MS + number, replaces="first" if number == 1 else None)
        memory = after(decided(memory=memory), Report(places=(again,)), memory)
        (known,) = memory.open_orders
        pauses.append(known.next_send_ms - again.sent_ms)
        assert (known.sends, known.created_ms, known.replaces) == (number, NOW_MS + 1, "first")
        assert known.expiry_ms == made.signed.order.expiry_s * 1_000
        assert (known.signed, known.reduces) == (made.signed, False)
        assert memory.signatures[known.order_id].expiry_ms == known.expiry_ms
    assert pauses == [50, 100, 200, 400, 800, 1_000, 1_000]
    taken = after(decided(memory=memory), Report(places=(replace(made, outcome=ACCEPTED),)), memory)
    assert (taken.open_orders[0].stage, taken.open_orders[0].signed) == (Stage.ACCEPTED, None)
    turned_away = replace(made, outcome=replace(REFUSED, unjudged=True), sent_ms=NOW_MS + 9)
    waits = after(decided(memory=memory), Report(places=(turned_away,)), memory).open_orders[0]
    assert (waits.next_send_ms, waits.resend_refused) == (NOW_MS + 9 + RESEND_MAX_MS, False)
    judged = after(decided(memory=memory), Report(places=(replace(made, outcome=REFUSED),)), memory)
    assert (judged.open_orders[0].resend_refused, judged.open_orders[0].signed) == (True, None)
    for refused in (REFUSED, replace(REFUSED, unjudged=True)):
        first = Report(places=(replace(made, outcome=refused),))
        assert not after(decision, first, running()).open_orders


def test_what_was_signed_in_a_cycle_that_nobody_remembered_counts() -> None:
    """With the whole of it, until it expires; without any nothing changes."""
    order = sent(decided(), ACCEPTED).places[0].signed.order
    (signed,) = with_signed(EMPTY, [order]).signatures.values()
    expected = (order.side, order.size, order.notional, order.expiry_s * 1_000)
    assert (signed.side, signed.left, signed.notional, signed.expiry_ms) == expected
    assert with_signed(EMPTY, []) is EMPTY


@pytest.mark.parametrize(
    ("known", "outcomes", "dry_run", "over"),
    [
        ("", "", False, False),
        ("orders", "", False, False),
        ("orders balances", "accepted accepted", False, True),
        ("orders balances", "accepted unknown", False, False),
        ("orders balances", "accepted", False, False),
        ("orders balances", "", False, False),
        ("orders balances", "", True, True),
        ("orders", "", True, False),
        ("balances", "", True, False),
        ("orders kill", "accepted accepted", False, True),
        ("orders kill", "accepted", False, False),
    ],
)
def test_start_up_is_over_once_what_was_compared_is_cancelled(
    known: str, outcomes: str, dry_run: bool, over: bool
) -> None:
    """Both the orders and the balances were read, or all of it is to go anyway; and each cancel was
    acknowledged, or none is sent."""
    strays = (row(Side.BUY, "1500", nonce=1), row(Side.SELL, "1700", nonce=2))
    seen = snapshot(own_orders(*strays), kill_switch="kill" in known)
    venue = seen.venue
    if "balances" not in known:
        venue = replace(venue, balances=replace(venue.balances, value=None))
    seen = replace(seen, venue=venue)
    decision = decided(seen if "orders" in known else unread(seen))
    kinds = {"accepted": ACCEPTED, "unknown": UNKNOWN}
    results = tuple(
        cancelled(open_order(each.side, "1500", nonce=each.nonce), kinds[word])
        for each, word in zip(strays, outcomes.split(), strict=False)
    )
    later = remember(EMPTY, decision, Report(cancels=results), dry_run=dry_run)
    assert later.startup is not over
    begun = replace(EMPTY, startup=False)
    assert not remember(begun, decision, Report(), dry_run=False).startup, "over is over"


def test_what_a_cycle_saw_is_remembered_until_one_sees_more() -> None:
    """The times of fills, of the inventory's last change and of the last read; the last reference
    and the first of the last halts."""
    made = (
        fill(1, Side.BUY, "1600", "1"),
        replace(fill(2, Side.BUY, "1600", "1"), at_ms=NOW_MS + 5),
    )
    books = replace(running(), fill_totals=FillTotals(cursor=0), signatures_known=False)
    first = after(decided(snapshot(own_orders(fills=made)), books), Report(), books)
    assert (first.last_fill_seen_ms, first.last_fill_made_ms) == (NOW_MS, NOW_MS + 5)
    assert (first.inventory, first.inventory_at_ms) == (Size.of(10_000), NOW_MS)
    assert (first.orders_read_ms, first.signatures_known) == (NOW_MS, True)
    assert first.last_reference == Accepted(price=Price.of(1_600), at_ms=NOW_MS)
    assert (first.halts, first.last_halt_reason) == ((), None)

    blind = unread(snapshot(now_ms=NOW_MS + 1, quote=anchor(None)))
    blind = replace(
        blind, venue=replace(blind.venue, balances=replace(blind.venue.balances, value=None))
    )
    second = after(decided(blind, first), Report(), first)
    for name in (
        *("last_fill_seen_ms", "last_fill_made_ms", "inventory", "inventory_at_ms"),
        *("orders_read_ms", "signatures_known", "last_reference"),
    ):
        assert getattr(second, name) == getattr(first, name), name
    assert not after(decided(blind, books), Report(), books).signatures_known

    halting = snapshot(now_ms=NOW_MS + 2, kill_switch=True, quote=anchor(as_of_ms=NOW_MS - 90_000))
    decision = decided(halting, first)
    third = after(decision, Report(), first)
    reasons = [halt.reason for halt in third.halts]
    assert reasons == [HaltReason.ANCHOR_STALE, HaltReason.KILL_SWITCH]
    assert third.last_halt_reason is HaltReason.ANCHOR_STALE
    same = after(decided(snapshot(now_ms=NOW_MS + 3), third), Report(), third)
    assert (same.inventory_at_ms, same.halts) == (NOW_MS, ())
    assert same.last_halt_reason is HaltReason.ANCHOR_STALE


@pytest.mark.parametrize(
    ("age_ms", "noted"), [(-1, True), (0, False), (1, False), (59_999, False), (60_000, True)]
)
def test_an_accepted_price_is_noted_once_a_minute(age_ms: int, noted: bool) -> None:
    """Each note is a write of the state file; a time ahead of ours is one of another clock. A
    source that is off, has no price or says that something is wrong leaves what was noted."""
    old = Accepted(price=Price.of(1_500), at_ms=NOW_MS - age_ms)
    memory = replace(running(), accepted={"fixed": old})
    new = Accepted(price=Price.of(1_600), at_ms=NOW_MS)
    outside = replace(anchor("1601"), source="outside")
    told = after(decided(snapshot(external=outside), memory), Report(), memory).accepted
    expected = Accepted(price=Price.of(1_601), at_ms=NOW_MS)
    assert told == {"fixed": new if noted else old, "outside": expected}
    for silent in (replace(anchor(), error="down"), replace(anchor(), price=None)):
        seen = snapshot(quote=silent, external=outside)
        told = after(decided(seen, memory), Report(), memory).accepted
        assert told == {"fixed": old, "outside": expected}


def test_slots_remember_their_last_replace_and_refusal() -> None:
    """By the time of sending; old bytes that go out again are of no slot, and a refusal is over
    once its pause is."""
    decision = decided()
    bid, ask = sent(decision, ACCEPTED, NOW_MS + 5).places
    slot = (Side.BUY, 0)
    past = {(Side.BUY, 7): NOW_MS, (Side.SELL, 7): NOW_MS + 1}
    memory = replace(running(), refused_until_ms=past, last_replace_ms={(Side.SELL, 0): 1})

    def told(*places: PlaceResult) -> Memory:
        return after(decision, Report(places=places), memory)

    replaced = told(replace(bid, replaces="old"), ask)
    assert replaced.last_replace_ms == {(Side.SELL, 0): 1, slot: NOW_MS + 5}
    assert replaced.refused_until_ms == {(Side.SELL, 7): NOW_MS + 1}
    assert told(replace(bid, replaces="old", level=None)).last_replace_ms == {(Side.SELL, 0): 1}
    refused = told(replace(bid, outcome=REFUSED))
    assert refused.refused_until_ms == {(Side.SELL, 7): NOW_MS + 1, slot: NOW_MS + 1_005}
    again = told(replace(bid, outcome=REFUSED, level=None))
    assert again.refused_until_ms == {(Side.SELL, 7): NOW_MS + 1}
    assert told(bid, ask).last_submitted == {
        Side.BUY: bid.signed.order.order_id, Side.SELL: ask.signed.order.order_id
    }  # fmt: skip


def test_forced_reductions_count_for_an_hour_whatever_became_of_them() -> None:
    """Each once, when it was first sent; quotes are none."""
    decision = decided()
    bid, ask = sent(decision, UNKNOWN, NOW_MS + 5).places
    taking = replace(bid.signed.order, may_take=True)
    reduction = replace(bid, signed=replace(bid.signed, order=taking))
    hour_ms = 3_600_000
    memory = replace(running(), reductions_ms=(NOW_MS - hour_ms, NOW_MS - hour_ms + 1))
    later = after(decision, Report(places=(reduction, ask)), memory)
    assert later.reductions_ms == (NOW_MS - hour_ms + 1, NOW_MS + 5)
    assert [each.reduces for each in later.open_orders] == [True, False]
    again = Report(places=(replace(reduction, level=None),))
    assert after(decision, again, memory).reductions_ms == (NOW_MS - hour_ms + 1,)


def test_a_quote_is_as_old_as_the_last_that_may_rest() -> None:
    """Sent and not refused, or adopted at start-up: of the adopted the best of each side."""
    decision = decided()
    sides = sent(decision, REFUSED).places
    known = replace(running(), last_quote_update_ms=7, last_adopted={Side.BUY: "before"})
    assert after(decision, Report(places=sides), known).last_quote_update_ms == 7
    one = (sides[0], replace(sides[1], outcome=UNKNOWN))
    assert after(decision, Report(places=one), known).last_quote_update_ms == NOW_MS

    ladder = replace(POLICY, quote=LADDER_OF_THREE)
    rows = [
        row(
            each.level.side,
            str(each.level.price),
            nonce=10 * each.level.index + each.level.side.sign + 2,
        )
        for each in decided(policy=ladder).plan.places
    ]
    adopts = decided(snapshot(own_orders(*rows)), policy=ladder)
    assert len(adopts.plan.kept) == 6
    first = after(adopts, Report(), replace(EMPTY, last_quote_update_ms=7))
    assert first.last_quote_update_ms == NOW_MS
    assert first.last_adopted == {
        side: str(OrderId(SPOT.symbol, side, side.sign + 2)) for side in Side
    }
    goes_on = decided(snapshot(own_orders(*rows)), known, ladder)
    later = after(goes_on, Report(), known)
    assert (later.last_quote_update_ms, later.last_adopted) == (7, {Side.BUY: "before"})
    nothing = after(decided(), Report(), replace(EMPTY, last_quote_update_ms=7))
    assert nothing.last_quote_update_ms == 7


def test_the_dead_are_remembered_for_ten_minutes_and_the_newest_of_many() -> None:
    """The oldest stand first; one that died again is as young as its last death."""
    gone = row(Side.BUY, "1596", status=OrderStatus.FILLED)
    dies = decided(snapshot(own_orders(gone)), running(LIVE))
    kept_ms = NOW_MS - 600_000 + 1
    old = {"gone": kept_ms - 1, LIVE.order_id: kept_ms, "kept": kept_ms}
    later = after(dies, Report(), replace(running(LIVE), retired=old))
    assert list(later.retired.items()) == [("kept", kept_ms), (LIVE.order_id, NOW_MS)]
    young = replace(running(), retired={"kept": kept_ms})
    assert after(decided(memory=young), Report(), young).retired is young.retired
    over = replace(running(), retired={"gone": kept_ms - 1, "kept": kept_ms})
    assert after(decided(memory=over), Report(), over).retired == {"kept": kept_ms}
    many = replace(running(LIVE), retired={str(n): NOW_MS for n in range(500)})
    assert list(after(dies, Report(), many).retired) == [
        *map(str, range(1, 500)), LIVE.order_id
    ]  # fmt: skip
