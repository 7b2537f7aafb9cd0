"""Many seeds of storm and calm: no claim of the checker is ever broken."""

from __future__ import annotations

from tests.sim.many import EVERY, caught, results
from tests.sim.run import simulate
from tests.sim.shrink import explained, shortened

SEEDS = 2_000
WIRED = 40


def test_every_claim_holds_in_every_seed() -> None:
    """The claims of `claims.py` hold at every step; `python -m tests.sim SEED` replays one, and
    `make sim SEEDS=n FROM=k` runs others."""
    for seed, result in results(range(SEEDS)):
        assert not result.violations, explained(seed, result)
        assert result.cycles > 3, f"seed {seed} did nothing"


def test_every_claim_holds_on_the_wire() -> None:
    """The same claims with the real adapter, HTTP client and database session below the loop, over
    bytes, rows and JSON-RPC that are lost, cut, late, refused and garbled."""
    met: set[str] = set()
    for seed, result in results(range(WIRED), wire=True):
        assert not result.violations, explained(seed, result, wire=True)
        assert result.cycles > 3, f"seed {seed} did nothing"
        met |= result.met
    assert {"listen", "socket", "poll"} <= met, "events are heard from each of their sources"


def test_a_seed_is_replayed_exactly() -> None:
    """A run is a function of its seed alone, so that a failure can be looked at again."""
    assert simulate(3) == simulate(3)
    assert simulate(3, wire=True) == simulate(3, wire=True)


def test_a_failure_is_told_by_the_shortest_script_that_still_fails() -> None:
    """A planted mistake is found among many lines of a script, and the few that it takes fail by
    themselves in the same way."""
    mutation = next(m for m in EVERY if m.name == "new_nonce_after_timeout")
    claim, seed = mutation.claim, caught(mutation).seed
    assert seed is not None
    script = simulate(seed, mutation).script
    lines = shortened(seed, script, claim, mutation)
    again = simulate(seed, mutation, only=lines)
    assert claim in [broken for broken, _ in again.violations]
    assert 0 < len(lines) * 4 < len(script)


def test_the_seeds_see_the_whole_life_of_an_order() -> None:
    """Over a few seeds orders are placed and filled, and processes die and start again."""
    results = [simulate(seed) for seed in range(20)]
    assert sum(result.placed for result in results) > 100
    assert sum(result.fills for result in results) > 50
    assert sum(result.processes for result in results) > len(results)
