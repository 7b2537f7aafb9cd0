"""Degrading before halting: one side goes, the other stays, and it ends well inside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.decide import Decision
from mm_bot.core.exact import Amount, Size
from mm_bot.core.memory import Memory
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import MissingReason
from tests.core.builders import (
    NOW_MS,
    POLICY,
    RISKS,
    anchor,
    balances,
    observation,
    own_orders,
    running,
    snapshot,
)
from tests.core.decisions import decided

LEAST = replace(RISKS, min_base=Size.of(1_000), min_quote=Amount.of(2_000_000), degrade=True)
ON = replace(POLICY, risk=LEAST)


def seen(
    base: str = "10000",
    quote: str = "100000000",
    *,
    block_age_ms: int = 0,
    anchor_age_ms: int = 0,
    memory: Memory | None = None,
    policy: Policy = ON,
) -> Decision:
    held = balances(base, quote, block_ms=NOW_MS - block_age_ms)
    venue = observation(own_orders())
    part = replace(venue.balances, value=held, as_of_ms=NOW_MS - block_age_ms)
    venue = replace(venue, balances=part)
    world = snapshot(venue=venue, quote=anchor(as_of_ms=NOW_MS - anchor_age_ms))
    return decided(world, memory or running(), policy)


def sides(decision: Decision) -> list[str]:
    return sorted(place.level.side.value for place in decision.plan.places)


def degraded(*names: str) -> Memory:
    """A bot that was so in the last cycle."""
    return replace(running(), degraded=names)


@pytest.mark.parametrize(
    ("base", "quote", "stays"),
    [
        ("1000", "2000000", ["buy", "sell"]),
        ("999.99", "2000000", ["buy"]),
        ("1000", "1999999", ["sell"]),
    ],
)
def test_a_low_balance_takes_away_the_side_that_spends_it(
    base: str, quote: str, stays: list[str]
) -> None:
    """Below its least by whatever; the other side brings it back, and nothing halts."""
    decision = seen(base, quote)
    assert sides(decision) == stays
    assert not decision.halts
    gaps = [gap for gap in decision.missing if gap.reason is MissingReason.DEGRADED]
    assert len(gaps) == 2 - len(stays)
    if gaps and gaps[0].side.value == "sell":
        assert dict(gaps[0].numbers) == {
            "cause": "base balance low",
            "available": "999.99",
            "limit": "1000",
        }


def test_both_low_halt_as_ever_and_so_does_one_where_it_is_off() -> None:
    """The founding halts stay the last step."""
    both = [halt.reason.value for halt in seen("999", "1999999").halts]
    assert both == [
        "available base balance below threshold",
        "available quote balance below threshold",
    ]
    off = replace(POLICY, risk=replace(LEAST, degrade=False))
    assert [h.reason.value for h in seen("999", policy=off).halts] == both[:1]


def test_it_ends_a_tenth_above_the_least() -> None:
    """1099 after it was low: still; 1100: both sides."""
    assert sides(seen("1099", memory=degraded("base balance low"))) == ["buy"]
    assert sides(seen("1100", memory=degraded("base balance low"))) == ["buy", "sell"]
    assert sides(seen("1099")) == ["buy", "sell"]


@pytest.mark.parametrize("source", ["balances", "anchor"])
def test_what_grows_old_leaves_the_side_that_reduces(source: str) -> None:
    """Over half of what halts only asks while long; it ends at a quarter; the whole halts."""
    limit_ms = 30_000
    limits = replace(LEAST, balances_max_age_ms=limit_ms, anchor_max_age_ms=limit_ms)
    policy = replace(POLICY, risk=limits)
    name = f"{source} growing old"

    def aged(age_ms: int, memory: Memory | None = None) -> Decision:
        if source == "balances":
            return seen(block_age_ms=age_ms, memory=memory, policy=policy)
        return seen(anchor_age_ms=age_ms, memory=memory, policy=policy)

    assert sides(aged(15_000)) == ["buy", "sell"]
    assert sides(aged(15_001)) == ["sell"]
    assert aged(15_001).degraded == (name,)
    assert sides(aged(7_501, degraded(name))) == ["sell"]
    assert sides(aged(7_500, degraded(name))) == ["buy", "sell"]
    assert [halt.reason.value for halt in aged(30_001).halts] == [
        "balances stale" if source == "balances" else "anchor data stale"
    ]
