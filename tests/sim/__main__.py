"""`python -m tests.sim SEED [MUTATION]` replays one seed with a trace of everything; `SEED+` is the
seed with the strategy's features."""

from __future__ import annotations

import sys

from tests.sim.mutations import MUTATIONS
from tests.sim.world import simulate


def main(arguments: list[str]) -> int:
    if not arguments or not arguments[0].removesuffix("+").isdigit():
        names = ", ".join(m.name for m in MUTATIONS)
        print(f"usage: python -m tests.sim SEED [MUTATION]\nmutations: {names}")
        return 2
    seed, plus, _ = arguments[0].partition("+")
    wanted = arguments[1] if len(arguments) > 1 else None
    mutation = next((m for m in MUTATIONS if m.name == wanted), None)
    result = simulate(int(seed), mutation, trace=True, features=bool(plus))
    print(f"{result.cycles} cycles, {result.placed} posts, {result.fills} fills")
    for claim, text in result.violations:
        print(f"{claim.value}: {text}")
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
