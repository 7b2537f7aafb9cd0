"""The simulator by hand: one seed with a trace, many seeds, or every known mistake.

python -m tests.sim SEED [MUTATION]     replays one seed; SEED+ is it with the features on
python -m tests.sim --seeds N [--from K] [--features]
                                        each of these on the wire below the adapter with --wire
python -m tests.sim SEED --only LINES   with these lines of its script alone, as a failure prints
python -m tests.sim --mutations         the seed that catches each known mistake
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.sim.many import EVERY, all_caught, results
from tests.sim.run import simulate
from tests.sim.shrink import explained


def main(arguments: list[str]) -> int:
    names = ", ".join(mutation.name for mutation in EVERY)
    parser = argparse.ArgumentParser(prog="python -m tests.sim", epilog=f"mutations: {names}")
    parser.add_argument("seed", nargs="?", help="SEED, or SEED+ with the strategy's features")
    parser.add_argument("mutation", nargs="?", choices=[m.name for m in EVERY], metavar="MUTATION")
    parser.add_argument("--seeds", type=int, help="so many seeds, with and without a pool")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first of them")
    parser.add_argument("--features", action="store_true", help="with the strategy's features")
    parser.add_argument("--wire", action="store_true", help="below the real adapter")
    parser.add_argument("--only", help="lines of the script, or none")
    parser.add_argument("--mutations", action="store_true", help="what catches each mistake")
    chosen = parser.parse_args(arguments)
    if chosen.mutations:
        return _mutations()
    if chosen.seeds is not None:
        return _many(chosen.first, chosen.seeds, features=chosen.features, wire=chosen.wire)
    if chosen.seed is None or not chosen.seed.removesuffix("+").isdigit():
        parser.print_help()
        return 2
    return _one(chosen.seed, chosen.mutation, wire=chosen.wire, only=chosen.only)


def _one(text: str, wanted: str | None, *, wire: bool, only: str | None) -> int:
    seed, plus, _ = text.partition("+")
    mutation = next((m for m in EVERY if m.name == wanted), None)
    lines = None if only is None else only.split(",")
    result = simulate(int(seed), mutation, trace=True, features=bool(plus), wire=wire, only=lines)
    print(f"{result.cycles} cycles, {result.placed} posts, {result.fills} fills")
    for claim, text in result.violations:
        print(f"{claim.value}: {text}")
    return 1 if result.violations else 0


def _many(first: int, count: int, *, features: bool, wire: bool) -> int:
    begin, failed, cycles, posts, fills = time.perf_counter(), 0, 0, 0, 0
    met: Counter[str] = Counter()
    every = results(range(first, first + count), features=features, wire=wire)
    for done, (seed, result) in enumerate(every):
        if done and done % 100 == 0:
            print(f"{done} of {count} seeds, {failed} with a violation", file=sys.stderr)
        cycles, posts, fills = cycles + result.cycles, posts + result.placed, fills + result.fills
        met.update(result.met)
        if result.violations:
            failed += 1
            print(explained(seed, result, features=features, wire=wire), flush=True)
    took_s = time.perf_counter() - begin
    print(f"{count} seeds from {first}, {failed} with a violation, in {took_s:.0f} s")
    print(f"{cycles} cycles, {posts} posts, {fills} fills")
    for what, seeds in sorted(met.items() if features else ()):
        print(f"{seeds:6} seeds with {what}")
    return 1 if failed else 0


def _mutations() -> int:
    missed = 0
    for each in all_caught():
        missed += each.seed is None
        seed = "none" if each.seed is None else str(each.seed)
        print(
            f"{each.name:32} {seed:>6}  {each.claim.partition(':')[0]:>2}  {each.text}", flush=True
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
