"""`make bench-quoting`: what a cycle of the bot costs, against the same work done plainly.

Both quote the spot market of one local exchange, turn by turn, each from its own account. In every
turn the price has moved, so that both quotes are replaced. The bot is `Bot.cycle` with its real
edges (exchange, nonces, state file); only its anchor is made up, and it runs with no log. The
baseline is `plain.PlainMaker`. A turn in which the matcher held an order just then, so that the
replacement had to wait for the next cycle, counts for neither.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from integration_harness.benchmarks import quantile
from integration_harness.stack.up import LocalExchange
from mm_bot.bot import Bot, Edges
from mm_bot.clock import SteadyClock
from mm_bot.core.commands import Verdict
from mm_bot.core.decide import Decision
from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Memory
from mm_bot.core.remember import Report
from mm_bot.core.snapshot import AnchorQuote
from mm_bot.host.kill_switch import KillSwitch
from mm_bot.host.nonces import NonceBlocks
from mm_bot.host.persistence import MemoryStore, first_memory
from mm_bot.host.persistent import StateIdentity
from mm_bot.host.process import run_process
from mm_bot.host.state_file import StateFile
from mm_bot.strategies import founding
from mm_bot.venues.numo.exchange import NumoVenue
from tests.benchmarks.plain import SIZE, PlainMaker
from tests.core.settings import POLICY
from tests.venues.desk import new_order, venue_config

PRICES = (Decimal(1600), Decimal(1603))
"""The anchor's, in turn: far enough apart that every quote is replaced."""
PLAIN_AWAY = Decimal(20)
"""Behind the bot's quotes, so that the two never trade."""
PARTS = {
    "sign": "sign one order",
    "observe": "read book, trades, orders, chain",
    "decide": "decide",
    "act": "cancel and replace both quotes",
    "remember": "remember, save",
    "total": "the whole cycle",
}
WARM_UP = 20
PAUSE_S = 0.01


@dataclass
class MovingAnchor:
    """Says what it is told, and that it is true now."""

    clock: SteadyClock
    price: Decimal = PRICES[0]

    def latest(self) -> AnchorQuote:
        return AnchorQuote(price=Price(self.price), as_of_ms=self.clock.now_ms(), source="bench")


@dataclass
class Stopwatch:
    """The loop's telemetry: the milliseconds of every turn that replaced both quotes, by part."""

    took_ms: dict[str, list[float]] = field(default_factory=dict)
    turns: int = 0

    def cycle(
        self, decision: Decision, report: Report, memory: Memory, timings_ms: dict[str, float]
    ) -> None:
        placed = sum(place.outcome.verdict is Verdict.ACCEPTED for place in report.places)
        if (len(report.cancels), placed) == (2, 2):
            self.turns += 1
            for part, ms in timings_ms.items():
                self.note(part, ms)

    def event(self, name: str, /, **fields: object) -> None:
        pass

    def note(self, part: str, ms: float) -> None:
        self.took_ms.setdefault(part, []).append(ms)

    def measure(self, part: str, work: Callable[[], object]) -> None:
        begin = time.perf_counter()
        work()
        self.note(part, (time.perf_counter() - begin) * 1000)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.quoting")
    parser.add_argument("--turns", type=int, default=200)
    turns = parser.parse_args().turns
    bot, plain = Stopwatch(), Stopwatch()
    with LocalExchange() as exchange, TemporaryDirectory() as folder:
        rc = run_process(
            lambda _: _compare(exchange, Path(folder), turns, bot, plain),
            log_level="ERROR",
            secrets=(),
        )
    if rc or bot.turns <= WARM_UP:
        print(f"only {bot.turns} turns replaced both quotes: nothing to report", file=sys.stderr)
        return rc or 1
    _report(bot, plain)
    return 0


async def _compare(
    exchange: LocalExchange, folder: Path, turns: int, bot_took: Stopwatch, plain_took: Stopwatch
) -> None:
    config, clock = venue_config(exchange, exchange.spot.symbol), SteadyClock()
    venue = NumoVenue(config, clock)
    await venue.open()
    identity = StateIdentity(
        chain_id=config.chain_id,
        owner=config.owner,
        market=config.market_symbol,
        subaccount_id=config.subaccount_id,
    )
    state_file = StateFile(folder / "state.json", identity)
    state = state_file.load(clock.now_ms()).state
    nonces = NonceBlocks(state_file, lane=0)
    await nonces.open(clock.now_ms(), 0)
    anchor = MovingAnchor(clock)
    edges = Edges(
        venue=venue,
        anchor=anchor,
        external=None,
        kill_switch=KillSwitch(None),
        nonces=nonces,
        store=MemoryStore(state_file),
        telemetry=bot_took,
        clock=clock,
    )
    policy = replace(
        POLICY,
        quote=replace(POLICY.quote, max_long=Size.of(10**9), max_short=Size.of(-(10**9))),
        risk=replace(POLICY.risk, max_cancels_per_minute=None),
        reconcile=replace(POLICY.reconcile, refresh_interval_ms=0),
    )
    bot = Bot(
        edges,
        policy,
        first_memory(state, clock.now_ms()),
        founding(policy),
        poll_interval_ms=1_000,
    )
    with closing(PlainMaker(exchange)) as plain:
        for anchor.price in islice(cycle(PRICES), 2 * (WARM_UP + turns)):
            await bot.cycle()
            _plain_turn(plain, plain_took, anchor.price)
            _sign(venue, bot_took)
            await asyncio.sleep(PAUSE_S)
            if bot_took.turns == WARM_UP + turns:
                break
    await bot.cancel_all(within_ms=5_000)
    await nonces.close()
    await state_file.flush()
    await venue.aclose()


def _plain_turn(plain: PlainMaker, took: Stopwatch, price: Decimal) -> None:
    def whole() -> None:
        took.measure("observe", plain.read)
        took.measure("act", lambda: plain.requote(price - PLAIN_AWAY, price + PLAIN_AWAY))

    took.measure("total", whole)
    took.measure("sign", lambda: plain.sign("buy", price - PLAIN_AWAY))


def _sign(venue: NumoVenue, took: Stopwatch) -> None:
    order = new_order(venue.instrument, Side.BUY, "1596", str(SIZE))
    took.measure("sign", lambda: venue.prepare(order))


def _report(bot: Stopwatch, plain: Stopwatch) -> None:
    print(f"{bot.turns - WARM_UP} turns, each with both quotes replaced; milliseconds")
    print(f"{'':34}{'bot p50':>9}{'p99':>8}{'plain p50':>11}{'p99':>8}{'plain / bot':>13}")
    for part, text in PARTS.items():
        ours = sorted(bot.took_ms[part][WARM_UP:])
        line = f"{text:34}{quantile(ours, 0.5):>9.2f}{quantile(ours, 0.99):>8.2f}"
        if part in plain.took_ms:
            theirs = sorted(plain.took_ms[part][WARM_UP:])
            line += f"{quantile(theirs, 0.5):>11.2f}{quantile(theirs, 0.99):>8.2f}"
            line += f"{quantile(theirs, 0.5) / quantile(ours, 0.5):>13.1f}"
        print(line)


if __name__ == "__main__":
    sys.exit(main())
