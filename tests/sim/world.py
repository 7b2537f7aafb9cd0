"""One seed: a market, the people in it, a bot that dies and starts again, then calm.

`simulate` is the whole of it. First a storm, whose climate the seed decides; then calm, in which
everything has to heal; the checker hears of every step. A few seeds are calm from the start.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from mm_bot.bot import Bot, Edges
from mm_bot.core.decide import Decision
from mm_bot.core.memory import Memory
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import Strategy
from mm_bot.core.remember import Report
from mm_bot.core.snapshot import AnchorQuote
from mm_bot.errors import EdgeError
from mm_bot.host.nonces import NonceBlocks
from mm_bot.host.persistence import MemoryStore, first_memory
from mm_bot.host.persistent import PersistentState
from mm_bot.strategies import founding
from mm_bot.venues.base import Venue
from tests.sim import limits
from tests.sim.broken import Break, broken
from tests.sim.checker import Checker
from tests.sim.claims import Claim
from tests.sim.edge import Edge
from tests.sim.features import Features, drawn, with_features
from tests.sim.machine import Disk, Mount, Switch
from tests.sim.model import US, Model
from tests.sim.people import People
from tests.sim.scenario import Scenario
from tests.sim.virtual_time import VirtualClock, run
from tests.sim.weather import Weather, calm, storm

SETTLED_CYCLES = 3
LANE = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One thing done wrong, at an edge or in the bot itself, and what it must be caught by."""

    name: str
    claim: Claim
    exchange: Callable[[Edge, World], Venue] | None = None
    world: Callable[[World], None] | None = None
    """Changes the world before it starts."""
    strategy: Callable[[Policy], Strategy] | None = None
    breaks: tuple[Break, ...] = ()
    seed: int = 0
    """Caught it when this was written: tried first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    violations: tuple[tuple[Claim, str], ...]
    cycles: int
    placed: int
    fills: int
    processes: int


class World:
    """Everything of one seed. The parts that a mutation may change are public."""

    def __init__(
        self,
        seed: int,
        mutation: Mutation | None = None,
        trace: bool = False,
        features: bool = False,
    ) -> None:
        self.random = Random(seed)
        self.scenario = Scenario.drawn(self.random)
        self.clock = VirtualClock()
        self.model = Model(self.scenario.market, self.clock, Random(seed + 1))
        quiet = self.scenario.quiet
        self.weather: Weather = calm() if quiet else storm(self.random)
        self.model.late_rows = self.weather.late_rows
        self.model.reserved_elsewhere = self.scenario.reserves(Random(seed + 4), self.model)
        self.features = Features(drawn(Random(seed + 2), self.scenario.quiet) if features else {})
        self.policy = with_features(self.scenario.policy, self.features.options)
        self.disk = Disk(self.clock, Random(seed + 5))
        self.switch = Switch(self.clock, Random(seed + 6))
        self.forget_nonces = False
        self.clock_behind_ms = 0
        self._extra = Random(seed + 7)
        self.mutation = mutation
        self.checker = Checker(
            self.model,
            self.policy,
            alone=self.scenario.alone,
            truth_limits=not self.weather.freezes,
            trace=trace,
        )
        self.checker.sent = self._ambush
        self.checker.disk_refuses = lambda: self.disk.refuses
        self.model.changed = self.checker.changed
        self.people = People(self.model, self.scenario, self.random)
        self.people.jumps = Random(seed + 3) if features else None
        self._recent: deque[Decision] = deque(maxlen=SETTLED_CYCLES)
        self._process: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._stormy = False
        self._restarting = asyncio.Lock()
        self._crashes: list[asyncio.Task[None]] = []

    # The bot's other edges, all of them this world.

    def latest(self) -> AnchorQuote:
        return self.people.anchor_quote()

    def cycle(
        self, decision: Decision, report: Report, memory: Memory, timings_ms: dict[str, float]
    ) -> None:
        self.checker.cycle(decision, report, memory)
        for text in self.features.faults(decision):
            self.checker.fail(Claim.PULLED, text)
        self._recent.append(decision)

    def event(self, name: str, /, **fields: object) -> None:
        self.checker.note(f"event {name} {fields}")

    # The run.

    async def live(self) -> None:
        self.people.before_start()
        background = [
            asyncio.create_task(self.model.match_forever()),
            asyncio.create_task(self._watch_moments()),
        ]
        await self._start()
        if not self.scenario.quiet:
            await self._storm()
        await self._calm()
        self._process_over()
        for task in (*background, self._process):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _start(self) -> None:
        memory = first_memory(self.disk.saved, self.clock.now_ms())
        self._mount = Mount(self.disk)
        self._store = MemoryStore(self._mount, memory)
        self.checker.started(memory)
        self.features.started(self.disk.saved == PersistentState())
        nonces = NonceBlocks(self._mount, lane=LANE, block_size=8)
        used = [] if self.forget_nonces else [n for owner, n in self.model.nonces if owner == US]
        now_ms = 0 if self.forget_nonces else self.clock.now_ms() - self.clock_behind_ms
        await nonces.open(now_ms, max(used, default=0))
        self.people.squat(nonces)
        edge = Edge(self.model, self.weather, self.checker, self.random)
        wrapped = self.mutation.exchange if self.mutation else None
        spot_bootstrap = self.policy.reference.bootstrap
        edges = Edges(
            venue=wrapped(edge, self) if wrapped else edge,
            anchor=None if spot_bootstrap else self,
            external=self if spot_bootstrap else None,
            kill_switch=self.switch,
            nonces=nonces,
            store=self._store,
            telemetry=self,
            clock=self.clock,
        )
        bot = Bot(
            edges,
            self.policy,
            memory,
            self.mutation.strategy(self.policy)
            if self.mutation and self.mutation.strategy
            else founding(self.policy),
            poll_interval_ms=self.scenario.poll_ms,
        )
        self._stop = asyncio.Event()
        self._process = asyncio.create_task(bot.run(self._stop))

    def _process_over(self) -> None:
        """A loop that ended by itself has raised."""
        task = self._process
        if task is not None and task.done() and not task.cancelled() and task.exception():
            self.checker.fail(Claim.ALIVE, repr(task.exception()))

    async def _storm(self) -> None:
        self._stormy = True
        acts = [self.people.take, self.people.make, self.people.take, self.people.drift]
        until_ms = self.clock.now_ms() + self.scenario.storm_ms
        while self.clock.now_ms() < until_ms and not self.checker.violations:
            await self.clock.sleep_ms(self.random.expovariate(1 / 700))
            chance = self.random.random()
            if chance < self.scenario.restarts:
                await self._restart()
            elif chance < self.scenario.restarts + 0.02:
                self._flip_kill_switch()
            elif self._extra.random() < self.weather.disk_refuses:
                self.disk.refuse_for(self._extra.uniform(500, 6_000))
            else:
                self.random.choice(acts)()
            self._process_over()
        self._stormy = False
        async with self._restarting:
            if self.switch.on:
                self._flip_kill_switch()

    def _ambush(self, what: str) -> None:
        """Now and then something happens while a post or a cancel is under way."""
        if not self._stormy or self._extra.random() > 0.1:
            return
        acts: list[Callable[[], None]] = [self.people.take, self.people.take]
        if what == "post":
            acts += [self._flip_kill_switch, self._crash] if self.scenario.restarts else []
        delay_s = self._extra.uniform(0, 0.04)
        asyncio.get_running_loop().call_later(delay_s, self._extra.choice(acts))

    def _crash(self) -> None:
        if self._stormy and not self._restarting.locked():
            self._crashes.append(asyncio.create_task(self._restart()))

    async def _restart(self) -> None:
        async with self._restarting:
            await self._end_and_start()

    async def _end_and_start(self) -> None:
        assert self._process is not None
        if self.random.random() < 0.5:
            self._mount.crashed = True
            self._process.cancel()
            with suppress(asyncio.CancelledError):
                await self._process
        else:
            self._stop.set()
            await self._process
            self._store.close()
            with suppress(EdgeError):
                await self._mount.flush()
            self._mount.crashed = True
        self.checker.stopping.ended()
        await self.clock.sleep_ms(self.random.choice((0, 100, 3_000)))
        self.clock_behind_ms = 0
        if self.random.random() < 0.4:
            self.disk.lose()
            self.checker.state_lost()
        elif self._extra.random() < 0.5:
            self.clock_behind_ms = 3_600_000  # as numbers go: the file must know better
        while self.disk.refuses:
            await self.clock.sleep_ms(100)  # it would end at once: nonces cannot be reserved
        await self._start()

    def _flip_kill_switch(self) -> None:
        self.switch.flip()
        self.checker.stopping.switched(self.switch.on)
        self.checker.note(f"kill switch {self.switch.on}")

    async def _calm(self) -> None:
        """Long enough for the slowest cure: a full minute of the cancel budget, or an order whose
        fate only its expiry tells."""
        self.people.rest()
        for name, value in ((f, getattr(calm(), f)) for f in Weather.__dataclass_fields__):
            setattr(self.weather, name, value)
        self.model.late_rows = 0.0
        until_ms = self.clock.now_ms() + self.scenario.calm_ms
        await self._calm_for(11_000)  # makers leave, trades grow too old to be a reference
        if self.features.options:
            await self._calm_for(25_000)  # what moved the width is forgotten
        while self._unsettled() and self.clock.now_ms() < until_ms:
            if self.checker.violations:
                return
            await self._calm_for(1_000)
        await self._calm_for(6_000)
        if self.checker.violations:
            return
        self.checker.stopping.calm = True
        self.checker.check_settled(self._recent)
        if self.scenario.quiet:
            self.checker.check_quiet(self.scenario.unmanaged)
        self._flip_kill_switch()
        await self.clock.sleep_ms(4_000)

    def _unsettled(self) -> bool:
        whole = len(self._recent) == SETTLED_CYCLES
        return not whole or any(any(limits.unsettled(decision)) for decision in self._recent)

    async def _calm_for(self, duration_ms: int) -> None:
        if not self.checker.violations:
            await self.clock.sleep_ms(duration_ms)
            self._process_over()

    async def _watch_moments(self) -> None:
        while True:
            await self.clock.sleep_ms(200)
            self.checker.moment()


def simulate(
    seed: int, mutation: Mutation | None = None, *, trace: bool = False, features: bool = False
) -> Result:
    """One seed from start to end, with `features` also the strategy's."""

    async def main() -> World:
        world = World(seed, mutation, trace, features)
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
    )
