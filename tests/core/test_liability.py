"""Every unexpired signature counts, cancelled or not, with what is left of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.commands import Outcome
from mm_bot.core.exact import Amount, Size
from mm_bot.core.instrument import Side
from mm_bot.core.liability import (
    Signature,
    audit,
    last_expiry_ms,
    outstanding,
    updated,
    updated_elsewhere,
    worth,
)
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderStatus
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import MissingReason
from mm_bot.core.snapshot import SignedElsewhere
from tests.core.builders import (
    NOW_MS,
    POLICY,
    RECONCILES,
    RISKS,
    open_order,
    own_orders,
    row,
    running,
    snapshot,
)
from tests.core.decisions import ACCEPTED, ASK, BID, REFUSED, UNKNOWN, after, decided, sent

OLD = Signature(side=Side.BUY, left=Size.of(7), notional=Amount.of(11_200), expiry_ms=NOW_MS + 1)


@given(st.sampled_from(OrderStatus), st.integers(-400_000, 400_000))
def test_a_signature_counts_until_it_expires(status: OrderStatus, age_ms: int) -> None:
    """Invariant 1: whatever its row says, it counts while it may execute on chain."""
    signed = row(Side.BUY, "1600", "100", status=status, created_ms=NOW_MS - age_ms)
    known = updated({}, (signed,), {}, NOW_MS)
    alive = signed.expiry_ms // 1000 >= NOW_MS // 1000
    said = outstanding(known, Side.BUY)
    assert said == Size.of(100) if alive else said in (Size.of(0), Size.of(100))
    assert outstanding(known, Side.SELL) == Size.of(0)


def test_it_counts_with_what_is_left() -> None:
    """Invariant 2: a fill read later lowers it, and a filled order costs nothing."""
    first = updated({}, (row(Side.SELL, "1600", "100"),), {}, NOW_MS)
    second = updated(first, (row(Side.SELL, "1600", "30"),), {}, NOW_MS)
    assert outstanding(second, Side.SELL) == Size.of(30)
    assert worth(second, Side.SELL) == Amount.of(48_000)
    assert not updated(second, (row(Side.SELL, "1600", "0"),), {}, NOW_MS)


def test_an_unread_order_counts_in_full() -> None:
    """An order whose outcome is unknown counts from the moment it was signed."""
    assert outstanding(updated({"a": OLD}, (), {}, NOW_MS), Side.BUY) == Size.of(7)
    assert not updated({"a": OLD}, (), {}, NOW_MS + 2_000)


def test_it_counts_in_the_last_second_in_which_it_may_execute() -> None:
    """An expiry is a whole second, and counts to its end by the chain's clock."""
    assert updated({"a": OLD}, (), {}, OLD.expiry_ms + 999) == {"a": OLD}
    assert not updated({"a": OLD}, (), {}, OLD.expiry_ms + 1_000)


def test_what_the_chain_lacks_counts_beside_what_is_left() -> None:
    """The row has 30 left, and 5 that it calls filled are still executable; such a signature is on
    the table, as is one of another market that was read."""
    order = row(Side.SELL, "1600", "30")
    lacks = {order.order_id: (Size.of(5), Amount.of(8_000))}
    (found,) = updated({}, (order,), lacks, NOW_MS).values()
    assert (found.left, found.notional) == (Size.of(35), Amount.of(56_000))
    assert found.on_table
    assert not OLD.on_table
    elsewhere = SignedElsewhere(
        order_id="x",
        side=Side.BUY,
        size=Size.of(1),
        notional=Amount.of(2),
        expiry_ms=NOW_MS + 1,
    )
    (other,) = updated_elsewhere({}, [elsewhere], NOW_MS).values()
    assert other.on_table


def test_a_signature_that_the_table_shows_is_on_it() -> None:
    """Also where the row says nothing else that is new: it is the row that says so."""
    order = row(Side.SELL, "1600", "30")
    signed = Signature(
        side=order.side, left=order.size, notional=order.notional, expiry_ms=order.expiry_ms
    )
    (found,) = updated({order.order_id: signed}, (order,), {}, NOW_MS).values()
    assert found == replace(signed, on_table=True)


def test_something_can_be_executed_until_the_last_of_them_expires() -> None:
    """And nothing of none."""
    later = replace(OLD, expiry_ms=OLD.expiry_ms + 1)
    assert last_expiry_ms({"a": later, "b": OLD}) == last_expiry_ms({"a": OLD, "b": later})
    assert last_expiry_ms({"a": OLD, "b": later}) == later.expiry_ms
    assert last_expiry_ms({}) is None


def test_the_chain_is_asked_about_all_of_them_in_turns() -> None:
    """Four a cycle, none left out."""
    known = {str(number): OLD for number in range(10)}
    asked = [audit(known, turn) for turn in range(5)]
    assert asked[:3] == [("0", "1", "2", "3"), ("4", "5", "6", "7"), ("8", "9")]
    assert {each for turn in asked for each in turn} == set(known)
    assert (audit({}, 3), audit({"a": OLD}, 3)) == ((), ("a",))


def test_nothing_expires_while_no_block_was_read() -> None:
    """A signature dies by the chain's clock: ours may be hours ahead."""
    assert updated({"a": OLD}, (), {}, None) == {"a": OLD}
    seen = snapshot(own_orders(BID))
    blind = replace(seen.venue, balances=replace(seen.venue.balances, value=None))
    ahead = replace(seen, now_ms=NOW_MS + 400_000, venue=blind)
    assert BID.order_id in decided(ahead).signatures


