"""The loop: observe, decide, act, remember. `Bot.cycle` is the whole of it.

Level-triggered: each cycle sees everything anew and sends only the difference, so a cycle that
fails half-way is repaired by the next one. Events (the kill switch, a change of an order) only
wake it early; they never carry the truth.

A kill switch does not wait for a cycle: its own task cancels what memory knows at once, and every
post looks at the file first.

A post looks at the one-writer lock too. The cycle's read showed that we hold it; where that is
longer ago than `ASK_AFTER_MS` (the process was paused, or its machine was) it is asked for again,
and no byte leaves us later than `FENCE_MS` after an answer. What remains possible: a pause between
the last look, which is the statement before the write, and the write; and bytes that were written
before the pause and arrive after it. Both are bounded by the order's expiry, both are orders of
our own convention, and the writer that took over finds and manages them with its next read. Cancels
are not held back: they can only take away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from mm_bot.clock import LoopClock
from mm_bot.core.clock_step import shifted
from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Replaced, Verdict
from mm_bot.core.decide import Decision, decide
from mm_bot.core.exact import Price
from mm_bot.core.ledger import OpenOrder
from mm_bot.core.liability import audit
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderId
from mm_bot.core.plan import Cancel, CancelCategory, Place, Plan
from mm_bot.core.policy import OperatorMode, Policy
from mm_bot.core.quoting import Strategy
from mm_bot.core.remember import (
    CancelResult,
    PlaceResult,
    Report,
    remember,
    with_cancels,
    with_signed,
)
from mm_bot.core.risk import HaltReason
from mm_bot.core.snapshot import Snapshot
from mm_bot.core.stopped import Stopped, stopped
from mm_bot.core.watching import fills_after, next_due_ms, watch
from mm_bot.errors import EdgeError
from mm_bot.ports import Anchor, KillSwitch, Nonces, Store, Telemetry
from mm_bot.venues.base import Replacing, Venue

KILL_TRIES = 8
KILL_RETRY_MS = 20
"""A cancel that meets the matcher's blink is tried again; the blink lasts a few milliseconds."""
SHORTEST_PAUSE_MS = 2
WAKE_FLOOR_MS = 40
"""A storm of events costs one cycle in so long: 25 a second."""
WAKE_BURST = 4
"""How many cycles events may start at once after quiet, before the floor between them counts."""
BURST_MS = (WAKE_BURST - 1) * WAKE_FLOOR_MS
STOP_WITHIN_S = 3.0
"""Of the five seconds that a stop may take, what a cycle under way may have."""
FENCE_MS = 1_000
"""How long after a proof of the lock an order may leave us (behaviour.md section 7)."""
ASK_AFTER_MS = 500
"""How old a proof may be before another is asked for: the post after it has the rest."""


