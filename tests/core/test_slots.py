"""One slot and the order that holds it: what guards it, what is told of it, what is sent again."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from mm_bot.core.exact import Amount
from mm_bot.core.instrument import Level, Side
from mm_bot.core.ledger import OpenOrder, Stage
from mm_bot.core.plan import RENEWAL, CancelCategory, Plan, ReconcileInput, SignedRoom
from mm_bot.core.policy import ReconcilePolicy
from mm_bot.core.quoting import Bound, MissingReason
from mm_bot.core.slots import fill, hold_or_replace
from tests.core.builders import NOW_MS, RECONCILES, open_order
from tests.core.reconcile_inputs import desk_of, ladder_of

(WANTED,) = ladder_of().bids
STALE = open_order(Side.BUY, "1590")
YOUNG = replace(RECONCILES, min_lifetime_ms=60_000)
HOLD = MissingReason.BALANCES_BEHIND_FILLS


def judged(
    order: OpenOrder,
    given: ReconcileInput | None = None,
    policy: ReconcilePolicy = RECONCILES,
    wanted: Level = WANTED,
) -> Plan:
    return hold_or_replace(given or desk_of(order), policy, wanted, order, ())


def guards(plan: Plan) -> list[tuple[str, str]]:
    return [(held.guard, held.fault) for held in plan.held]


@pytest.mark.parametrize(("left_ms", "filled"), [(1, False), (0, True), (-1, True)])
def test_a_refused_slot_is_filled_again_from_its_time_on(left_ms: int, filled: bool) -> None:
    """Before that it says why it is empty."""
    given = replace(desk_of(), refused_until_ms={(Side.BUY, 0): NOW_MS + left_ms})
    made = fill(given, WANTED, ())
    assert bool(made.places) is filled
    assert [gap.reason for gap in made.missing] == [MissingReason.REFUSED_RECENTLY] * (not filled)


@pytest.mark.parametrize(
    ("order", "policy", "startup", "held", "cancelled"),
    [
        (STALE, RECONCILES, False, [(HOLD.value, "price_too_far_from_target")], False),
        (STALE, YOUNG, False, [("min_quote_lifetime", "price_too_far_from_target")], False),
        (STALE, YOUNG, True, [], True),
        (open_order(Side.BUY, "1596", created_ms=NOW_MS - 200_000), YOUNG, False,
         [(HOLD.value, RENEWAL)], False),
    ],
)  # fmt: skip
def test_while_nothing_may_be_placed_an_order_stays(
    order: OpenOrder,
    policy: ReconcilePolicy,
    startup: bool,
    held: list[tuple[str, str]],
    cancelled: bool,
) -> None:
    """With what guards it and what is wrong with it. At start-up it goes, and the slot waits."""
    made = judged(order, replace(desk_of(order, startup=startup), hold_places=HOLD), policy)
    assert guards(made) == held
    assert [c.category for c in made.cancels] == [CancelCategory.STARTUP] * cancelled
    assert [gap.reason for gap in made.missing] == [HOLD] * cancelled
    assert not made.places


@pytest.mark.parametrize(("size", "held"), [("100", True), ("100.1", False)])
def test_only_an_order_larger_than_its_slot_is_past_every_guard(size: str, held: bool) -> None:
    """Where its side is past a bound; one as large as its slot takes no more than was wanted."""
    bound = Bound(reason=MissingReason.INVENTORY_LIMIT, left=Decimal(99))
    order = open_order(Side.BUY, "1590", size)
    given = desk_of(order, ladder=replace(ladder_of(), bounds={Side.BUY: (bound,)}))
    assert bool(judged(order, given, YOUNG).held) is held


@pytest.mark.parametrize(("price", "held"), [("1600", False), ("1600.01", True)])
def test_a_move_of_just_the_least_is_one(price: str, held: bool) -> None:
    """10 bps of 1600 are 1.6. An order of which only the size is wrong need not move."""
    policy = replace(RECONCILES, min_move_bps=Decimal(10))
    wanted = replace(WANTED, price=open_order(Side.BUY, "1601.6").price)
    order = open_order(Side.BUY, price)
    assert guards(judged(order, None, policy, wanted)) == (
        [("min_price_move", "price_too_far_from_target")] if held else []
    )
    assert not guards(judged(open_order(Side.BUY, "1601.6", "40"), None, policy, wanted))


@pytest.mark.parametrize(
    ("price", "size", "since_ms", "held"),
    [
        ("1590", "100", 149_999, True),
        ("1590", "100", 150_000, False),
        ("1600", "100", 149_999, False),  # gives a taker more than is wanted
        ("1596.5", "40", 149_999, True),  # only its size is wrong
        ("1596.5", "40", 150_000, False),
    ],
)
def test_what_is_signed_slows_the_replaces_that_can_wait(
    price: str, size: str, since_ms: int, held: bool
) -> None:
    """Less than half of the room is left, and two more signatures of the level fit into it: one
    goes in half of an order's life."""
    left = WANTED.notional + WANTED.notional
    room = SignedRoom(left=left, limit=left + left + Amount.of(1))
    order = open_order(Side.BUY, price, size)
    given = replace(
        desk_of(order),
        signed_room={Side.BUY: room},
        last_replace_ms={(Side.BUY, 0): NOW_MS - since_ms},
    )
    assert [guard for guard, _ in guards(judged(order, given))] == ["signed_liability"] * held


@pytest.mark.parametrize(
    ("price", "next_ms", "expiry_ms", "again"),
    [
        ("1590", 0, 1, True),  # behind the target: worse for a taker
        ("1596", 0, 1, True),
        ("1596.79", 0, 1, True),  # before it, within the threshold
        ("1596.81", 0, 1, False),
        ("1596", 1, 2, False),
        ("1596", 0, 0, False),
    ],
)
def test_an_unknown_order_is_sent_again_while_it_is_still_wanted(
    price: str, next_ms: int, expiry_ms: int, again: bool
) -> None:
    """From its time on, until it expires."""
    order = replace(
        open_order(Side.BUY, price, stage=Stage.UNKNOWN),
        next_send_ms=NOW_MS + next_ms,
        expiry_ms=NOW_MS + expiry_ms,
    )
    made = judged(order)
    assert made.resends == (order,) * again
    assert [gap.reason for gap in made.missing] == [MissingReason.AWAITING_EVIDENCE]
