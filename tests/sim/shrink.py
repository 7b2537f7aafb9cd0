"""The shortest script of a run that still breaks the same claim, and how to run it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.sim.claims import Claim
from tests.sim.mutation import Mutation, Result
from tests.sim.run import simulate

RUNS = 400
"""At most so many runs are spent on one failure."""


def explained(
    seed: int,
    result: Result,
    mutation: Mutation | None = None,
    *,
    features: bool = False,
    wire: bool = False,
) -> str:
    """What a failed run broke, by which shortest script, and the command that runs that."""
    claim, text = result.violations[0]
    lines = shortened(seed, result.script, claim, mutation, features=features, wire=wire)
    again = f"python -m tests.sim {seed}{'+' * features}{' --wire' * wire}"
    again += f" {mutation.name}" if mutation is not None else ""
    only = ",".join(lines) or "none"
    return (
        f"seed {seed}: {claim.value}: {text}\n"
        f"  shortest script, {len(lines)} of {len(result.script)} lines:\n"
        f"  {again} --only {only}"
    )


def shortened(
    seed: int,
    script: Sequence[str],
    claim: Claim,
    mutation: Mutation | None = None,
    *,
    features: bool = False,
    wire: bool = False,
) -> tuple[str, ...]:
    def fails(lines: Sequence[str]) -> bool:
        run = simulate(seed, mutation, features=features, wire=wire, only=lines)
        return any(broken is claim for broken, _ in run.violations)

    return shortest(script, fails)


def shortest(
    lines: Sequence[str], fails: Callable[[Sequence[str]], bool], runs: int = RUNS
) -> tuple[str, ...]:
    """A part of `lines` that still fails and from which, as far as so many runs could try, nothing
    can be left out (delta debugging); all of them where they do not fail as a script."""
    kept, left, parts = list(lines), runs, 2
    if not fails(kept):
        return tuple(lines)
    if not kept or fails([]):
        return ()
    while len(kept) >= 2:
        size = -(-len(kept) // parts)
        for start in range(0, len(kept), size):
            if left == 0:
                return tuple(kept)
            rest, left = kept[:start] + kept[start + size :], left - 1
            if fails(rest):
                kept, parts = rest, max(parts - 1, 2)
                break
        else:
            if parts >= len(kept):
                break
            parts = min(2 * parts, len(kept))
    return tuple(kept)
