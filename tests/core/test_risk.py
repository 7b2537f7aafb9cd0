"""The halts: each begins with its condition and ends with it, by itself."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from mm_bot.core.balances import Holdings
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.policy import OperatorMode
from mm_bot.core.risk import HaltReason, RiskInput, halts
from mm_bot.core.settlement import Settlement
from tests.core.builders import RISKS

FUNDS = Holdings(
    base_total=Size.of(1_000),
    base_reserved=NO_SIZE,
    base_available=Size.of(100),
    quote_total=Amount.of(1_000),
    quote_reserved=NO_AMOUNT,
    quote_available=Amount.of(100),
    base_highest=Size.of(1_000),
    base_lowest=Size.of(1_000),
)
SETTLEMENT = Settlement(
    nonce=1,
    side=Side.BUY,
    price=Price.of(1600),
    lot=Size.of("0.000625"),
    filled=2,
    settled=2,
    asked=True,
    since_ms=0,
    since_block_ms=0,
    expiry_ms=0,
)
HEALTHY = RiskInput(
    mode=OperatorMode.NORMAL,
    kill_switch=False,
    has_reference=True,
    market_data_age_ms=0,
    market_data_source="book",
    balances_age_ms=0,
    anchor_age_ms=0,
    deviation_bps=None,
    oldest_quote_age_ms=0,
    open_notional=NO_AMOUNT,
    highest=Size.of(0),
    lowest=Size.of(0),
    holdings=FUNDS,
    replace_cancels_last_minute=0,
    rate_due=False,
    rate_held=False,
    levels=1,
)
LIMITS = replace(
    RISKS,
    quote_max_age_ms=60_000,
    max_long=Size.of(1_000),
    max_short=Size.of(-1_000),
    max_notional_per_side=Amount.of(160_000),
    min_base=Size.of(50),
    min_quote=Amount.of(50),
)
CASES: list[tuple[HaltReason, dict[str, Any], dict[str, Any]]] = [
    (HaltReason.NO_REFERENCE, {"has_reference": False}, {"has_reference": True}),
    (
        HaltReason.MARKET_DATA_STALE,
        {"market_data_age_ms": 10_001},
        {"market_data_age_ms": 10_000},
    ),
    (HaltReason.MARKET_DATA_STALE, {"market_data_age_ms": None}, {"market_data_age_ms": 0}),
    (HaltReason.BALANCES_STALE, {"balances_age_ms": 30_001}, {"balances_age_ms": 30_000}),
    (HaltReason.BALANCES_STALE, {"balances_age_ms": None}, {"balances_age_ms": 0}),
    (HaltReason.ANCHOR_STALE, {"anchor_age_ms": 60_001}, {"anchor_age_ms": 60_000}),
    (HaltReason.QUOTE_AGE, {"oldest_quote_age_ms": 60_001}, {"oldest_quote_age_ms": 60_000}),
    (
        HaltReason.ANCHOR_DEVIATION,
        {"deviation_bps": Decimal("500.0001")},
        {"deviation_bps": Decimal(500)},
    ),
    (
        HaltReason.OPEN_NOTIONAL,
        {"open_notional": Amount.of(160_001)},
        {"open_notional": Amount.of(160_000)},
    ),
    (HaltReason.MAX_LONG, {"highest": Size.of("1000.1")}, {"highest": Size.of(1_000)}),
    (HaltReason.MAX_SHORT, {"lowest": Size.of("-1000.1")}, {"lowest": Size.of(-1_000)}),
    (
        HaltReason.MIN_BASE,
        {"holdings": replace(FUNDS, base_available=Size.of(49))},
        {"holdings": replace(FUNDS, base_available=Size.of(50))},
    ),
    (
        HaltReason.MIN_QUOTE,
        {"holdings": replace(FUNDS, quote_available=Amount.of(49))},
        {"holdings": replace(FUNDS, quote_available=Amount.of(50))},
    ),
    (HaltReason.OPERATOR_PAUSE, {"mode": OperatorMode.PAUSE}, {"mode": OperatorMode.NORMAL}),
    (HaltReason.KILL_SWITCH, {"kill_switch": True}, {"kill_switch": False}),
    (HaltReason.CANCEL_RATE, {"rate_due": True}, {"rate_due": False}),
    (
        HaltReason.CANCEL_RATE,
        {"rate_held": True, "replace_cancels_last_minute": 29},
        {"rate_held": True, "replace_cancels_last_minute": 28},
    ),
    (HaltReason.FILLS_DISAGREE, {"disagreeing": {"mm:a": SETTLEMENT}}, {"disagreeing": {}}),
    (HaltReason.STATE_UNSAVED, {"unsaved": "No space left on device"}, {"unsaved": None}),
]


OF_THE_STRATEGY = {
    HaltReason.PRICE_SHOCK,
    HaltReason.DAILY_LOSS,
    HaltReason.BREAKER_COOLDOWN,
    HaltReason.REDUCTION_BUDGET,
    HaltReason.STRATEGY_FAILED,
}


def test_a_healthy_world_does_not_halt() -> None:
    """Nothing holds where every number is inside."""
    assert halts(HEALTHY, LIMITS) == ()


@pytest.mark.parametrize(("reason", "begins", "ends"), CASES)
def test_it_begins_and_ends_with_its_condition(
    reason: HaltReason, begins: dict[str, Any], ends: dict[str, Any]
) -> None:
    """Invariants 1 to 5: one step past the limit it holds and alone, at the limit it does not."""
    assert [h.reason for h in halts(replace(HEALTHY, **begins), LIMITS)] == [reason]
    assert halts(replace(HEALTHY, **ends), LIMITS) == ()


def test_every_reason_is_tried() -> None:
    """The table above has every one but those that a strategy gives."""
    assert {reason for reason, _, _ in CASES} == set(HaltReason) - OF_THE_STRATEGY
    assert len(HaltReason) == 21


def test_a_limit_that_is_off_never_halts() -> None:
    """None turns a limit off, whatever the number."""
    off = replace(
        LIMITS,
        market_data_max_age_ms=None,
        balances_max_age_ms=None,
        anchor_max_age_ms=None,
        anchor_deviation_bps=None,
        quote_max_age_ms=None,
        max_notional_per_side=None,
        min_base=None,
        min_quote=None,
        max_cancels_per_minute=None,
    )
    world = replace(
        HEALTHY,
        market_data_age_ms=None,
        balances_age_ms=None,
        anchor_age_ms=10**9,
        deviation_bps=Decimal(9_999),
        oldest_quote_age_ms=10**9,
        open_notional=Amount.of(10**12),
        rate_held=True,
    )
    assert halts(world, off) == ()


def test_a_small_budget_does_not_halt_for_ever() -> None:
    """Invariant 6: where the limit is below one replace of every level, an empty minute ends it."""
    tiny = replace(LIMITS, max_cancels_per_minute=1)
    held = replace(HEALTHY, rate_held=True, levels=3)
    assert halts(held, tiny) == ()
    assert halts(replace(held, replace_cancels_last_minute=1), tiny)


def test_fills_that_disagree_are_told_with_the_three_numbers() -> None:
    """Of the first such order by its id, and how many there are: filled by its row, counted by
    their own rows, whether they are in the totals yet or not, and on the chain."""
    first = replace(SETTLEMENT, filled=9, booked=4, unbooked=3, settled=8)
    (halt,) = halts(replace(HEALTHY, disagreeing={"mm:b": SETTLEMENT, "mm:a": first}), LIMITS)
    assert dict(halt.numbers) == {
        "order_id": "mm:a",
        "orders": "2",
        "filled_steps": "9",
        "counted_steps": "7",
        "on_chain_steps": "8",
    }


def test_several_hold_together_in_a_fixed_order() -> None:
    """All that hold are told, in the order of the enumeration, with their numbers."""
    world = replace(HEALTHY, kill_switch=True, has_reference=False, highest=Size.of(2_000))
    found = halts(world, LIMITS)
    assert [h.reason for h in found] == [
        HaltReason.NO_REFERENCE,
        HaltReason.MAX_LONG,
        HaltReason.KILL_SWITCH,
    ]
    assert found[1].numbers == (("inventory", "2000"), ("limit", "1000"))
