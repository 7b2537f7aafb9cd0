"""One claim being tried on one exchange: bots to start, waits, and what holds after any claim."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Final, TypeVar

from integration_harness import checks
from integration_harness.anchor_server import AnchorServer
from integration_harness.bot_process import BotProcess
from integration_harness.conformance.driver import Driver, Resting
from integration_harness.stack.quantities import Side
from integration_harness.stack.supervisor import Supervisor
from integration_harness.starvation import Starvation
from integration_harness.waiting import Limits, require, wait_until

T = TypeVar("T")

SIDES: Final = checks.SIDES
_PACE: Final = {
    "MM_POLL_INTERVAL_MS": "200",
    "MM_QUOTE_REFRESH_INTERVAL_MS": "100",
    "MM_MAX_CANCELS_PER_MINUTE": "0",
    "MM_QUOTE_LEVELS": "1",
    "MM_LOG_LEVEL": "INFO",
}
_TAKES: Final = 5
_FILLED_SECONDS: Final = 5.0
_REPOSITORY: Final = Path(__file__).parents[2]


class NotApplicableError(Exception):
    """The exchange lacks what the claim is about; the text names the capability."""


class Case:
    """What a claim is given. `close` ends its bots."""

    def __init__(
        self, driver: Driver, supervisor: Supervisor, name: str, seed: int, limits: Limits
    ) -> None:
        self.driver: Final = driver
        self.random: Final = random.Random(f"{name}:{seed}")
        self.limits: Final = limits
        self.folder: Final = supervisor.folder / name
        self.folder.mkdir()
        self.switch: Final = self.folder / "kill"
        self.anchor: Final = AnchorServer(driver.price)
        self.figures: dict[str, str] = {}
        self.bots: list[BotProcess] = []
        self._supervisor = supervisor
        self._name = name
        self.anchor.start()

    def close(self) -> None:
        for bot in self.bots:
            bot.close()
        self.anchor.close()

    def needs(self, capability: str) -> None:
        """NotApplicableError where the exchange says that it lacks it."""
        why = self.driver.lacks.get(capability)
        if why is not None:
            raise NotApplicableError(f"{capability}: {why}")

    # The bot

    def bot(self, **settings: str) -> BotProcess:
        """Start a bot; a further one continues with the state of the one before."""
        environment = {
            **_PACE,
            "MM_ANCHOR_SOURCE_TYPE": "http",
            "MM_ANCHOR_URL": self.anchor.url,
            "MM_KILL_SWITCH_FILE": str(self.switch),
            **self.driver.environment(),
            **settings,
        }
        name = f"{self._name}-{len(self.bots)}"
        bot = BotProcess(self._supervisor, name, environment, self.folder / "state.json")
        self.bots.append(bot)
        return bot.start()

    def with_clock_off(self, seconds: int) -> dict[str, str]:
        """Variables of a bot whose machine's clock is that far ahead, and whose price source has
        no clock to disagree with."""
        folder = self.folder / "clock"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(_CLOCK.format(seconds=seconds))
        return {
            "PYTHONPATH": f"{folder}:{_REPOSITORY}",
            "MM_ANCHOR_SOURCE_TYPE": "fixed",
            "MM_ANCHOR_FIXED_PRICE": str(self.driver.price),
            "MM_ANCHOR_URL": "",
        }

    def move_price(self, bps: int) -> None:
        """Let the bot's price source say a price so far from the present one."""
        moved = self.anchor.price * (10_000 + bps) / 10_000
        self.anchor.price = moved.quantize(Decimal("0.01"), ROUND_HALF_EVEN)

    # Waiting

    def until(
        self,
        what: str,
        look: Callable[[], T],
        holds: Callable[[T], object],
        bot: BotProcess | None = None,
    ) -> T:
        """The first look of which that holds, while the bot runs where one is given. What a loaded
        machine kept the bot or us waiting does not count."""
        alive = None if bot is None else bot.why_over
        machine = Starvation(None if bot is None else bot.pid)
        return wait_until(
            what,
            look,
            lambda seen: bool(holds(seen)),
            self.limits,
            alive=alive,
            starved=machine,
        )

    def mine(self) -> dict[str, Resting]:
        """The live orders of the bot's own names, by name."""
        return {
            each.name: each
            for each in self.driver.live()
            if each.name.startswith(f"mm:{self.driver.symbol}:")
        }

    def quoted(self, bot: BotProcess, *, without: set[str] | None = None) -> dict[str, Resting]:
        """Wait until one order a side rests and the bot is ready; those orders, by name."""
        gone = without or set()

        def look() -> tuple[bool, dict[str, Resting], tuple[str, ...]]:
            found = self.mine()
            ready, reasons = bot.ready()
            sides = sorted(each.side for each in found.values())
            return ready and sides == ["buy", "sell"] and not gone & set(found), found, reasons

        return self.until("one order a side, and ready", look, lambda seen: seen[0], bot)[1]

    def requoted(self, bot: BotProcess, bps: int = 80) -> dict[str, Resting]:
        """Move the price, and wait until both orders were replaced."""
        before = set(self.quoted(bot))
        self.move_price(bps)
        return self.quoted(bot, without=before)

    def none_live(self, bot: BotProcess) -> None:
        """Wait until none of the bot's own names is live."""
        self.until("none of the bot's orders live", self.mine, lambda found: not found, bot)

    def empties(self, bot: BotProcess) -> float:
        """Throw the kill switch, and wait until the book is empty and stays so for two cycles: an
        order that was under way may come after the others went. Seconds until the last one was
        gone, without what a loaded machine kept the bot or us waiting."""
        starved, thrown_at = Starvation(bot.pid), time.monotonic()
        self.switch.touch()
        goal, live, took = self.cycles_of(bot) + 2, True, 0.0

        def look() -> bool:
            nonlocal live, took
            found = bool(self.mine())
            if live and not found:
                took = time.monotonic() - thrown_at
                took -= min(starved.seconds, took)
            live = found
            return not found and self.cycles_of(bot) >= goal

        self.until("an empty book under the switch", look, bool, bot)
        return took

    def cycles(self, bot: BotProcess, count: int) -> None:
        """Wait for so many further cycles."""
        goal = self.cycles_of(bot) + count
        self.until(f"{count} cycles", lambda: self.cycles_of(bot), lambda done: done >= goal, bot)

    def cycles_of(self, bot: BotProcess) -> float:
        """How many it has had."""
        return bot.metrics()["mm_bot_cycle_duration_seconds_count"]

    def nothing_unknown(self, bot: BotProcess) -> None:
        """Wait until no order's outcome is unknown."""
        self.until("no order unknown", bot.status, lambda status: not status["unknown"], bot)

    def take(self, side: Side, part: Decimal, bot: BotProcess) -> None:
        """Take so much of what rests there, and wait until the exchange has booked it."""
        before = len(self.driver.fills())
        for _ in range(_TAKES):  # one that was just being replaced is missed
            self.until(f"a {side} order", self.mine, lambda found: _has(found, side), bot)
            self.driver.take(side, part)
            give_up_at = time.monotonic() + _FILLED_SECONDS
            while time.monotonic() < give_up_at:
                if len(self.driver.fills()) > before:
                    return
                time.sleep(self.limits.poll_seconds)
        require(False, f"a stranger's order meets the {side} order", self.mine())

    def counted(self, bot: BotProcess) -> tuple[tuple[Side, Fraction], ...]:
        """Wait until the bot's books are exactly the exchange's fills; those fills."""

        def look() -> str | None:
            return checks.totals_fault(bot.state().get("books", {}), self.driver.fills())

        self.until("every fill in the books exactly once", look, lambda fault: fault is None, bot)
        return self.driver.fills()

    def stays(self, what: str, look: Callable[[], object], bot: BotProcess, cycles: int) -> None:
        """That what is seen is the same before and after so many cycles."""
        before = look()
        self.cycles(bot, cycles)
        after = look()
        require(after == before, what, (before, after))

    # After any claim

    def finish(self) -> None:
        """Never two orders of ours in a slot, no nonce with two signatures, and where a bot still
        runs, books that are the exchange's fills."""
        if self.bots and self.bots[-1].running:
            self.counted(self.bots[-1])
        most = self.driver.most_live()
        require(all(count <= 1 for count in most.values()), "never two orders in a slot", most)
        signatures: dict[str, set[str]] = defaultdict(set)
        for each in self.driver.sent():
            signatures[each.nonce].add(each.signature)
        twice = {nonce: len(found) for nonce, found in signatures.items() if len(found) > 1}
        require(not twice, "a nonce has one signature, over every process", twice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One line of the list."""

    number: int
    run: Callable[[Case], None]

    @property
    def name(self) -> str:
        return self.run.__name__

    @property
    def text(self) -> str:
        return " ".join((self.run.__doc__ or "").split())


def _has(found: dict[str, Resting], side: Side) -> bool:
    return any(each.side == side for each in found.values())


_CLOCK: Final = """import time

_SECONDS, _time, _time_ns = {seconds}, time.time, time.time_ns
time.time = lambda: _time() + _SECONDS
time.time_ns = lambda: _time_ns() + _SECONDS * 10**9
"""
