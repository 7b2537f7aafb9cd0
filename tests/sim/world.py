"""One seed: a market, the people in it, a bot that dies and starts again, then calm.

`simulate` is the whole of it. First a storm, whose climate the seed decides; then calm, in which
everything has to heal; the checker hears of every step. A few seeds are calm from the start.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import Random

from mm_bot.core.decide import Decision
from mm_bot.core.ledger import DEAD_AFTER_MS, Stage
from mm_bot.core.settlement import REVERTED_AFTER_MS
from mm_bot.errors import EdgeError
from mm_bot.host.nonces import NonceBlocks
from mm_bot.host.persistent import PersistentState
from mm_bot.strategies import founding
from tests.sim import limits
from tests.sim.claims import Claim
from tests.sim.edge import Edge
from tests.sim.features import LOSING
from tests.sim.machine import Disk
from tests.sim.model import US, Row
from tests.sim.moments import Deeds, Moments
from tests.sim.process import HostClock, Process
from tests.sim.scene import Asked, Scene
from tests.sim.weather import Weather, calm
from tests.sim.wire.venue import Wired

SETTLED_CYCLES = 3
ENDS_IN = {
    "adverse_selection": 0.2,
    "breaker cooldown": 0.05,
    "daily loss limit": 0.05,
    "forced": 0.05,
    LOSING: 0.3,
    "price shock": 0.05,
    "reduce_only": 0.1,
}
"""How likely the process is killed in a cycle in which a feature is in that state."""
HOUR_MS = 3_600_000
DISK_LATELY_MS = 10_000
"""A disk that refused so lately may lack what the process before knew for some seconds."""


class World(Scene):
    """What happens to one seed's parts."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self.checker.skew_ms = lambda: self._stepped_ms
        self.checker.disk_refuses = lambda: self.disk.refuses
        if asked.wire:
            self.model.changed = self._tell
        self._moments = Moments(self._deeds(), self.script, self.extra, self.fine)
        self.checker.sent, self.matcher.commits = self._moments.came, self._moments.late_match
        self._recent: deque[Decision] = deque(maxlen=SETTLED_CYCLES)
        self._process: Process | None = None
        self._host: HostClock | None = None
        self._wired: Wired | None = None
        self._aims = not self.scenario.quiet
        """Until some seconds of calm have passed: some states of features need a little of it."""
        self.skew_ms = 0
        self._stepped_ms = 0
        """By how much the clock was ever set, to and fro."""
        self._restarting = asyncio.Lock()
        self._crashes: list[asyncio.Task[None]] = []
        self._superseded: list[Process] = []

    # The run.

    async def live(self) -> None:
        self.people.before_start()
        background = [
            asyncio.create_task(self.matcher.run()),
            asyncio.create_task(self._watch_moments()),
        ]
        await self._start()
        if not self.scenario.quiet:
            await self._storm()
        await self._calm()
        self._process_over()
        for process in (self._process, *self._superseded):
            if process is not None:
                await process.kill()
        for task in background:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _tell(self, what: str, row: Row) -> None:
        self.checker.changed(what, row)
        if self.site is not None:
            self.site.feed.changed(what, row)

    async def _start(self, wakes: Callable[[], object] = lambda: None) -> None:
        """`wakes` is called once the new process is the one writer."""
        clock = self._host = HostClock(self.skew_ms)
        wired = None if self.site is None else await self.site.opened(clock)
        wakes()
        process = Process(self.checker, self.disk, self.switch, self.people, self._told, clock)
        self._process = process
        clock.followed = self._followed
        if wired is None:
            self.model.writer = process.generation
        saved = self.disk.saved
        lost, worked_ms = saved == PersistentState(), self.disk.works_since_ms
        forgot = lost or self.clock.now_ms() - worked_ms < DISK_LATELY_MS
        self.features.started(saved.strategy, lost=lost, forgot=forgot)
        nonces = await self._nonces(process)
        self.people.squat(nonces)
        mutation, strategy = self.mutation, founding(self.policy)
        if wired is None:
            edge = Edge(
                self.model, self.weather, self.checker, self.random, process.clock, self.script
            )
            venue = mutation.exchange(edge, self) if mutation and mutation.exchange else edge
        else:
            venue = wired[0]
            clock.steps_left, clock.dies = self.steps_to_live(), self._die
            process.ended = wired[0].die
        made = mutation.strategy(self.policy) if mutation and mutation.strategy else strategy
        process.run(venue, nonces, self.policy, made, self.scenario.poll_ms)
        self._wired = None if wired is None else wired[0]
        if self._wired is not None:
            self._wired.hear(process.wake, self.features.met)

    async def _nonces(self, process: Process) -> NonceBlocks:
        """Those of the process, or of the one that is started once it ended for its disk."""
        while True:
            await self._disk_works()
            used = [n for owner, n in self.model.nonces if owner == US and not self.forget_nonces]
            now_ms = 0 if self.forget_nonces else self.clock.now_ms() - self.clock_behind_ms
            with suppress(EdgeError):  # it refuses since
                return await process.nonces(now_ms, max(used, default=0))

    async def _disk_works(self) -> None:
        """A process would end at once where it refuses: nonces cannot be reserved."""
        while self.disk.refuses:
            await self.clock.sleep_ms(100)

    def _followed(self, clock: HostClock, step_ms: int) -> None:
        if self._process is not None and self._process.clock is clock:
            self.features.stepped(step_ms)
            self.checker.stepped(step_ms)

    def _told(self, decision: Decision) -> None:
        for claim, text in self.features.faults(decision):
            self.checker.fail(claim, text)
        self._recent.append(decision)
        if self._aims and self.features.options:
            self._aim(decision)
        if self.late_strike_due and self._moments.stormy and decision.plan.kept:
            self._strike_late(decision)

    def _strike_late(self, decision: Decision) -> None:
        """Once a match of ours that takes minutes, while others commit after it."""
        if self.script.strikes("minutes", self.aimed, 0.3):
            self.late_strike_due = False
            _, order_id = self.aimed.choice(decision.plan.kept)
            self.people.strike(self.matcher, order_id, late=True)

    def _aim(self, decision: Decision) -> None:
        """Where a feature is in a state that matters, what it must bear there."""
        blink, aimed = self._moments.deeds.blink, self.aimed
        hangs = bool(decision.quotes.hanging.stay)
        if blink is not None and hangs and self.script.strikes("hangs", aimed, 0.05):
            blink()
        ends = (e for each in sorted(self.features.state) for e in (ENDS_IN.get(each, 0.0),) if e)
        if blink is not None and any(self.script.strikes("midst", self.midst, e) for e in ends):
            blink()
        pairs = "MM_HANGING_ORDERS" in self.features.options and len(decision.plan.kept) > 1
        if pairs and not hangs and self.script.strikes("pair", aimed, 0.5):
            _, order_id = aimed.choice(decision.plan.kept)
            self.people.strike(self.matcher, order_id, whole=True)
        unknown = any(each.stage is Stage.UNKNOWN for each in decision.tracked.open_orders)
        forces = "MM_FORCED_REDUCTION" in self.features.options
        calm = forces and decision.quotes.reduction is None
        if calm and self.script.strikes("forced", aimed, 0.3 if unknown else 0.02):
            self.people.overfill()

    def _process_over(self) -> None:
        if self._process is not None and self._process.error is not None:
            self.checker.fail(Claim.ALIVE, repr(self._process.error))
        if self._wired is not None and self._wired.deaf is not None:
            self.checker.fail(Claim.ALIVE, f"it hears no events: {self._wired.deaf!r}")
        for crash in self._crashes:
            failed = crash.exception() if crash.done() and not crash.cancelled() else None
            if failed is not None:
                self.checker.fail(Claim.ALIVE, f"no process starts after a crash: {failed!r}")

    async def _storm(self) -> None:
        self._moments.stormy = True
        acts = [self.people.take, self.people.make, self.people.take, self.people.drift]
        until_ms = self.clock.now_ms() + self.scenario.storm_ms
        while self.clock.now_ms() < until_ms and not self.checker.violations:
            await self.clock.sleep_ms(self.random.expovariate(1 / 700))
            if not self.script.happens("deed"):
                continue
            if self.flood_due:
                self.flood_due = not self.people.flood(self.matcher)
            chance = self.random.random()
            if chance < self.scenario.restarts:
                await self._restart()
            elif chance < self.scenario.restarts + 0.02:
                self._flip_kill_switch()
            elif self.extra.random() < self.weather.disk_refuses:
                self.disk.refuse_for(self.extra.uniform(500, 6_000))
            elif self.extra.random() < self.weather.pauses:
                await self._pause()
            elif self.extra.random() < self.weather.steps:
                self._step(self.extra.choice((-20_000, -3_000, 3_000, 20_000)))
            elif self.features.options and self.payments.random() < 0.15:
                self.payments.choice((self.people.pay, self.people.informed))()
            else:
                self.random.choice(acts)()
            self._process_over()
        self._moments.stormy = False
        async with self._restarting:
            if self.switch.on:
                self._flip_kill_switch()

    def _deeds(self) -> Deeds:
        """What may happen at the moments that matter."""
        return Deeds(
            take=self.people.take,
            strike=partial(self.people.strike, self.matcher),
            leap=self.people.leap,
            flip=self._switch,
            crash=self._crash if self.scenario.restarts else None,
            blink=self._down_for_a_moment if self.scenario.restarts else None,
            freeze=self._freeze if self.weather.pauses else None,
        )

    def _down_for_a_moment(self) -> None:
        if not self._restarting.locked():
            self._crashes.append(asyncio.create_task(self._blink()))

    async def _blink(self) -> None:
        """Killed, and there again with all that its disk has."""
        async with self._restarting:
            assert self._process is not None
            await self._free_the_lock()
            await self._process.kill()
            self.checker.stopping.ended()
            await self.clock.sleep_ms(100)
            self.clock_behind_ms = HOUR_MS
            await self._disk_works()
            await self._start()

    def _die(self) -> None:
        if self._moments.stormy and self.script.happens("crash"):
            self._crash()

    def _crash(self) -> None:
        if self._moments.stormy and not self._restarting.locked():
            self._crashes.append(asyncio.create_task(self._restart()))

    def _switch(self) -> None:
        if self._moments.stormy:
            self._flip_kill_switch()

    def _freeze(self) -> None:
        if self._moments.stormy and not self._restarting.locked():
            self._crashes.append(asyncio.create_task(self._pause()))

    async def _restart(self) -> None:
        async with self._restarting:
            await self._end_and_start()

    async def _free_the_lock(self) -> None:
        """Where it is a real one a superseded process could take it, rightly, and keep it."""
        if self.site is not None:
            await self._end_superseded()

    async def _end_superseded(self) -> None:
        for process in self._superseded:
            await process.kill()
        self._superseded.clear()

    async def _end_and_start(self) -> None:
        assert self._process is not None
        await self._free_the_lock()
        await (self._process.kill() if self.random.random() < 0.5 else self._process.end())
        self.checker.stopping.ended()
        await self.clock.sleep_ms(self.random.choice((0, 100, 3_000)))
        self.clock_behind_ms = 0
        if self.random.random() < 0.4:
            self.disk.lose()
            self.checker.state_lost()
        elif self.extra.random() < 0.5:
            self.clock_behind_ms = HOUR_MS  # as numbers go: the file must know better
        await self._disk_works()
        await self._start()

    def _step(self, step_ms: int) -> None:
        """Somebody sets the machine's clock, and some seconds later it is right again."""
        self._set_clock(step_ms, self.disk)
        delay_s = self.extra.uniform(1, 8)
        loop = asyncio.get_running_loop()
        loop.call_later(delay_s, self._set_clock, -step_ms, self.disk)

    def _set_clock(self, step_ms: int, machine: Disk) -> None:
        if machine is not self.disk:
            return  # another machine has taken over
        self.skew_ms += step_ms
        self._stepped_ms += abs(step_ms)
        self.checker.note(f"clock stepped by {step_ms} ms")
        if self._host is not None:  # of the process that starts, where one does
            self._host.step(step_ms)

    async def _pause(self) -> None:
        """The process stands still. Where the server drops its session meanwhile, a standby on
        another machine takes over, and the first one wakes up to find that out."""
        async with self._restarting:
            process = self._process
            assert process is not None
            await self._free_the_lock()
            process.stand_still()
            self.checker.stopping.stands_still()
            await self.clock.sleep_ms(self.extra.choice((300, 1_500, 4_000)))
            if self.extra.random() < 0.6:
                self.drop_lock()
                await self.clock.sleep_ms(self.extra.choice((0, 50, 1_500)))
                self._superseded.append(process)
                self.disk = self.new_disk(Random(self.extra.random()))
                self.checker.state_lost()
                self.skew_ms = self.clock_behind_ms = 0
                wakes_s = self.extra.uniform(0, 3)
                loop = asyncio.get_running_loop()
                await self._start(partial(loop.call_later, wakes_s, process.go_on))
            else:
                process.go_on()
                self.checker.stopping.goes_on()

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
        self.follow_weather()
        await self._calm_for(11_000)  # makers leave, trades grow too old to be a reference
        self._aims = False
        await self._end_superseded()  # each had its time to do harm
        if self.features.options:
            await self._calm_for(25_000)  # what moved the width is forgotten
        while self._unfinished() and not self.checker.violations:
            await self._calm_for(2_000)
        until_ms = self.clock.now_ms() + self.scenario.calm_ms
        calm_since_ms = self.clock.now_ms()
        while self.clock.now_ms() < until_ms and not self.checker.violations:
            await self._calm_for(1_000)
            if self._unsettled():
                calm_since_ms = self.clock.now_ms()
            elif self.clock.now_ms() - calm_since_ms > 6_000:
                break
        if self.checker.violations:
            return
        self.checker.stopping.calm = True
        self.checker.check_settled(self._recent)
        self.checker.check_reverted(self._recent[-1].fill_totals)
        if self.scenario.quiet:
            self.checker.check_quiet(self.scenario.unmanaged)
        self._flip_kill_switch()
        await self.clock.sleep_ms(4_000)

    def _unfinished(self) -> bool:
        """What only a long time ends: reverted matches, orders that the matcher keeps."""
        now_ms, model = self.clock.now_ms(), self.model
        times = [m.at_ms + REVERTED_AFTER_MS for m in model.matches if m.reverts]
        times += [model.rows[order_id].expiry_ms + DEAD_AFTER_MS for order_id in model.stuck]
        return self.matcher.unfinished or any(now_ms < at_ms + 10_000 for at_ms in times)

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
