"""What a report leaves in memory: open orders, pauses, budgets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.commands import Outcome
from mm_bot.core.exact import Amount, Size
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import STUCK_AFTER_MS, OpenOrder, Stage
from mm_bot.core.liability import outstanding
from mm_bot.core.orders import OrderStatus
from mm_bot.core.quoting import MissingReason
from mm_bot.core.remember import RESEND_MAX_MS, RETIRED_KEPT_MS, PlaceResult, Report, with_cancels
from mm_bot.core.snapshot import ClockReading
from mm_bot.core.watching import next_due_ms
from tests.core.builders import (
    NOW_MS,
    book,
    observation,
    open_order,
    others,
    own_orders,
    row,
    running,
    snapshot,
)
from tests.core.decisions import ACCEPTED, REFUSED, UNKNOWN, after, decided, sent
from tests.core.remembering import LIVE, cancelled


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
