"""Orders that hold no slot: they stay, are renewed at their price, or go."""

from __future__ import annotations

from dataclasses import replace

from mm_bot.core.hanging import planned
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import OpenOrder
from mm_bot.core.plan import RENEWAL, ReconcileInput
from mm_bot.core.quoting import Hanging, MissingReason
from tests.core.builders import NOW_MS, open_order
from tests.core.reconcile_inputs import BID, desk_of


def hung(nonce: int, age_ms: int = 1_000) -> OpenOrder:
    return open_order(Side.BUY, "1580", "70", nonce=nonce, created_ms=NOW_MS - age_ms)


ACKED, YOUNG, OLD = replace(hung(11), cancel_acked_ms=NOW_MS), hung(12), hung(14, 200_000)
WAITS = replace(hung(13, 200_000), cancels=1, next_cancel_ms=NOW_MS + 1)
OVER = hung(15)
EVERY = (BID, ACKED, OVER, YOUNG, WAITS, OLD)


def desk() -> ReconcileInput:
    stay = frozenset(order.order_id for order in (ACKED, YOUNG, WAITS, OLD))
    hanging = Hanging(stay=stay, over=frozenset({OVER.order_id}))
    return replace(desk_of(*EVERY), hanging=hanging)


def test_each_has_a_slot_beyond_the_ladder_and_an_old_one_is_renewed_as_it_is() -> None:
    """The young one is kept; of the old ones one is cancelled and placed again at its own price and
    size, the other waits for its next cancel; one that is over goes, and counts as a replace. Those
    of the ladder, and one that is gone already, are nobody's business here."""
    plan = planned(desk())
    assert plan.kept == (((Side.BUY, 1), YOUNG.order_id),)
    assert [(h.order_id, h.slot, h.guard, h.fault) for h in plan.held] == [
        (WAITS.order_id, (Side.BUY, 2), "cancel_pending", RENEWAL)
    ]
    assert [(c.order_id, c.reason, c.counted) for c in plan.cancels] == [
        (OVER.order_id, "hanging_order_over", True),
        (OLD.order_id, RENEWAL, False),
    ]
    (again,) = plan.places
    assert (again.level.index, again.after, again.replaces) == (3, (OLD.order_id,), OLD.order_id)
    assert (again.level.side, again.level.price, again.level.size, again.level.notional) == (
        OLD.side,
        OLD.price,
        OLD.size,
        OLD.notional,
    )


def test_nothing_is_renewed_while_nothing_may_be_placed() -> None:
    """The old order stays, with that reason; one that is over goes all the same."""
    hold = MissingReason.BALANCES_BEHIND_FILLS
    plan = planned(replace(desk(), hold_places=hold))
    assert [h.guard for h in plan.held] == [hold.value] * 2
    assert [c.order_id for c in plan.cancels] == [OVER.order_id]
    assert not plan.places


def test_one_that_is_over_waits_for_the_budget() -> None:
    """Its cancel counts, so where it was sent and the budget has none left it is not sent again."""
    plan = planned(replace(desk(), out_of_budget=frozenset({OVER.order_id})))
    assert [c.order_id for c in plan.cancels] == [OLD.order_id]


def test_where_nothing_hangs_nothing_is_planned() -> None:
    """Whatever rests."""
    assert planned(desk_of(*EVERY)) == type(planned(desk()))()
