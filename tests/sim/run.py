"""One seed, from start to end."""

from __future__ import annotations

from collections.abc import Collection

from tests.sim.broken import broken
from tests.sim.mutation import Mutation, Result
from tests.sim.scene import Asked
from tests.sim.virtual_time import run
from tests.sim.world import World


def simulate(
    seed: int,
    mutation: Mutation | None = None,
    *,
    trace: bool = False,
    features: bool = False,
    wire: bool = False,
    only: Collection[str] | None = None,
) -> Result:
    """A run from start to end, with `features` also the strategy's, on the `wire` below the real
    adapter, with `only` these lines of its script."""

    async def main() -> World:
        world = World(
            Asked(
                seed=seed,
                mutation=mutation,
                trace=trace,
                features=features or (mutation is not None and mutation.features),
                wire=wire or (mutation is not None and mutation.wire),
                only=only,
            )
        )
        if mutation is not None and mutation.world is not None:
            mutation.world(world)
        await world.live()
        return world

    with broken(mutation.breaks if mutation is not None else ()):
        world = run(main())
    return Result(
        violations=tuple(world.checker.violations),
        cycles=world.checker.cycles,
        placed=world.checker.placed,
        fills=len(world.model.matches),
        processes=world.checker.generation,
        script=tuple(world.script.lines),
        met=frozenset(world.features.met | world.people.done),
    )
