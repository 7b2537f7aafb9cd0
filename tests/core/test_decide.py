"""One cycle as a value: modes, start-up, halts, fills, and what is remembered of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.commands import Outcome
from mm_bot.core.decide import Decision
from mm_bot.core.exact import Price, Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Memory
from mm_bot.core.orders import Ownership
from mm_bot.core.plan import CancelCategory
from mm_bot.core.policy import OperatorMode
from mm_bot.core.quoting import MissingReason
from mm_bot.core.remember import (
    CancelResult,
    Report,
)
from mm_bot.core.risk import Halt, HaltReason
from mm_bot.core.snapshot import Part
from tests.core.builders import (
    NOW_MS,
    POLICY,
    RECONCILES,
    anchor,
    balances,
    fill,
    observation,
    open_order,
    others,
    own_orders,
    row,
    running,
    snapshot,
)
from tests.core.decisions import ACCEPTED, ASK, BID, EMPTY, UNKNOWN, after, decided, unread


def test_the_first_cycle_places_both_sides() -> None:
    """Start-up is the first cycle with an empty memory: an empty market is quoted at once."""
    decision = decided()
    assert [(p.level.side, str(p.level.price)) for p in decision.plan.places] == [
        (Side.BUY, "1596"),
        (Side.SELL, "1604"),
    ]
    assert not decision.halted


def test_a_restart_adopts_and_says_so() -> None:
    """Quotes that fit are kept and become the last adopted ones."""
    decision = decided(snapshot(own_orders(BID, ASK)))
    assert decision.plan.quiet
    memory = after(decision, Report())
    assert memory.last_adopted == {Side.BUY: BID.order_id, Side.SELL: ASK.order_id}
    assert not memory.startup


@pytest.mark.parametrize(
    ("mode", "cancelled", "placed"),
    [
        (OperatorMode.NORMAL, [], []),
        (OperatorMode.BID_ONLY, [ASK.order_id], []),
        (OperatorMode.ASK_ONLY, [BID.order_id], []),
        (OperatorMode.PAUSE, [BID.order_id, ASK.order_id], []),
        (OperatorMode.DRY_RUN_HEALTH, [], []),
    ],
)
@pytest.mark.parametrize("memory", [EMPTY, running()])
def test_modes_act_in_the_first_cycle_as_in_any(
    mode: OperatorMode, cancelled: list[str], placed: list[str], memory: Memory
) -> None:
    """One-sided modes keep their side and cancel the other, pause cancels, dry-run-health sends
    nothing at all."""
    decision = decided(snapshot(own_orders(BID, ASK)), memory, replace(POLICY, mode=mode))
    assert [c.order_id for c in decision.plan.cancels] == sorted(cancelled)
    assert [p.level.side.value for p in decision.plan.places] == placed


def test_the_kill_switch_holds_in_the_first_cycle() -> None:
    """Nothing is placed, what rests is cancelled under its own category."""
    decision = decided(replace(snapshot(own_orders(BID, ASK)), kill_switch=True))
    assert not decision.plan.places
    assert {c.category for c in decision.plan.cancels} == {CancelCategory.KILL_SWITCH}
    assert {c.reason for c in decision.plan.cancels} == {"risk_halt:kill switch active"}
    assert [h.reason for h in decision.halts] == [HaltReason.KILL_SWITCH]


def test_a_halt_cancels_from_memory_while_the_order_table_is_down() -> None:
    """With Postgres down the kill switch cancels what memory knows."""
    memory = running(open_order(Side.BUY, "1596"))
    decision = decided(unread(replace(snapshot(), kill_switch=True)), memory)
    assert [c.order_id for c in decision.plan.cancels] == [memory.open_orders[0].order_id]


def test_one_failed_read_of_the_order_table_neither_halts_nor_sends() -> None:
    """Without rows nothing is sent; also where only a trade was the reference, the freshness rules
    and nothing else say how long that may last."""
    memory = replace(running(open_order(Side.BUY, "1596")), orders_read_ms=NOW_MS - 100)
    seen = replace(unread(snapshot()), anchor=None)
    decision = decided(seen, memory)
    assert decision.plan.quiet
    assert not decision.halted
    assert {m.reason for m in decision.missing} == {MissingReason.ORDERS_UNREAD}
    late = replace(memory, orders_read_ms=NOW_MS - 10_001)
    assert [h.reason for h in decided(seen, late).halts] == [HaltReason.MARKET_DATA_STALE]


def test_a_lost_lock_counts_as_an_unread_order_table() -> None:
    """Another process may own these orders: none is touched, and the data grows stale."""
    venue = observation(own_orders(BID, ASK), lock_held=False)
    memory = replace(running(), orders_read_ms=NOW_MS - 100)
    decision = decided(snapshot(venue=venue), memory)
    assert decision.plan.quiet
    unlocked = decision.snapshot.venue.orders
    assert (unlocked.value, unlocked.error) == (None, "the one-writer lock is not held")
    down = snapshot(venue=replace(venue, orders=replace(venue.orders, error="down")))
    assert decided(down, memory).snapshot.venue.orders.error == "down"
    stale = decided(snapshot(venue=venue), replace(memory, orders_read_ms=NOW_MS - 20_000))
    assert [h.reason for h in stale.halts] == [HaltReason.MARKET_DATA_STALE]
    assert not stale.plan.cancels


def test_start_up_is_not_over_before_everything_was_compared() -> None:
    """Without balances nothing is compared: unmanaged orders at start-up still are to go."""
    stray = row(Side.BUY, "1500", order_id="web", nonce=9, ownership=Ownership.AMBIGUOUS)
    venue = observation(own_orders(stray))
    blind = replace(venue, balances=Part(value=None, as_of_ms=None, error="down"))
    policy = replace(POLICY, risk=replace(POLICY.risk, balances_max_age_ms=None))
    first = decided(snapshot(venue=blind), EMPTY, policy)
    memory = after(first, Report())
    assert memory.startup
    assert [c.order_id for c in decided(snapshot(venue=venue), memory).plan.cancels] == ["web"]


@pytest.mark.parametrize(("outcome", "over"), [(ACCEPTED, True), (UNKNOWN, False)])
def test_start_up_lasts_until_its_cancels_are_acknowledged(outcome: Outcome, over: bool) -> None:
    """A stray whose cancel is unproven is cancelled again in the next cycle."""
    stray = row(Side.BUY, "1500", order_id="web", nonce=9, ownership=Ownership.AMBIGUOUS)
    decision = decided(snapshot(own_orders(stray, BID, ASK)))
    results = tuple(
        CancelResult(cancel=c, outcome=outcome, sent_ms=NOW_MS, done_ms=NOW_MS)
        for c in decision.plan.cancels
    )
    assert len(results) == 1
    assert after(decision, Report(cancels=results)).startup is not over


def test_nothing_is_placed_on_balances_older_than_a_fill() -> None:
    """Fills seen: the next cycle follows at once, and only newer balances allow a place."""
    memory = replace(running(), fill_totals=FillTotals(cursor=0))
    seen = snapshot(own_orders(ASK, fills=(fill(1, Side.BUY, "1596", "100"),)))
    decision = decided(seen, memory)
    assert decision.urgent
    assert decision.plan.quiet
    memory = after(decision, Report(), memory)
    assert memory.fill_totals.position == Size.of(100)
    same = decided(snapshot(own_orders(ASK)), memory)
    assert [m.reason for m in same.missing] == [MissingReason.BALANCES_BEHIND_FILLS]
    assert not same.urgent
    later = decided(snapshot(own_orders(ASK), now_ms=NOW_MS + 1), memory)
    assert [p.level.side for p in later.plan.places] == [Side.BUY]


def _budgeted(used: int) -> Decision:
    moved = open_order(Side.BUY, "1500", nonce=1, created_ms=NOW_MS - 60_000)
    memory = replace(running(moved), replace_cancels_ms=(NOW_MS - 59_999,) * used)
    seen = snapshot(own_orders(row(Side.BUY, "1500", nonce=1), ASK))
    return decided(seen, memory, replace(POLICY, reconcile=RECONCILES))


def test_the_budget_halts_before_it_is_passed() -> None:
    """The 30th replace of a minute is sent; what would be the 31st halts and cancels instead."""
    assert _budgeted(29).plan.counted_cancels == 1
    over = _budgeted(30)
    assert [h.reason for h in over.halts] == [HaltReason.CANCEL_RATE]
    assert over.plan.counted_cancels == 0
    assert {c.category for c in over.plan.cancels} == {CancelCategory.RISK}


def test_the_budget_ends_with_the_minute() -> None:
    """Held until there is room for one replace of every level, then over without a restart."""
    over = _budgeted(30)
    memory = after(over, Report(), replace(running(), replace_cancels_ms=(NOW_MS - 59_999,) * 30))
    assert decided(snapshot(), memory).halted
    assert not decided(snapshot(now_ms=NOW_MS + 1), memory).halted
    almost = replace(running(), replace_cancels_ms=(NOW_MS - 1,) * 29)
    for before, holds in ((HaltReason.CANCEL_RATE, True), (HaltReason.KILL_SWITCH, False)):
        halted = replace(almost, halts=(Halt(reason=before),))
        assert decided(snapshot(), halted).halted is holds


def test_an_anchor_with_an_age_limit_of_its_own_is_held_to_that() -> None:
    """A feed that may be an hour old is fresh where others are not, halts a millisecond past its
    hour with its own limit in the numbers, and may be held to less than the others as well."""
    for max_age_ms in (3_600_000, 30_000):
        quote = replace(anchor(as_of_ms=NOW_MS - max_age_ms), max_age_ms=max_age_ms)
        assert decided(replace(snapshot(), anchor=quote)).halts == ()
        older = replace(quote, as_of_ms=NOW_MS - max_age_ms - 1)
        (halt,) = decided(replace(snapshot(), anchor=older)).halts
        assert halt.reason is HaltReason.ANCHOR_STALE
        assert dict(halt.numbers) == {
            "age_ms": str(max_age_ms + 1),
            "limit_ms": str(max_age_ms),
        }


def test_a_stale_anchor_halts_and_recovers_by_itself() -> None:
    """Past the limit everything is cancelled; with a fresh reading the next cycle quotes."""
    old = replace(snapshot(own_orders(BID, ASK)), anchor=anchor(as_of_ms=NOW_MS - 60_001))
    halted = decided(old, running())
    assert [h.reason for h in halted.halts] == [HaltReason.ANCHOR_STALE]
    assert len(halted.plan.cancels) == 2
    acked = tuple(
        CancelResult(cancel=c, outcome=ACCEPTED, sent_ms=NOW_MS, done_ms=NOW_MS)
        for c in halted.plan.cancels
    )
    memory = after(halted, Report(cancels=acked), running())
    assert memory.last_halt_reason is HaltReason.ANCHOR_STALE
    assert len(decided(snapshot(), memory).plan.places) == 2


def test_a_quote_stays_firm_before_a_taker() -> None:
    """A bid that crosses our resting ask is about to be filled with it: the ask stays where it is.
    Without a quote of ours there, the same bid moves the target behind it."""
    taker = others(Side.BUY, "1610")
    firm = decided(snapshot(own_orders(BID, ASK, others=(taker,))), running())
    assert firm.plan.quiet
    assert [order_id for _, order_id in firm.plan.kept] == [BID.order_id, ASK.order_id]
    behind = decided(snapshot(own_orders(BID, others=(taker,))), running())
    (ask,) = behind.ladder.asks
    assert ask.price == Price.of("1610.01")


def test_balances_older_than_the_first_read_of_the_orders_place_nothing() -> None:
    """Without a state file, fills before that read are known only from balances read after it."""
    seen = snapshot(now_ms=NOW_MS + 5_000)
    late = replace(seen, venue=replace(seen.venue, balances_read_ms=NOW_MS))
    held = decided(late)
    assert not held.plan.places
    assert {gap.reason for gap in held.missing} == {MissingReason.BALANCES_BEHIND_FILLS}
    memory = after(held, Report())
    assert not decided(late, memory).plan.places
    assert len(decided(seen, memory).plan.places) == 2


def test_balances_of_a_node_that_stands_still_place_nothing_after_a_fill() -> None:
    """Read after the fill, but of a block far older than it: they cannot show it."""
    late = NOW_MS + 60_000
    made = replace(running(), last_fill_seen_ms=NOW_MS, last_fill_made_ms=NOW_MS + 20_000)
    seen = snapshot(own_orders(ASK), now_ms=late)
    still = replace(seen.venue, balances=replace(seen.venue.balances, value=balances()))
    stuck = decided(replace(seen, venue=still), made)
    assert MissingReason.BALANCES_BEHIND_FILLS in {gap.reason for gap in stuck.missing}
    assert [p.level.side for p in decided(seen, made).plan.places] == [Side.BUY]


def test_a_clock_set_back_does_not_wait_for_balances_of_before() -> None:
    """Balances that were read after the fills began are enough, whatever the clock says later."""
    first = snapshot(now_ms=NOW_MS + 3_600_000)
    memory = after(decided(first), Report())
    assert len(decided(snapshot(now_ms=NOW_MS), memory).plan.places) == 2
