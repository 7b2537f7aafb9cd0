"""The checker can fail: each known mistake breaks the claim that is there to catch it."""

from __future__ import annotations

import pytest

from tests.sim.mutations import MUTATIONS
from tests.sim.world import Mutation, simulate

SEEDS = 400
"""Tried until one breaks the claim: the hardest mistake to see takes about one in a hundred."""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_checker_sees_it(mutation: Mutation) -> None:
    """At least one seed ends in a violation of the very claim the mistake is about."""
    for seed in range(SEEDS):
        if any(claim is mutation.claim for claim, _ in simulate(seed, mutation).violations):
            return
    pytest.fail(f"{SEEDS} seeds of {mutation.name}, and {mutation.claim.value} never broke")
