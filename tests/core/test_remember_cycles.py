"""What a cycle leaves behind beside its orders: what was seen, signed, accepted and counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.exact import Price, Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Accepted, Memory
from mm_bot.core.orders import OrderId, OrderStatus
from mm_bot.core.remember import PlaceResult, Report, remember, with_signed
from mm_bot.core.risk import HaltReason
from tests.core.builders import (
    LADDER_OF_THREE,
    NOW_MS,
    POLICY,
    SPOT,
    anchor,
    fill,
    open_order,
    own_orders,
    row,
    running,
    snapshot,
)
from tests.core.decisions import ACCEPTED, EMPTY, REFUSED, UNKNOWN, after, decided, sent, unread
from tests.core.remembering import LIVE, cancelled


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
