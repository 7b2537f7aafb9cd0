"""What `why` tells is what `decide` decided, over many worlds."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.decide import Decision, decide
from mm_bot.core.exact import Amount
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.policy import OperatorMode, Policy
from mm_bot.core.snapshot import Snapshot
from mm_bot.observe.explain import explain
from mm_bot.strategies import founding
from tests.core.builders import (
    FUTURE,
    LADDER_OF_THREE,
    POLICY,
    SPOT,
    anchor,
    balances,
    book,
    observation,
    others,
    own_orders,
    running,
    snapshot,
)

PRICES = st.decimals(Decimal(1500), Decimal(1700), places=2).map(str)
MONEY = st.sampled_from(("0", "0.5", "55.5", "1000", "100000000"))


def decided(world: Snapshot, policy: Policy, market: Instrument = SPOT) -> Decision:
    return decide(world, running(), policy, market, founding(policy))


@given(
    reference=PRICES,
    bid=PRICES,
    ask=PRICES,
    base=MONEY,
    quote=MONEY,
    skew=st.integers(0, 500),
    cap=st.sampled_from((None, 5_000, 400_000)),
    bootstrap=st.booleans(),
    mode=st.sampled_from(OperatorMode),
    future=st.booleans(),
)
def test_the_steps_come_out_at_what_was_decided(
    reference: str,
    bid: str,
    ask: str,
    base: str,
    quote: str,
    skew: int,
    cap: int | None,
    bootstrap: bool,
    mode: OperatorMode,
    future: bool,
) -> None:
    """Whatever the prices, balances, limits and mode: price and size of every level as told are
    those of the ladder, and a side without levels has a verdict that says why."""
    market = FUTURE if future else SPOT
    limit = None if cap is None else Amount.of(cap)
    policy = replace(
        POLICY,
        mode=mode,
        quote=replace(LADDER_OF_THREE, skew_bps=Decimal(skew), max_notional_per_side=limit),
        reference=replace(POLICY.reference, bootstrap=bootstrap),
    )
    venue = replace(
        observation(own_orders()),
        book=replace(
            observation(own_orders()).book,
            value=book(others(Side.BUY, bid), others(Side.SELL, ask)),
        ),
        balances=replace(observation(own_orders()).balances, value=balances(base, quote)),
    )
    outside = anchor(reference)
    world = snapshot(venue=venue, quote=outside, external=outside if bootstrap else None)
    decision = decided(world, policy, market)
    for side in Side:
        steps = explain(decision, side)
        found = {step.step: step.numbers for step in steps}
        for level in decision.ladder.side(side):
            told = found[f"size level {level.index}"]
            assert (told["price"], told["size"]) == (str(level.price), str(level.size))
        if not decision.ladder.side(side):
            assert steps[-1].says.startswith("no ")


def test_a_halt_is_told_with_its_end() -> None:
    """The verdict of a halted side is the halt, and the step before it says when it ends."""
    world = replace(snapshot(), kill_switch=True)
    steps = explain(decided(world, POLICY), Side.BUY)
    assert steps[-1].says == "no bid: halted"
    assert "mm-bot resume" in steps[-2].says


def test_an_unread_balance_is_told_instead_of_arithmetic() -> None:
    """Without balances there is no ladder: the steps say what could not be read."""
    seen = observation(own_orders())
    broken = replace(seen.balances, value=None, error="no answer in time")
    steps = explain(decided(snapshot(venue=replace(seen, balances=broken)), POLICY), Side.SELL)
    assert any("no answer in time" in step.says for step in steps)
