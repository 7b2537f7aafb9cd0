"""Hanging orders: the untouched partner of a filled order stays, and ends by one of its rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.decide import decide
from mm_bot.core.exact import Size
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import OpenOrder
from mm_bot.core.plan import Plan, ReconcileInput
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import NONE_HANGS, Hanging, Quotes
from mm_bot.core.reconcile import plan
from mm_bot.core.snapshot import Fill
from mm_bot.strategies import founding
from mm_bot.strategies.hanging import FILLED_ORDER_DELAY
from mm_bot.strategies.trial import Asked, measure, policy, view
from tests.core.builders import (
    NOW_MS,
    POLICY,
    RECONCILES,
    SPOT,
    fill,
    observation,
    open_order,
    own_orders,
    row,
    running,
    snapshot,
)

ON = policy(POLICY, hanging_orders="true", hanging_cancel_bps="500")
BID = open_order(Side.BUY, "1596", nonce=1, created_ms=NOW_MS)
ASK = open_order(Side.SELL, "1604", nonce=2, created_ms=NOW_MS)


def seen(
    asked: Asked,
    at_s: float,
    *orders: OpenOrder,
    filled: OpenOrder | None = None,
    whole: bool = True,
    price: str = "1600",
) -> Quotes:
    fills: tuple[Fill, ...] = ()
    if filled is not None:
        row = fill(1, filled.side, str(filled.price), "100", order_id=filled.order_id)
        fills = (replace(row, completes_order=whole),)
    return asked.quote(replace(view(price, at_s=at_s), open_orders=orders, fills=fills))


def hung(with_policy: Policy = ON, *, price: str = "1600") -> Asked:
    """A bot whose bid of a pair was filled."""
    asked = Asked(with_policy)
    seen(asked, 0, BID, ASK)
    found = seen(asked, 1, ASK, filled=BID, price=price)
    assert found.hanging == Hanging(stay=frozenset({ASK.order_id}))
    return asked


def planned(quotes: Quotes, *orders: OpenOrder, now_ms: int = NOW_MS + 1_000) -> Plan:
    given = ReconcileInput(
        now_ms=now_ms,
        market=SPOT,
        startup=False,
        levels=1,
        ladder=quotes.ladder,
        open_orders=orders,
        unmanaged=(),
        last_replace_ms={},
        refused_until_ms={},
        hanging=quotes.hanging,
    )
    return plan(given, RECONCILES)


def test_the_partner_of_a_filled_order_leaves_its_slot_and_stays() -> None:
    """The slot gets a new pair beside it; nothing is cancelled."""
    quotes = seen(hung(), 2, ASK)
    made = planned(quotes, ASK)
    assert not made.cancels
    assert sorted(p.level.side.value for p in made.places) == ["buy", "sell"]
    assert measure(quotes, "mm_bot_hanging_orders", "sell") == 1
    (line,) = (e.sentence for e in quotes.explanations if e.step == "hanging")
    assert line == f"{ASK.order_id} hangs at 1604"


@pytest.mark.parametrize("reason", ["part of it", "touched", "apart"])
def test_only_a_whole_fill_of_a_pair_leaves_a_partner(reason: str) -> None:
    """Not a part of it, not beside a partner that was filled too, not where they are no pair."""
    ask = replace(ASK, created_ms=NOW_MS - 5_000) if reason == "apart" else ASK
    asked = Asked(ON)
    seen(asked, 0, BID, ask)
    left = replace(ask, size=Size.of(60)) if reason == "touched" else ask
    rests = (replace(BID, size=Size.of(1)),) if reason == "part of it" else ()
    found = seen(asked, 1, *rests, left, filled=BID, whole=reason != "part of it")
    assert found.hanging == NONE_HANGS


def test_it_goes_by_distance_age_and_what_would_reach_it() -> None:
    """Exactly 25 bps away stays; more goes. So does one that is too old, and one that a wanted bid
    would reach."""
    near = policy(POLICY, hanging_orders="true", hanging_cancel_bps="25")
    assert ASK.order_id in seen(hung(near), 2, ASK, price="1600").hanging.stay
    assert ASK.order_id in seen(hung(near), 2, ASK, price="1599.99").hanging.over
    assert ASK.order_id in seen(hung(), 1_802, ASK).hanging.over
    reached = seen(hung(), 2, ASK, price="1609")
    assert ASK.order_id in reached.hanging.over
    made = planned(reached, ASK)
    assert [c.reason for c in made.cancels] == ["hanging_order_over"]
    (bid,) = (p for p in made.places if p.level.side is Side.BUY)
    assert bid.after == (ASK.order_id,), "the bid waits until it is gone"


def test_it_goes_with_its_side_and_in_every_halt() -> None:
    """Reduce-only short of the limit takes asks away, and the ask that hangs with them; in a halt
    everything is cancelled, what hangs too."""
    short = replace(POLICY, quote=replace(POLICY.quote, max_short=Size.of(9_000)))
    hard = policy(short, hanging_orders="true", hard_short_inventory="8000")
    asked = hung(hard)
    growing = replace(view(at_s=2, base="8999"), open_orders=(ASK,))
    quotes = asked.quote(growing)
    assert quotes.hanging == Hanging(over=frozenset({ASK.order_id}))
    rows = own_orders(row(Side.SELL, "1604", nonce=2))
    kept = replace(running(), open_orders=(ASK,), strategy=hung(hard).kept)
    now = snapshot(venue=observation(rows))
    assert not decide(now, kept, hard, SPOT, founding(hard)).plan.cancels
    stale = replace(now, now_ms=now.now_ms + 60_000)
    halted = decide(stale, kept, hard, SPOT, founding(hard))
    assert halted.halts
    assert [c.order_id for c in halted.plan.cancels] == [ASK.order_id]


def test_of_more_than_the_levels_of_a_side_the_farthest_goes() -> None:
    """One level: of two asks that hang the nearer one stays."""
    asked = hung()
    again_bid = open_order(Side.BUY, "1597", nonce=3, created_ms=NOW_MS + 2_000)
    again_ask = open_order(Side.SELL, "1603", nonce=4, created_ms=NOW_MS + 2_000)
    seen(asked, 2, ASK, again_bid, again_ask)
    found = seen(asked, 3, ASK, again_ask, filled=again_bid)
    assert found.hanging == Hanging(
        stay=frozenset({again_ask.order_id}), over=frozenset({ASK.order_id})
    )


def test_it_is_renewed_at_its_price_with_what_is_left_and_hangs_on() -> None:
    """At two thirds of its signature's life, beyond the slots; the new order keeps the flag."""
    asked = hung()
    part = replace(ASK, size=Size.of(30), notional=SPOT.notional(ASK.price, Size.of(30)))
    quotes = seen(asked, 200, part)
    made = planned(quotes, part, now_ms=NOW_MS + 200_000)
    (again,) = (p for p in made.places if p.replaces == ASK.order_id)
    assert (again.level.price, again.level.size) == (ASK.price, Size.of(30))
    assert again.level.index == 1, "beyond the one slot"
    new = open_order(Side.SELL, "1604", "30", nonce=9, created_ms=NOW_MS + 200_000)
    later = seen(asked, 201, replace(new, replaces=ASK.order_id))
    assert later.hanging.stay == {new.order_id}


def test_it_outlives_a_restart_and_without_its_flag_it_is_a_slot_candidate_again() -> None:
    """By its id in the state file; whatever is there is a slot's, or hangs, or goes."""
    asked = hung()
    asked.restart()
    assert seen(asked, 2, ASK).hanging.stay == {ASK.order_id}
    fresh = seen(Asked(ON), 2, ASK)
    assert fresh.hanging == NONE_HANGS
    assert [order_id for _, order_id in planned(fresh, ASK).kept] == [ASK.order_id]


def test_the_slots_of_a_filled_pair_can_wait() -> None:
    """For MM_FILLED_ORDER_DELAY_SECONDS, with a reason."""
    asked = Asked(policy(POLICY, hanging_orders="true", filled_order_delay_seconds="30"))
    seen(asked, 0, BID, ASK)
    waits = seen(asked, 1, ASK, filled=BID)
    assert (waits.ladder.bids, waits.ladder.asks) == ((), ())
    assert {m.reason for m in waits.ladder.missing} == {FILLED_ORDER_DELAY}
    assert seen(asked, 31, ASK).ladder.bids
