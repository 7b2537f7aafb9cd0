"""One process of the bot on a machine: it starts, may stand still for a while, and ends.

A process that stands still runs nothing of itself: every wait of it ends only once it runs again,
while the exchange and everybody else go on. Its wall clock is the machine's, which may be stepped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Context
from typing import Protocol

from mm_bot.bot import Bot
from mm_bot.core.decide import Decision
from mm_bot.core.memory import Memory
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import Strategy
from mm_bot.core.remember import Report
from mm_bot.core.snapshot import AnchorQuote
from mm_bot.edges import Edges
from mm_bot.errors import EdgeError
from mm_bot.host.nonces import NonceBlocks
from mm_bot.host.persistence import MemoryStore, first_memory
from mm_bot.venues.base import Venue
from tests.sim.checker import Checker
from tests.sim.machine import Disk, Mount, Switch
from tests.sim.virtual_time import VirtualClock

LANE = 7


class HostClock(VirtualClock):
    """The clock of one process, `skew_ms` from the true one at first, and whether that runs."""

    def __init__(self, skew_ms: int) -> None:
        super().__init__()
        self._offset_ms += skew_ms
        self.runs = asyncio.Event()
        self.runs.set()
        self.context: Context | None = None
        """What the process's tasks run in, where their timers stand still with it."""
        self.steps_left = 0
        """Until it dies between two awaits, where that is above 0."""
        self.dies: Callable[[], object] = lambda: None
        self.followed: Callable[[HostClock, int], object] = lambda _clock, _step_ms: None
        """Told of each step of the machine's clock that the process follows."""
        self._waiting: list[Callable[[], object]] = []

    def settle(self) -> int:
        step_ms = super().settle()
        if step_ms:
            self.followed(self, step_ms)
        return step_ms

    def stepped(self) -> None:
        """See `virtual_time.Host`."""
        if self.steps_left > 0:
            self.steps_left -= 1
            if self.steps_left == 0:
                asyncio.get_running_loop().call_soon(self.dies, context=Context())

    def stand_still(self) -> None:
        self.runs.clear()

    def go_on(self) -> None:
        self.runs.set()
        for callback in self._waiting:
            asyncio.get_running_loop().call_soon(callback)
        self._waiting.clear()

    def deliver(self, callback: Callable[[], object]) -> None:
        """See `virtual_time.Host`."""
        if self.runs.is_set():
            callback()
        else:
            self._waiting.append(callback)

    async def sleep_ms(self, duration_ms: float) -> None:
        await super().sleep_ms(duration_ms)
        await self.runs.wait()


class Anchors(Protocol):
    """Where the prices of outside come from."""

    def anchor_quote(self) -> AnchorQuote: ...


class Process:
    """Also the kill switch and the telemetry that its bot is given."""

    def __init__(
        self,
        checker: Checker,
        disk: Disk,
        switch: Switch,
        anchors: Anchors,
        on_cycle: Callable[[Decision], None],
        clock: HostClock,
    ) -> None:
        self.clock = clock
        self.mount = Mount(disk)
        self.memory = first_memory(disk.saved, self.clock.now_ms())
        checker.started(self.memory, [order.order_id for order in disk.saved.live_orders])
        self.generation = checker.generation
        self._store = MemoryStore(self.mount, self.memory)
        self._checker = checker
        self._switch = switch
        self._anchors = anchors
        self._on_cycle = on_cycle
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.wake: Callable[[], None] = lambda: None
        self.ended: Callable[[], None] = lambda: None
        """Told once it is over."""

    async def nonces(self, now_ms: int, highest: int) -> NonceBlocks:
        blocks = NonceBlocks(self.mount, lane=LANE, block_size=self.mount.disk.nonce_block)
        await blocks.open(now_ms, highest)
        return blocks

    def run(
        self, venue: Venue, nonces: NonceBlocks, policy: Policy, strategy: Strategy, poll_ms: int
    ) -> None:
        bootstrap = policy.reference.bootstrap
        edges = Edges(
            venue=venue,
            anchor=None if bootstrap else self,
            external=self if bootstrap else None,
            kill_switch=self,
            nonces=nonces,
            store=self._store,
            telemetry=self,
            clock=self.clock,
        )
        bot = Bot(edges, policy, self.memory, strategy, poll_interval_ms=poll_ms)
        self.wake = bot.wake
        self._task = asyncio.create_task(bot.run(self._stop), context=self.clock.context)

    @property
    def error(self) -> BaseException | None:
        """A loop that ended by itself has raised."""
        task = self._task
        over = task is not None and task.done() and not task.cancelled()
        return task.exception() if task is not None and over else None

    def stand_still(self) -> None:
        self._checker.note(f"process {self.generation} stands still")
        self.clock.stand_still()

    def go_on(self) -> None:
        self._checker.note(f"process {self.generation} goes on")
        self.clock.go_on()

    async def kill(self) -> None:
        """At any await of it."""
        self.mount.crashed = True
        self.clock.go_on()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self.ended()

    async def end(self) -> None:
        """In peace."""
        self.clock.go_on()
        self._stop.set()
        if self._task is not None:
            await self._task
        self._store.close()
        with suppress(EdgeError):
            await self.mount.flush()
        self.mount.crashed = True
        self.ended()

    # What the bot is given.

    def latest(self) -> AnchorQuote:
        return self._anchors.anchor_quote()

    def active(self) -> bool:
        return self._switch.active()

    async def watch(self, on_change: Callable[[bool], None]) -> None:
        await self._switch.watch(on_change, self.clock)

    def cycle(
        self,
        decision: Decision,
        report: Report,
        memory: Memory,
        timings_ms: Mapping[str, float],
    ) -> None:
        if self.generation == self._checker.generation:  # else another has taken over
            self._checker.cycle(decision, report, memory)
            self._on_cycle(decision)

    def event(self, name: str, /, **fields: object) -> None:
        self._checker.note(f"event {name} {fields}")
