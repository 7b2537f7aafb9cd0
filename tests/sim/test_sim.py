"""Many seeds of storm and calm: no claim of the checker is ever broken."""

from __future__ import annotations

from tests.sim.many import results
from tests.sim.run import simulate

SEEDS = 500


def test_every_claim_holds_in_every_seed() -> None:
    """The claims of `claims.py` hold at every step; `python -m tests.sim SEED` replays one, and
    `make sim SEEDS=n FROM=k` runs others."""
    for seed, result in results(range(SEEDS)):
        assert not result.violations, f"seed {seed}: {result.violations[0]}"
        assert result.cycles > 3, f"seed {seed} did nothing"


def test_a_seed_is_replayed_exactly() -> None:
    """A run is a function of its seed alone, so that a failure can be looked at again."""
    assert simulate(3) == simulate(3)


def test_the_seeds_see_the_whole_life_of_an_order() -> None:
    """Over a few seeds orders are placed and filled, and processes die and start again."""
    results = [simulate(seed) for seed in range(20)]
    assert sum(result.placed for result in results) > 100
    assert sum(result.fills for result in results) > 50
    assert sum(result.processes for result in results) > len(results)
