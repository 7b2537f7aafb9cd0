"""Storm and calm with the strategy's features on: the same claims, and theirs."""

from __future__ import annotations

from tests.sim.many import results

SEEDS = 150
STATES = {
    "adverse_selection",
    "balances growing old",
    "base balance low",
    "breaker cooldown",
    "daily loss limit",
    "forced",
    "hanging",
    "price shock",
    "quote balance low",
    "reduce_only",
}
"""What a feature can be in the middle of."""


def test_every_claim_holds_with_features_on() -> None:
    """The same claims, and those of the features; `python -m tests.sim SEED+` replays one. Among
    them nearly all states of the features are met, and a process ends in most of them and starts
    again; which ones it is in few seeds is the draw's."""
    met: set[str] = set()
    for seed, result in results(range(SEEDS), features=True):
        assert not result.violations, f"seed {seed}+: {result.violations[0]}"
        met |= result.met
    assert "reduction sent" in met
    assert len(met & STATES) >= len(STATES) - 2
    assert len(met & {f"restart in {state}" for state in STATES}) * 2 >= len(STATES)