Swapped = tuple[CancelResult, PlaceResult | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """The outside of the bot."""

    venue: Venue
    anchor: Anchor | None
    external: Anchor | None
    kill_switch: KillSwitch
    nonces: Nonces
    store: Store
    telemetry: Telemetry
    clock: LoopClock
    hear_local: Callable[[Price | None, int], None] = lambda price, now_ms: None
    """Told each cycle's local price and time: a witness where an outside source jumps."""


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
        self._wake = asyncio.Event()
        self._woken_at: float | None = None
        """When the event came that the next cycle answers."""
        self._events_paid_ms = 0.0
        """Monotonic time until which the cycles that events woke have used up the floor's pace."""
        self._killed: list[CancelResult] = []
        """What the kill switch's task cancelled since the last cycle remembered."""
        self._killing: asyncio.Future[None] | None = None
        self._sent: dict[str, int] = {}
        """Orders posted in the cycle under way, by id, with their nonces: memory lacks them yet."""
        self._turn = 0
        self._signed: dict[str, NewOrder] = {}
        """Orders signed in the cycle under way, or in one that was abandoned."""
        self._proven_ms = -float(FENCE_MS)
        """Monotonic time before the last read that showed us to be the one writer."""
        self._asking = asyncio.Lock()

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
        memory = self.memory = with_signed(self.memory, self._signed.values())
        memory = with_cancels(memory, self._killed)
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
            self._proven_ms = asked_ms
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
        report = await self._act(decision.plan)
        acted = time.perf_counter()
        remembered = remember(memory, decision, report, dry_run=self.policy.dry_run)
        self.memory = with_signed(remembered, self._signed.values())
        self._sent.clear()
        self._signed.clear()
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
            await self._pause(started_ms, decision)

    async def _pause(self, started_ms: float, decision: Decision) -> None:
        clock = self._edges.clock
        now_ms = clock.now_ms()
        delay_ms = started_ms + self._poll_interval_ms - clock.monotonic_ms()
        retry_ms = next_due_ms(self.memory, now_ms)
        if retry_ms is not None:
            delay_ms = min(delay_ms, retry_ms - now_ms)
        if decision.urgent:
            delay_ms = 0
        delay_ms = max(SHORTEST_PAUSE_MS, delay_ms)
        timer = asyncio.ensure_future(self._edges.clock.sleep_ms(delay_ms))
        woken = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({timer, woken}, return_when=asyncio.FIRST_COMPLETED)
            if not timer.done():
                rest_ms = self._events_paid_ms - BURST_MS - clock.monotonic_ms()
                if rest_ms > 0:
                    await asyncio.wait({timer}, timeout=rest_ms / 1000)
                since_ms = max(self._events_paid_ms, clock.monotonic_ms())
                self._events_paid_ms = since_ms + WAKE_FLOOR_MS
        finally:
            timer.cancel()
            woken.cancel()

    async def _act(self, plan: Plan) -> Report:
        """Everything at once, but a place after the acknowledgements it waits for. Nonces are
        saved before they are used (`Nonces`), so a crash anywhere here leaves none used twice."""
        if self.policy.dry_run:
            return Report()
        swaps = {
            place.replaces: asyncio.ensure_future(self._swap(place, cancel))
            for place in plan.places
            for cancel in plan.cancels
            if place.atomic and cancel.order_id == place.replaces
        }
        cancels = {
            c.order_id: asyncio.ensure_future(
                _first_of(swaps[c.order_id]) if c.order_id in swaps else self._cancel(c)
            )
            for c in plan.cancels
        }
        places = [
            asyncio.ensure_future(
                _second_of(swaps[p.replaces]) if p.replaces in swaps else self._place(p, cancels)
            )
            for p in plan.places
        ]
        resends = [asyncio.ensure_future(self._resend(c)) for c in plan.resends]
        placed = await asyncio.gather(*places, *resends)
        cancelled = await asyncio.gather(*cancels.values())
        aside, self._killed = self._killed, []
        return Report(
            cancels=(*cancelled, *aside),
            places=tuple(result for result in placed if result is not None),
        )

    async def _cancel(self, cancel: Cancel) -> CancelResult:
        sent_ms = self._edges.clock.now_ms()
        outcome = await self._edges.venue.cancel(cancel.order_id, cancel.nonce, cancel.reason)
        done_ms = self._edges.clock.now_ms()
        return CancelResult(cancel=cancel, outcome=outcome, sent_ms=sent_ms, done_ms=done_ms)

    async def _place(
        self, place: Place, cancels: Mapping[str, Awaitable[CancelResult]]
    ) -> PlaceResult | None:
        """None where nothing was sent: something it waits for is not known to be gone, or was
        filled meanwhile, so that the size of this one would be too large."""
        for order_id in place.after:
            if not (await cancels[order_id]).as_decided:
                return None
        signed = await self._sign(place)
        sent = None if signed is None else await self._post(signed)
        if signed is None or sent is None:
            return None
        outcome, sent_ms = sent
        return _placed(place, signed, outcome, sent_ms)

    async def _swap(self, place: Place, cancel: Cancel) -> Swapped:
        """A cancel and its successor in one command. Where neither is done, the cancel goes by
        itself: a price that is wrong does not stay for want of a successor."""
        venue, order_id = self._edges.venue, cancel.order_id
        assert isinstance(venue, Replacing), "its capabilities say atomic_replace"
        done = Replaced.neither(Verdict.REFUSED, "not sent")

        async def send(signed: PreparedOrder) -> Outcome:
            nonlocal done
            done = await venue.replace(signed, order_id, cancel.left, self._may_send)
            return done.place

        signed = await self._sign(place)
        sent = None if signed is None else await self._post(signed, send)
        if signed is None or sent is None or done.cancel.verdict is Verdict.REFUSED:
            return await self._cancel(cancel), None
        outcome, sent_ms = sent
        done_ms = self._edges.clock.now_ms()
        cancelled = CancelResult(
            cancel=cancel, outcome=done.cancel, sent_ms=sent_ms, done_ms=done_ms
        )
        return cancelled, _placed(place, signed, outcome, sent_ms)

    async def _sign(self, place: Place) -> PreparedOrder | None:
        """Signed, and noted before it can leave us; None where it cannot be."""
        level, edges = place.level, self._edges
        try:
            nonce = await edges.nonces.take(level.side)
        except EdgeError as error:
            edges.telemetry.event("order.no_nonce", side=level.side, error=str(error))
            return None
        order = self._ordered(place, nonce)
        try:
            await edges.store.signing(order)
        except EdgeError as error:
            edges.telemetry.event("order.unsaved", side=level.side, error=str(error))
            return None
        self._signed[order.order_id] = order
        return edges.venue.prepare(order)

    def _ordered(self, place: Place, nonce: int) -> NewOrder:
        edges, level = self._edges, place.level
        market = edges.venue.instrument
        life_ms = place.reduce_ms or self.policy.reconcile.order_life_ms
        if life_ms < market.capabilities.least_order_life_ms:  # a reduction's; it is cancelled then
            life_ms = self.policy.reconcile.order_life_ms
        expiry_ms = edges.clock.now_ms() + life_ms
        if market.expiry_ms is not None:
            expiry_ms = min(expiry_ms, market.expiry_ms)
        return NewOrder(
            order_id=str(OrderId(market.symbol, level.side, nonce)),
            side=level.side,
            price=level.price,
            size=level.size,
            notional=level.notional,
            nonce=nonce,
            expiry_s=expiry_ms // 1000,
            may_take=place.reduce_ms is not None,
            reduce_only=place.reduce_ms is not None and market.capabilities.reduce_only,
        )

    async def _resend(self, open_order: OpenOrder) -> PlaceResult | None:
        """The same bytes again: owner and nonce are unique, so at most one of them rests."""
        assert open_order.signed is not None
        sent = await self._post(open_order.signed)
        if sent is None:
            return None
        outcome, sent_ms = sent
        return PlaceResult(
            signed=open_order.signed, level=None, replaces=None, outcome=outcome, sent_ms=sent_ms
        )

    async def _post(
        self,
        signed: PreparedOrder,
        send: Callable[[PreparedOrder], Awaitable[Outcome]] | None = None,
    ) -> tuple[Outcome, int] | None:
        """How it ended that was sent by `send`, by itself where there is none, and when it was;
        None where it may not be sent."""
        edges = self._edges
        if not await self._still_writer() or edges.kill_switch.active():
            return None
        sent_ms = edges.clock.now_ms()
        self._sent[signed.order.order_id] = signed.order.nonce
        sending = edges.venue.place(signed, self._may_send) if send is None else send(signed)
        outcome = await sending
        if outcome.verdict is Verdict.REFUSED or outcome.conflict:
            self._sent.pop(signed.order.order_id, None)
        elif edges.kill_switch.active():
            order = signed.order
            await self._cancel_aside(order.order_id, order.nonce)
        return outcome, sent_ms

    async def _still_writer(self) -> bool:
        """Whether we are the one writer, asked for anew where the last proof is not young."""
        edges = self._edges
        async with self._asking:
            asked_ms = edges.clock.monotonic_ms()
            if asked_ms - self._proven_ms <= ASK_AFTER_MS:
                return True
            if await edges.venue.holds_lock():
                self._proven_ms = asked_ms
                return True
        edges.telemetry.event("order.lock_not_held")
        self.wake()
        return False

    def _may_send(self) -> bool:
        """The last look before an order's bytes leave: a connection to send them on may have been
        long in coming."""
        fenced = self._edges.clock.monotonic_ms() - self._proven_ms <= FENCE_MS
        return fenced and not self._edges.kill_switch.active()

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
            self._killing = asyncio.ensure_future(self._cancel_now())

    async def _cancel_now(self) -> None:
        live = self._maybe_live().items()
        await asyncio.gather(*(self._cancel_aside(*each) for each in live))
        self.wake()

    async def _cancel_aside(self, order_id: str, nonce: int) -> None:
        """Noted as soon as it is known: the next cycle may begin before the others are done."""
        result = await self._cancel_surely(order_id, nonce)
        self._killed.append(result)

    async def _cancel_surely(self, order_id: str, nonce: int) -> CancelResult:
        """Cancel for the kill switch, past a blink; the cycles after it verify. It ends early
        where the order turns out not to exist: its nonce may be another order's, and a cancel goes
        by nonce."""
        cancel = Cancel(
            order_id=order_id,
            nonce=nonce,
            category=CancelCategory.KILL_SWITCH,
            reason=f"risk_halt:{HaltReason.KILL_SWITCH.value}",
        )
        result = await self._cancel(cancel)
        for _ in range(KILL_TRIES - 1):
            if result.outcome.verdict is Verdict.ACCEPTED:
                break
            await self._edges.clock.sleep_ms(KILL_RETRY_MS)
            if order_id not in self._maybe_live():
                break
            result = await self._cancel(cancel)
        return result

    def _maybe_live(self) -> dict[str, int]:
        """Nonces by id of what memory and the cycle under way know."""
        known = (c for c in self.memory.open_orders if not (c.cancel_acked or c.nonce_in_doubt))
        return {c.order_id: c.nonce for c in known} | self._sent


def _placed(place: Place, signed: PreparedOrder, outcome: Outcome, sent_ms: int) -> PlaceResult:
    return PlaceResult(
        signed=signed, level=place.level, replaces=place.replaces, outcome=outcome, sent_ms=sent_ms
    )


async def _first_of(swap: Awaitable[Swapped]) -> CancelResult:
    return (await swap)[0]


async def _second_of(swap: Awaitable[Swapped]) -> PlaceResult | None:
    return (await swap)[1]
