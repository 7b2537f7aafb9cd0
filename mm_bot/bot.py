"""The loop: observe, decide, act, remember. `Bot.cycle` is the whole of it.

Level-triggered: each cycle sees everything anew and sends only the difference, so a cycle that
fails half-way is repaired by the next one. Events (the kill switch, a change of an order) only
wake it early; they never carry the truth.

A kill switch does not wait for a cycle: its own task cancels what memory knows at once, and every
post looks at the file first (`acting.py`, where a plan goes out).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from mm_bot.acting import Actor
from mm_bot.clock import set_after
from mm_bot.core.clock_step import shifted
from mm_bot.core.decide import Decision, decide
from mm_bot.core.liability import audit
from mm_bot.core.memory import Memory
from mm_bot.core.policy import OperatorMode, Policy
from mm_bot.core.quoting import Strategy
from mm_bot.core.remember import remember, with_cancels, with_signed
from mm_bot.core.snapshot import Snapshot
from mm_bot.core.stopped import Stopped, stopped
from mm_bot.core.watching import fills_after, next_due_ms, watch
from mm_bot.edges import Edges

SHORTEST_PAUSE_MS = 2
WAKE_FLOOR_MS = 40
"""A storm of events costs one cycle in so long: 25 a second."""
WAKE_BURST = 4
"""How many cycles events may start at once after quiet, before the floor between them counts."""
BURST_MS = (WAKE_BURST - 1) * WAKE_FLOOR_MS
STOP_WITHIN_S = 3.0
"""Of the five seconds that a stop may take, what a cycle under way may have."""


class Bot:
    """One market's maker. `policy` may be replaced between cycles."""

    def __init__(
        self,
        edges: Edges,
        policy: Policy,
        memory: Memory,
        strategy: Strategy,
        *,
        poll_interval_ms: int,
    ) -> None:
        self.policy = policy
        self.memory = memory
        self._edges = edges
        self._strategy = strategy
        self._poll_interval_ms = poll_interval_ms
        self.looked = asyncio.Event()
        """Set once the first cycle is over."""
        self._wake = asyncio.Event()
        self._woken_at: float | None = None
        """When the event came that the next cycle answers."""
        self._events_paid_ms = 0.0
        """Monotonic time until which the cycles that events woke have used up the floor's pace."""
        self._killing: asyncio.Future[None] | None = None
        self._turn = 0
        self._actor = Actor(edges, known=lambda: self.memory.open_orders, wake=self.wake)

    def wake(self) -> None:
        """Start the next cycle now."""
        if self._woken_at is None:
            self._woken_at = time.perf_counter()
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Cycles until `stop`, then finishes or abandons the one under way in time.
        Quotes stay where they are, so that a restart adopts them."""
        kill = asyncio.create_task(self._watch_kill_switch())
        stopped = asyncio.create_task(stop.wait())
        looping = asyncio.create_task(self._loop(stop))
        try:
            await asyncio.wait({kill, looping, stopped}, return_when=asyncio.FIRST_COMPLETED)
            self.wake()
            await asyncio.wait({looping}, timeout=STOP_WITHIN_S if stop.is_set() else 0)
        finally:
            for task in (kill, stopped, looping):
                if not task.done():
                    task.cancel()
            results = await asyncio.gather(kill, stopped, looping, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def cycle(self) -> Decision:
        """One pass."""
        edges, clock = self._edges, self._edges.clock
        self._follow_clock()
        actor = self._actor
        memory = self.memory = with_signed(self.memory, actor.signed.values())
        memory = with_cancels(memory, actor.killed)
        begin = time.perf_counter()
        woken_at, self._woken_at = self._woken_at, None
        asked_ms = clock.monotonic_ms()
        self._turn += 1
        seen = await edges.venue.observe(
            watch(
                memory.open_orders,
                memory.settlements,
                audit(memory.signatures, self._turn),
                fills_after=fills_after(memory),
                first=not memory.signatures_known,
            )
        )
        if seen.lock_held:
            actor.proven(asked_ms)
        snapshot = Snapshot(
            now_ms=clock.now_ms(),
            venue=seen,
            anchor=edges.anchor.latest() if edges.anchor else None,
            external=edges.external.latest() if edges.external else None,
            kill_switch=edges.kill_switch.active(),
            unsaved=edges.store.problem,
        )
        observed = time.perf_counter()
        decision = decide(snapshot, memory, self.policy, edges.venue.instrument, self._strategy)
        edges.hear_local(decision.reference.local, decision.now_ms)
        decided = time.perf_counter()
        report = await actor.act(decision)
        acted = time.perf_counter()
        remembered = remember(memory, decision, report, dry_run=self.policy.dry_run)
        self.memory = with_signed(remembered, actor.signed.values())
        actor.remembered()
        await edges.store.save(self.memory)
        timings = {
            "observe": (observed - begin) * 1000,
            "decide": (decided - observed) * 1000,
            "act": (acted - decided) * 1000,
            "remember": (time.perf_counter() - acted) * 1000,
            "total": (time.perf_counter() - begin) * 1000,
        }
        if woken_at is not None and (report.cancels or report.places):
            timings["event_to_order"] = (acted - woken_at) * 1000
        edges.telemetry.cycle(decision, report, self.memory, timings)
        return decision

    async def cancel_all(self, within_ms: int) -> Stopped | None:
        """Pause, and cycle until a read of the order table shows none of our orders live, or time
        is up: what the last look said. None where there was none."""
        self.policy = replace(self.policy, mode=OperatorMode.PAUSE)
        clock = self._edges.clock
        deadline_ms = clock.monotonic_ms() + within_ms
        last = None
        while clock.monotonic_ms() < deadline_ms and not (last is not None and last.proven):
            if last is not None:
                await clock.sleep_ms(50)
            last = stopped(await self.cycle(), self.memory)
        return last

    async def _loop(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            started_ms = self._edges.clock.monotonic_ms()
            self._wake.clear()
            decision = await self.cycle()
            self.looked.set()
            await self._pause(started_ms, decision)

    async def _pause(self, started_ms: float, decision: Decision) -> None:
        clock = self._edges.clock
        now_ms = clock.now_ms()
        delay_ms = started_ms + self._poll_interval_ms - clock.monotonic_ms()
        retry_ms = next_due_ms(self.memory, decision.now_ms)
        if retry_ms is not None:
            delay_ms = min(delay_ms, retry_ms - now_ms)
        if decision.urgent:
            delay_ms = 0
        delay_ms = max(SHORTEST_PAUSE_MS, delay_ms)
        with set_after(self._wake, clock, delay_ms) as timer:
            await self._wake.wait()
            if not timer.done():
                rest_ms = self._events_paid_ms - BURST_MS - clock.monotonic_ms()
                if rest_ms > 0:
                    await asyncio.wait({timer}, timeout=rest_ms / 1000)
                since_ms = max(self._events_paid_ms, clock.monotonic_ms())
                self._events_paid_ms = since_ms + WAKE_FLOOR_MS

    def _follow_clock(self) -> None:
        step_ms = self._edges.clock.settle()
        if step_ms:
            self.memory = shifted(self.memory, step_ms)
            self._edges.telemetry.event("clock.stepped", step_ms=step_ms)

    async def _watch_kill_switch(self) -> None:
        """Ends only by an error: where there is no file to watch it just waits."""
        await self._edges.kill_switch.watch(self._kill_changed)
        await asyncio.Event().wait()

    def _kill_changed(self, active: bool) -> None:
        self._edges.telemetry.event("kill_switch", active=active)
        self.wake()
        silent = self.policy.dry_run or self.policy.mode is OperatorMode.DRY_RUN_HEALTH
        if active and not silent:
            self._killing = asyncio.ensure_future(self._actor.cancel_now())