@pytest.mark.parametrize("outcome", [ACCEPTED, REFUSED, UNKNOWN])
def test_whatever_the_answer_a_signed_order_counts(outcome: Outcome) -> None:
    """Refused and unknown orders are signed all the same, and go on counting without a row."""
    first = decided(snapshot())
    memory = after(first, sent(first, outcome))
    later = decided(snapshot(now_ms=NOW_MS + 60_000), memory)
    assert outstanding(later.signatures, Side.BUY) == first.plan.places[0].level.size


def test_a_cancelled_order_goes_on_counting() -> None:
    """Its row says cancelled, or is not read any more: the signature can still be executed."""
    gone = replace(BID, status=OrderStatus.CANCELLED)
    memory = after(decided(snapshot(own_orders(gone))), sent(decided(), ACCEPTED))
    memory = replace(memory, signatures=decided(snapshot(own_orders(gone, ASK))).signatures)
    later = decided(snapshot(own_orders(), now_ms=NOW_MS + 60_000), memory)
    assert outstanding(later.signatures, Side.BUY) == BID.size
    assert outstanding(later.signatures, Side.SELL) == ASK.size


def limited(limit: int, elsewhere: int = 0) -> tuple[Policy, Memory]:
    """A running bot whose bid is 10 bps behind, replaced a second ago; that may be signed, and that
    is signed in another market."""
    policy = replace(
        POLICY,
        risk=replace(RISKS, max_signed_liability=Amount.of(limit)),
        reconcile=replace(RECONCILES, refresh_interval_ms=0),
    )
    memory = replace(
        running(open_order(Side.BUY, "1594", nonce=1), open_order(Side.SELL, "1604", nonce=2)),
        last_replace_ms={(Side.BUY, 0): NOW_MS - 1_000},
        signed_elsewhere={
            "x": replace(OLD, notional=Amount.of(elsewhere), expiry_ms=NOW_MS + 9_000)
        }
        if elsewhere
        else {},
    )
    return policy, memory


BEHIND = own_orders(row(Side.BUY, "1594", nonce=1), ASK)
AHEAD = own_orders(row(Side.BUY, "1598", nonce=1), ASK)


def test_far_from_the_limit_an_order_is_replaced_at_once() -> None:
    """159,400 of a million are signed: nothing is slower than without a limit."""
    policy, memory = limited(1_000_000)
    plan = decided(snapshot(BEHIND), memory, policy).plan
    assert len(plan.cancels) == len(plan.places) == 1


@pytest.mark.parametrize(("limit", "elsewhere"), [(318_000, 0), (1_000_000, 600_000)])
def test_past_half_of_the_limit_an_order_behind_its_target_is_kept(
    limit: int, elsewhere: int
) -> None:
    """Slower first: what rests at a price that is only less attractive is left for its turn; what
    other markets of the subaccount signed counts too."""
    policy, memory = limited(limit, elsewhere)
    decision = decided(snapshot(BEHIND), memory, policy)
    assert decision.plan.quiet
    assert [held.guard for held in decision.plan.held] == [MissingReason.SIGNED_LIABILITY.value]


def test_a_worse_price_goes_and_nothing_comes_past_the_limit() -> None:
    """An order that pays more than wanted is cancelled, and no successor is signed past the
    limit; the gap has its reason."""
    policy, memory = limited(319_000)
    decision = decided(snapshot(AHEAD), memory, policy)
    assert [cancel.order_id for cancel in decision.plan.cancels] == [AHEAD.rows[0].order_id]
    assert not decision.plan.places
    assert MissingReason.SIGNED_LIABILITY in {gap.reason for gap in decision.missing}


def test_an_empty_slot_waits_for_room() -> None:
    """With the limit used up by a cancelled signature nothing is placed on that side; the other
    has its own room."""
    policy, memory = limited(170_000)
    signed = {"old": replace(OLD, notional=Amount.of(20_000), expiry_ms=NOW_MS + 9_000)}
    memory = replace(memory, open_orders=(), signatures=signed)
    decision = decided(snapshot(), memory, policy)
    assert [place.level.side for place in decision.plan.places] == [Side.SELL]
    later = decided(snapshot(now_ms=NOW_MS + 11_000), memory, policy)
    assert {place.level.side for place in later.plan.places} == set(Side)


def test_what_other_markets_signed_counts_until_it_expires() -> None:
    """A row seen once in another market is remembered when it is no longer shown."""
    there = SignedElsewhere(
        order_id="mm:other:sell:1",
        side=Side.SELL,
        size=Size.of(2),
        notional=Amount.of(32_000_000),
        expiry_ms=NOW_MS + 60_000,
    )
    first = decided(snapshot(replace(own_orders(), signed_elsewhere=(there,))))
    memory = after(first, sent(first, ACCEPTED))
    assert worth(memory.signed_elsewhere, Side.SELL) == Amount.of(32_000_000)
    second = decided(snapshot(now_ms=NOW_MS + 30_000), memory)
    assert worth(second.signed_elsewhere, Side.SELL) == Amount.of(32_000_000)
    assert not decided(snapshot(now_ms=NOW_MS + 62_000), memory).signed_elsewhere
