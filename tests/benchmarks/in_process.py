"""`Bot.cycle` in this process, over the real venue, nonces and state file, with a made-up anchor.

Its telemetry is a stopwatch, so no log and no metric is in the figures.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from integration_harness.stack.up import LocalExchange
from mm_bot.bot import Bot
from mm_bot.clock import SteadyClock
from mm_bot.core.commands import Outcome, PreparedOrder, Verdict
from mm_bot.core.decide import Decision
from mm_bot.core.exact import Price, Size
from mm_bot.core.memory import Memory
from mm_bot.core.policy import Policy
from mm_bot.core.remember import Report
from mm_bot.core.snapshot import AnchorQuote
from mm_bot.edges import Edges
from mm_bot.host.kill_switch import KillSwitch
from mm_bot.host.nonces import NonceBlocks
from mm_bot.host.persistence import MemoryStore, first_memory
from mm_bot.host.persistent import StateIdentity
from mm_bot.host.state_file import StateFile
from mm_bot.strategies import founding
from mm_bot.venues.numo.exchange import NumoVenue
from tests.core.settings import POLICY
from tests.venues.desk import venue_config

INSIDE, CPU = "inside", "cpu"
PARTS = {
    "observe": "  read book, trades, orders, chain",
    "decide": "  decide",
    "act": "  cancel and replace",
    "remember": "  remember, save",
    INSIDE: "  inside us, value to last post",
    CPU: "  CPU of our process, all of it",
}


@dataclass
class MovingAnchor:
    """Says what it is told, and that it is true now."""

    clock: SteadyClock
    price: Decimal = Decimal(1600)

    def latest(self) -> AnchorQuote:
        return AnchorQuote(price=Price(self.price), as_of_ms=self.clock.now_ms(), source="bench")


@dataclass
class Stopwatch:
    """The loop's telemetry: of each cycle that sent nothing its length, and of each that replaced
    every quote the length of its parts. Others, in which the matcher held an order just then,
    count for nothing."""

    quotes: int
    quiet_ms: list[float] = field(default_factory=list)
    requote_ms: dict[str, list[float]] = field(default_factory=dict)
    posted_s: float = 0.0
    """The loop's CPU when the bytes of the last post left."""
    _began_s: float = 0.0
    _all_began_s: float = 0.0

    def begin(self) -> None:
        """A value arrives and a cycle begins. What we work from here to the last post lies inside
        us; the rest of that time is the exchange's. All of it, threads and what follows included,
        is told beside."""
        self._began_s, self._all_began_s = time.thread_time(), time.process_time()

    def cycle(
        self, decision: Decision, report: Report, memory: Memory, timings_ms: dict[str, float]
    ) -> None:
        placed = sum(place.outcome.verdict is Verdict.ACCEPTED for place in report.places)
        if decision.plan.quiet:
            self.quiet_ms.append(timings_ms["total"])
        elif (len(report.cancels), placed) == (self.quotes, self.quotes):
            inside_s = self.posted_s - self._began_s
            cpu_s = time.process_time() - self._all_began_s
            more = {INSIDE: inside_s * 1000, CPU: cpu_s * 1000}
            for part, ms in (timings_ms | more).items():
                self.requote_ms.setdefault(part, []).append(ms)

    def event(self, name: str, /, **fields: object) -> None:
        pass


class TimedVenue(NumoVenue):
    """Tells the stopwatch when each post leaves."""

    took: Stopwatch

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        def leaving() -> bool:
            self.took.posted_s = time.thread_time()
            return may_send()

        return await super().place(prepared, leaving)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A running loop and what there is to turn and to read."""

    bot: Bot
    venue: NumoVenue
    anchor: MovingAnchor
    took: Stopwatch


def policy_of(levels: int, *, together: bool = False) -> Policy:
    """No limit is in the way of replacing everything in every turn."""
    unbounded = Size.of(10**9)
    quote = replace(
        POLICY.quote,
        levels=levels,
        level_step_bps=Decimal(10 if levels > 1 else 0),
        max_long=unbounded,
        max_short=-unbounded,
    )
    return replace(
        POLICY,
        quote=quote,
        risk=replace(
            POLICY.risk, max_long=unbounded, max_short=-unbounded, max_cancels_per_minute=None
        ),
        reconcile=replace(POLICY.reconcile, refresh_interval_ms=0, stale_threshold_bps=Decimal(2)),
    )


@asynccontextmanager
async def opened(
    exchange: LocalExchange, folder: Path, *, levels: int, together: bool = False
) -> AsyncIterator[Measured]:
    """The loop on the exchange's spot market; its quotes are gone afterwards."""
    config, clock = venue_config(exchange, exchange.spot.symbol), SteadyClock()
    venue = TimedVenue(config, clock)
    await venue.open()
    identity = StateIdentity(
        chain_id=config.chain_id,
        owner=config.owner,
        market=config.market_symbol,
        subaccount_id=config.subaccount_id,
    )
    state_file = StateFile(folder / "state.json", identity)
    nonces = NonceBlocks(state_file, lane=0)
    memory = first_memory(state_file.load(clock.now_ms()).state, clock.now_ms())
    await nonces.open(clock.now_ms(), 0)
    anchor = MovingAnchor(clock)
    took = venue.took = Stopwatch(quotes=2 * levels)
    edges = Edges(
        venue=venue,
        anchor=anchor,
        external=None,
        kill_switch=KillSwitch(None),
        nonces=nonces,
        store=MemoryStore(state_file, memory),
        telemetry=took,
        clock=clock,
    )
    policy = policy_of(levels, together=together)
    bot = Bot(edges, policy, memory, founding(policy), poll_interval_ms=1_000)
    yield Measured(bot=bot, venue=venue, anchor=anchor, took=took)
    await bot.cancel_all(within_ms=5_000)
    await nonces.close()
    await state_file.flush()
    await venue.aclose()
