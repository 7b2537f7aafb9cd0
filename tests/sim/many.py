"""Many seeds on every core, and which of them catches each known mistake."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from tests.sim.fault_outcomes import OUTCOMES
from tests.sim.faults import FAULTS
from tests.sim.feature_faults import FEATURE_FAULTS
from tests.sim.mutation import Mutation, Result
from tests.sim.mutations import MUTATIONS
from tests.sim.run import simulate
from tests.sim.wire.faults import WIRE_FAULTS

TRIED = 500
"""Within so many seeds each mistake must be caught."""
EVERY = (*FAULTS, *OUTCOMES, *MUTATIONS, *WIRE_FAULTS, *FEATURE_FAULTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """The first seed whose run broke the claim of a mistake; None where none did."""

    name: str
    claim: str
    seed: int | None
    text: str = ""


def results(
    seeds: Iterable[int], *, features: bool = False, wire: bool = False
) -> Iterator[tuple[int, Result]]:
    """Each seed's result, in order, worked out on every core that this process may use."""
    numbers = list(seeds)
    with _pool() as pool:
        run = partial(simulate, features=features, wire=wire)
        yield from zip(numbers, pool.map(run, numbers, chunksize=5), strict=True)


def _pool() -> ProcessPoolExecutor:
    cores = len(os.sched_getaffinity(0))
    return ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("spawn"))


def caught(mutation: Mutation) -> Caught:
    """Tries the seed that is known to catch it, then all of them from the first on."""
    for seed in (mutation.seed, *range(TRIED)):
        for claim, text in simulate(seed, mutation).violations:
            if claim is mutation.claim:
                return Caught(name=mutation.name, claim=claim.value, seed=seed, text=text)
    return Caught(name=mutation.name, claim=mutation.claim.value, seed=None)


def all_caught() -> Iterator[Caught]:
    with _pool() as pool:
        yield from pool.map(_caught_by_name, [mutation.name for mutation in EVERY])


def _caught_by_name(name: str) -> Caught:
    return caught(next(m for m in EVERY if m.name == name))
