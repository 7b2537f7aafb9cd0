"""What may be live stays in the ledger until evidence closes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.clock_step import shifted
from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import (
    ARRIVAL_GRACE_MS,
    LOST_REQUEST_MS,
    STUCK_AFTER_MS,
    UNHEARD_MS,
    Ending,
    OpenOrder,
    Stage,
    Tracked,
    stuck,
    track,
    without_dead_rows,
)
from mm_bot.core.memory import Memory, remembered
from mm_bot.core.orders import OrderStatus, Ownership
from mm_bot.core.snapshot import IdLookup, OwnOrders, Part
from mm_bot.core.watching import watch
from tests.core.builders import NOW_MS, SPOT, open_order, own_orders, row

UNKNOWN = open_order(Side.BUY, "1596", stage=Stage.UNKNOWN)
LIVE = open_order(Side.BUY, "1596")


def _track(*known: OpenOrder, read: OwnOrders | None, now_ms: int = NOW_MS) -> Tracked:
    part = Part(value=read, as_of_ms=None if read is None else now_ms)
    return track(known, part, now_ms, now_ms)


@pytest.mark.parametrize("stage", Stage)
def test_nothing_is_closed_without_a_read(stage: Stage) -> None:
    """Invariant 1: where the order table was not read, everything stays as it was."""
    known, later_ms = open_order(Side.BUY, "1596", stage=stage), NOW_MS + 10**9
    assert _track(known, read=None, now_ms=later_ms).open_orders == (known,)
    of_no_time = Part(value=own_orders(), as_of_ms=None)
    assert track((known,), of_no_time, later_ms, later_ms).open_orders == (known,)


def test_an_order_unheard_of_since_its_last_sending_never_arrived() -> None:
    """Invariant 1: past the time that a request can still be on its way, no row means no order;
    an accepted order is never closed like that."""
    unknown = open_order(Side.BUY, "1596", stage=Stage.UNKNOWN)
    last_ms = unknown.next_send_ms + UNHEARD_MS
    assert _track(unknown, read=own_orders(), now_ms=last_ms).open_orders
    (ended,) = _track(unknown, read=own_orders(), now_ms=last_ms + 1).ended
    assert ended.ending is Ending.NEVER_ARRIVED
    accepted = open_order(Side.BUY, "1596", stage=Stage.ACCEPTED)
    assert _track(accepted, read=own_orders(), now_ms=last_ms + 1).open_orders


@pytest.mark.parametrize("stage", Stage)
def test_a_missing_row_closes_nothing(stage: Stage) -> None:
    """Invariant 2: an order whose row was not read may be live, until its expiry and a grace."""
    known = open_order(Side.BUY, "1596", stage=stage)
    known = replace(known, next_send_ms=known.expiry_ms)  # sent again as long as it lived
    last_ms = known.expiry_ms + ARRIVAL_GRACE_MS
    assert _track(known, read=own_orders(), now_ms=last_ms).open_orders
    closed = _track(known, read=own_orders(), now_ms=last_ms + 1)
    expected = Ending.NEVER_ARRIVED if stage is Stage.UNKNOWN else Ending.EXPIRED
    assert [ended.ending for ended in closed.ended] == [expected]
    fast = Part(value=own_orders(), as_of_ms=last_ms + 1)
    by_block = track((known,), fast, last_ms + 1, last_ms)  # a clock of ours that is ahead
    assert [order.order_id for order in by_block.open_orders] == [known.order_id]


@pytest.mark.parametrize(
    ("status", "cancels", "ending"),
    [
        (OrderStatus.FILLED, 0, Ending.FILLED),
        (OrderStatus.FILLED, 2, Ending.FILLED),
        (OrderStatus.EXPIRED, 0, Ending.EXPIRED),
        (OrderStatus.CANCELLED, 0, Ending.CANCELLED_ELSEWHERE),
        (OrderStatus.CANCELLED, 1, Ending.CANCELLED_BY_US),
    ],
)
def test_a_terminal_row_says_how_it_ended(
    status: OrderStatus, cancels: int, ending: Ending
) -> None:
    """Each vanished order is known to be filled, cancelled and by whom, or expired."""
    known = replace(LIVE, cancels=cancels)
    tracked = _track(known, read=own_orders(row(Side.BUY, "1596", status=status)))
    assert not tracked.open_orders
    proven = ending is Ending.CANCELLED_BY_US
    assert [(ended.ending, ended.cancel_proven) for ended in tracked.ended] == [(ending, proven)]


@pytest.mark.parametrize("acked_ms", [None, NOW_MS - 1])
def test_a_row_proves_a_cancel_that_no_answer_told_of(acked_ms: int | None) -> None:
    """Only there: an acknowledged one is counted already."""
    known = replace(LIVE, cancels=1, cancel_acked_ms=acked_ms)
    gone = row(Side.BUY, "1596", status=OrderStatus.CANCELLED)
    (ended,) = _track(known, read=own_orders(gone)).ended
    assert ended.cancel_proven is (acked_ms is None)


@pytest.mark.parametrize("status", [OrderStatus.ACTIVE, OrderStatus.MATCHING])
def test_a_row_proves_an_unknown_order(status: OrderStatus) -> None:
    """A live row, blinking or not, answers the question, and the bytes are dropped."""
    (known,) = _track(UNKNOWN, read=own_orders(row(Side.BUY, "1596", status=status))).open_orders
    assert (known.stage, known.signed) == (Stage.LIVE, None)


def test_an_acknowledgement_is_taken_back_by_a_later_row() -> None:
    """Invariant 3: read as live after its cancel was acknowledged, it holds its slot again."""
    acked = replace(LIVE, cancel_acked_ms=NOW_MS - 1)
    (known,) = _track(acked, read=own_orders(row(Side.BUY, "1596"))).open_orders
    assert not known.cancel_acked
    assert known.ack_contradicted
    older = replace(LIVE, cancel_acked_ms=NOW_MS)
    (known,) = _track(older, read=own_orders(row(Side.BUY, "1596"))).open_orders
    assert known.cancel_acked


def test_a_conflict_is_resolved_by_who_holds_the_nonce() -> None:
    """409: our own id there is live; the nonce under another id frees the slot for a new one."""
    conflict = replace(UNKNOWN, conflict=True)
    assert watch((conflict,), fills_after=1, first=False).nonces == (conflict.nonce,)
    (live,) = _track(conflict, read=own_orders(row(Side.BUY, "1596"))).open_orders
    assert live.stage is Stage.LIVE
    other = IdLookup(order_id="manual:1", nonce=conflict.nonce, foreign=True)
    taken = _track(conflict, read=replace(own_orders(), lookups=(other,)))
    assert [ended.ending for ended in taken.ended] == [Ending.NONCE_TAKEN]
    assert _track(conflict, read=own_orders()).open_orders == (conflict,)
    own = replace(other, order_id=conflict.order_id)
    stolen = _track(UNKNOWN, read=replace(own_orders(), lookups=(own,)))
    assert [ended.ending for ended in stolen.ended] == [Ending.NONCE_TAKEN]
    ours = replace(own_orders(), lookups=(replace(own, foreign=False),))
    for known in (conflict, UNKNOWN):
        assert _track(known, read=ours).open_orders == (known,)


def test_a_first_conflict_puts_the_nonce_in_doubt() -> None:
    """A 409 to the first sending means somebody else's order holds the nonce; to a later sending
    it may be our own."""
    assert replace(UNKNOWN, conflict=True).nonce_in_doubt
    assert not replace(UNKNOWN, conflict=True, sends=2).nonce_in_doubt


def test_a_refused_resend_is_closed_by_the_next_read() -> None:
    """Bytes refused the second time: without a row they were never accepted."""
    refused = replace(UNKNOWN, resend_refused=True, signed=None)
    (ended,) = _track(refused, read=own_orders()).ended
    assert ended.ending is Ending.NEVER_ARRIVED


def test_what_is_not_managed_is_a_stray() -> None:
    """Rows of other ids are no open orders; terminal ones are nothing at all."""
    stray = row(Side.SELL, "1650", order_id="web-1", ownership=Ownership.AMBIGUOUS)
    dead = row(Side.SELL, "1650", nonce=9, status=OrderStatus.CANCELLED)
    tracked = _track(read=own_orders(stray, dead, row(Side.BUY, "1596", nonce=3)))
    assert tracked.unmanaged == (stray,)
    assert [c.nonce for c in tracked.open_orders] == [3]


def test_a_remembered_order_is_as_old_as_its_row_says() -> None:
    """Its age began when it was made, not when this process read of it: it is renewed in time."""
    at, size = Price.of("1596"), Size.of(100)
    known = remembered(
        LIVE.order_id,
        price=at,
        size=size,
        notional=SPOT.notional(at, size),
        expiry_ms=LIVE.expiry_ms,
        now_ms=NOW_MS,
    )
    assert known is not None
    old = row(Side.BUY, "1596", created_ms=NOW_MS - 200_000)
    (seen,) = _track(known, read=own_orders(old)).open_orders
    assert seen.created_ms == NOW_MS - 200_000
    own = open_order(Side.BUY, "1596", created_ms=NOW_MS - 1_000)
    (seen,) = _track(own, read=own_orders(old)).open_orders
    assert seen.created_ms == NOW_MS - 1_000  # our own clock told it, which is compared with


def test_a_state_file_gives_enough_to_cancel() -> None:
    """Of an id all that is needed to cancel it is known; a foreign id gives nothing. The process
    that goes on with it starts up, and knows no signature before its first read."""

    def kept(order_id: str) -> OpenOrder | None:
        return remembered(
            order_id,
            price=Price.of(1604),
            size=Size.of(100),
            notional=Amount.of(160_400),
            expiry_ms=NOW_MS + 1,
            now_ms=NOW_MS,
        )

    known = kept(f"mm:{SPOT.symbol}:sell:12")
    assert known is not None
    assert (known.nonce, known.side, known.stage) == (12, Side.SELL, Stage.UNKNOWN)
    assert known.sends == 0
    assert kept("manual:12") is None
    begun = Memory(started_ms=NOW_MS, open_orders=(known,))
    assert (begun.startup, begun.signatures_known) == (True, False)


@pytest.mark.parametrize("step_ms", [0, 20_000, -20_000])
def test_a_request_of_a_dead_process_is_waited_for_by_our_own_clock(step_ms: int) -> None:
    """Whose order's fate a state file leaves open is not given up sooner where the clock is set
    forward, nor later where it is set back."""
    known = remembered(
        LIVE.order_id,
        price=LIVE.price,
        size=LIVE.size,
        notional=LIVE.notional,
        expiry_ms=NOW_MS + 300_000,
        now_ms=NOW_MS,
    )
    assert known is not None
    (known,) = shifted(Memory(started_ms=NOW_MS, open_orders=(known,)), step_ms).open_orders
    last_ms = NOW_MS + step_ms + LOST_REQUEST_MS + ARRIVAL_GRACE_MS
    (still,) = _track(known, read=own_orders(), now_ms=last_ms).open_orders
    assert still.stage is Stage.UNKNOWN
    (ended,) = _track(known, read=own_orders(), now_ms=last_ms + 1).ended
    assert ended.ending is Ending.NEVER_ARRIVED


def test_an_order_that_the_matcher_gives_back_is_cancelled_at_once() -> None:
    """The long pause is for as long as it is held: what rests again waits for nothing."""
    held = replace(
        open_order(Side.SELL, "1604", "100"),
        matching_since_ms=NOW_MS - STUCK_AFTER_MS - 1,
        next_cancel_ms=NOW_MS + 10_000,
    )
    for status, due_ms in ((OrderStatus.MATCHING, NOW_MS + 10_000), (OrderStatus.ACTIVE, 0)):
        seen = row(Side.SELL, "1604", "100", nonce=held.nonce, status=status)
        (known,) = _track(held, read=own_orders(seen)).open_orders
        assert known.next_cancel_ms == due_ms


@pytest.mark.parametrize("status", OrderStatus)
def test_a_row_is_dead_once_it_is_past_its_expiry_for_long(status: OrderStatus) -> None:
    """Invariant 1: half a minute later a live status is out of date, a terminal one still says how
    it ended; rows beside it stay as they are."""
    old, young = row(Side.BUY, "1596", status=status), row(Side.SELL, "1604", nonce=2)
    read = own_orders(old, replace(young, expiry_ms=old.expiry_ms + 1))
    last_ms = old.expiry_ms + 30_000
    assert without_dead_rows(read, last_ms) is read
    dead = OrderStatus.EXPIRED if status.live else status
    statuses = [each.status for each in without_dead_rows(read, last_ms + 1).rows]
    assert statuses == [dead, OrderStatus.ACTIVE]


def test_an_order_is_stuck_that_the_matcher_holds_for_more_than_five_seconds() -> None:
    """One that it does not hold never is."""
    held = replace(LIVE, matching_since_ms=NOW_MS)
    assert not stuck(held, NOW_MS + 5_000)
    assert stuck(held, NOW_MS + 5_001)
    assert not stuck(LIVE, NOW_MS + 10**9)


def test_an_order_is_held_since_the_first_of_the_reads_that_show_it() -> None:
    """Every read in between shows `matching`; one that shows it resting ends it."""
    held = row(Side.BUY, "1596", status=OrderStatus.MATCHING)
    known, since = LIVE, []
    for later_ms, seen in ((1, held), (2, held), (3, row(Side.BUY, "1596")), (4, held)):
        (known,) = _track(known, read=own_orders(seen), now_ms=NOW_MS + later_ms).open_orders
        since.append(known.matching_since_ms)
    assert since == [NOW_MS + 1, NOW_MS + 1, None, NOW_MS + 4]


@pytest.mark.parametrize("stage", Stage)
def test_a_row_is_absent_since_the_first_read_that_lacks_it(stage: Stage) -> None:
    """Where it should be there: of an order that may not have arrived none need be."""
    known, since = open_order(Side.BUY, "1596", stage=stage), []
    for later_ms in (1, 2):
        (known,) = _track(known, read=own_orders(), now_ms=NOW_MS + later_ms).open_orders
        since.append(known.absent_since_ms)
    assert since == [None if stage is Stage.UNKNOWN else NOW_MS + 1] * 2


def test_an_order_found_by_its_row_is_what_the_row_says() -> None:
    """Nothing was sent for it by this process, and nothing of it waits."""
    seen = row(Side.SELL, "1604", "7", nonce=5)
    assert _track(read=own_orders(seen)).open_orders == (
        OpenOrder(
            order_id=seen.order_id,
            nonce=5,
            side=Side.SELL,
            price=seen.price,
            size=seen.size,
            notional=seen.notional,
            lot=seen.lot,
            created_ms=seen.created_ms,
            expiry_ms=seen.expiry_ms,
            stage=Stage.LIVE,
            signed=None,
            conflict=False,
            resend_refused=False,
            sends=1,
            next_send_ms=0,
            cancels=0,
            next_cancel_ms=0,
            cancel_acked_ms=None,
            replaces=None,
            reduces=False,
            cancel_category=None,
            ack_contradicted=False,
            matching_since_ms=None,
            absent_since_ms=None,
        ),
    )
