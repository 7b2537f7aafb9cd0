"""Every edge of the loop as one small fake under virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mm_bot.bot import Bot
from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Verdict, Watch
from mm_bot.core.decide import Decision
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderStatus, RestingOrder
from mm_bot.core.policy import Policy
from mm_bot.core.remember import Report
from mm_bot.core.snapshot import AnchorQuote, Observation
from mm_bot.edges import Edges
from mm_bot.errors import EdgeError
from mm_bot.strategies import founding
from tests.core.builders import POLICY, SPOT, anchor, balances, observation, own_orders, row
from tests.sim.virtual_time import EPOCH_MS, VirtualClock, stand_still

ACCEPTED = Outcome(verdict=Verdict.ACCEPTED)
UNKNOWN = Outcome(verdict=Verdict.UNKNOWN)
MISSING = Outcome(verdict=Verdict.UNKNOWN, detail="404", held=True)
REFUSED = Outcome(verdict=Verdict.REFUSED)
FAR_BID = row(Side.BUY, "1500", nonce=1, created_ms=EPOCH_MS - 1_000)


@dataclass
class Fake:
    """Every edge at once; what it was asked to do is in `log`, in virtual milliseconds."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    rows: list[RestingOrder] = field(default_factory=list)
    log: list[tuple[int, str]] = field(default_factory=list)
    cancel_outcome: Outcome = ACCEPTED
    blinks: int = 0
    """How many cancels meet the matcher's blink first."""
    place_outcome: Outcome = ACCEPTED
    """Whatever it is, but for a conflict, the order rests."""
    observe_ms: int = 1
    place_ms: int = 1
    slow_side: Side | None = None
    kill: bool = False
    watched: bool = True
    nonce: int = 1_000
    disk_full: bool = False
    unsaved: str | None = None
    lock_held: bool = True
    paused_s: float = 0
    """For how long the process stands still when it takes its next nonce."""
    connect_ms: int = 0
    arrives_late: bool = False
    """An order rests only once it is answered."""
    anchor_price: str = "1600"
    market: Instrument = SPOT
    posted: list[NewOrder] = field(default_factory=list)
    cycles: int = 0

    @property
    def instrument(self) -> Instrument:
        return self.market

    def note(self, what: str) -> None:
        self.log.append((round(asyncio.get_running_loop().time() * 1000), what))

    def said(self, what: str) -> list[int]:
        return [at for at, text in self.log if text.startswith(what)]

    async def observe(self, watch: Watch) -> Observation:
        at_ms = self.clock.now_ms()
        await self.clock.sleep_ms(self.observe_ms)
        asked = [r for r in self.rows if r.live or r.order_id in watch.order_ids]
        block_ms = EPOCH_MS + round(self.clock.monotonic_ms())  # nobody sets the chain's clock
        holdings = balances(block_ms=block_ms)
        return observation(own_orders(*asked), at_ms=at_ms, holdings=holdings)

    def prepare(self, order: NewOrder) -> PreparedOrder:
        self.note(f"sign {order.side.value}")
        return PreparedOrder(order=order, body=b"")

    async def holds_lock(self) -> bool:
        self.note("lock asked")
        await self.clock.sleep_ms(1)
        return self.lock_held

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        order = prepared.order
        await self.clock.sleep_ms(self.connect_ms)
        if not may_send():
            return REFUSED
        self.note(f"place {order.side.value}")
        self.posted.append(order)
        now_ms = self.clock.now_ms()
        made = row(order.side, str(order.price), nonce=order.nonce, created_ms=now_ms)
        rests = [] if self.place_outcome.conflict else [made]
        if not self.arrives_late:
            self.rows += rests
        await self.clock.sleep_ms(5_000 if order.side is self.slow_side else self.place_ms)
        if self.arrives_late:
            self.rows += rests
        return self.place_outcome

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        self.note(f"cancel {order_id}")
        await self.clock.sleep_ms(1)
        if order_id not in {r.order_id for r in self.rows}:
            return MISSING
        if self.blinks:
            self.blinks -= 1
            return MISSING
        if self.cancel_outcome is ACCEPTED:
            self.rows = [
                replace(r, status=OrderStatus.CANCELLED) if r.order_id == order_id else r
                for r in self.rows
            ]
        return self.cancel_outcome

    def latest(self) -> AnchorQuote:
        return anchor(self.anchor_price, as_of_ms=self.clock.now_ms())

    def active(self) -> bool:
        return self.kill

    async def watch(self, on_change: Callable[[bool], None]) -> None:
        known = False
        while self.watched:
            if self.kill is not known:
                known = self.kill
                on_change(known)
            await self.clock.sleep_ms(50)

    async def take(self, side: Side) -> int:
        if self.disk_full:
            raise EdgeError("state file", "disk full")
        stand_still(self.paused_s)
        self.paused_s = 0
        self.nonce += 1
        return self.nonce

    @property
    def problem(self) -> str | None:
        return self.unsaved

    async def save(self, memory: Memory) -> None:
        self.note("save")

    async def signing(self, order: NewOrder) -> None:
        pass

    def cycle(
        self, decision: Decision, report: Report, memory: Memory, timings_ms: dict[str, float]
    ) -> None:
        self.cycles += 1

    def event(self, name: str, /, **fields: object) -> None:
        self.note(f"event {name}")

    def live(self) -> list[RestingOrder]:
        return [r for r in self.rows if r.live]

    def bot(self, policy: Policy = POLICY, memory: Memory | None = None) -> Bot:
        edges = Edges(
            venue=self,
            anchor=self,
            external=None,
            kill_switch=self,
            nonces=self,
            store=self,
            telemetry=self,
            clock=self.clock,
        )
        known = memory or Memory(started_ms=self.clock.now_ms())
        return Bot(edges, policy, known, founding(policy), poll_interval_ms=1_000)


async def run_for(bot: Bot, duration_s: float) -> None:
    """Let it run so long, then stop it."""
    stop = asyncio.Event()
    running = asyncio.create_task(bot.run(stop))
    await asyncio.sleep(duration_s)
    stop.set()
    await running
