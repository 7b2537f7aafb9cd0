"""`python -m tests.mutation [--sample N] [--seed K] [--jobs N] [MODULE ...]`: mutants of the core
against its tests. Ends with 1 unless each is killed or explained.

`survivors.txt` explains those that nothing need kill, one a line: `NAME  # WHY`. An explanation of
a mutant that is killed, or is none any more, fails the run too.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path
from random import Random

from tests.mutation.mutants import Mutant, modules, mutants
from tests.mutation.reach import TestsFailError
from tests.mutation.runner import ENDLESS, KILLED, run

EXPLAINED = Path(__file__).with_name("survivors.txt")
BETWEEN = "  # "
EVERY = 100
"""After so many mutants it is told how far the run is."""


def explained() -> dict[str, str]:
    """Why each of these mutants may live, by name."""
    parts = (line.partition(BETWEEN) for line in EXPLAINED.read_text().splitlines() if line)
    return {name: why for name, _, why in parts}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(modules()))
    parser.add_argument("--sample", type=int, help="so many mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.modules) - set(modules()):
        parser.error(f"no module of the core: {', '.join(sorted(unknown))}")
    named = chosen.modules or modules()
    every = [m for module in named for m in mutants(module)]
    why = {n: text for n, text in explained().items() if n.partition(":")[0].split(".")[0] in named}
    gone = sorted(why.keys() - {m.name for m in every})
    if chosen.sample is not None:
        every = Random(chosen.seed).sample(every, min(chosen.sample, len(every)))
    counts: dict[str, Counter[str]] = {module: Counter() for module in named}
    bad = [f"explained, and no mutant any more: {name}" for name in gone]

    def report(mutant: Mutant, verdict: str) -> None:
        dead = verdict in (KILLED, ENDLESS)
        is_explained = mutant.name in why
        counts[mutant.module]["explained" if is_explained and not dead else verdict] += 1
        if dead == is_explained:
            bad.append(f"{'explained, and ' if dead else ''}{verdict}: {mutant.name}")
            print(f"{mutant.module}.py:{mutant.line}: {bad[-1]}", flush=True)
        done = sum(found.total() for found in counts.values())
        if done % EVERY == 0:
            print(f"{done} of {len(every)} mutants, {len(bad)} to look at", flush=True)

    try:
        run(every, chosen.jobs, report)
    except TestsFailError as error:
        print(f"{error}\nthe tests of the core fail without any mutant", file=sys.stderr)
        return 1
    for module, found in counts.items():
        print(f"{module}: {_told(found)}")
    print("\n".join((*bad, f"{_told(sum(counts.values(), Counter()))}; {len(bad)} to look at")))
    return 1 if bad else 0


def _told(found: Counter[str]) -> str:
    parts = (f"{count} {what}" for what, count in sorted(found.items()))
    return ", ".join((f"{found.total()} mutants", *parts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
