"""What goes wrong between the bot and the exchange of a backtest, and how often: a pure function of
its seed and of what is asked, so the same run has the same faults.

- A look fails: the old values are shown again, with the error and their old times.
- A place or cancel is lost on the way, or its answer is: the bot knows nothing of it. A place can
  be refused too.
- An outage: every look fails and every command is lost.
- The executor fails: cancels work, and nothing trades; takers of that time go away.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from random import Random
from typing import Any

from mm_bot.backtest.arrays import TRADE, np
from mm_bot.backtest.tape import NS_A_MS, NS_A_SECOND, Tape
from mm_bot.backtest.venue import EngineVenue
from mm_bot.core.commands import Outcome, PreparedOrder, Verdict, Watch
from mm_bot.core.snapshot import Observation, Part
from mm_bot.errors import SettingsError

UNHEARD = Outcome(verdict=Verdict.UNKNOWN, detail="no answer")
CONFLICT = Outcome(verdict=Verdict.UNKNOWN, conflict=True, detail="409")
REFUSED = Outcome(verdict=Verdict.REFUSED, detail="refused by the exchange")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Chances are of each look or command, 0 to 1; `..._per_hour` are means of a random time."""

    seed: int = 1
    looks_fail: float = 0.0
    places_refused: float = 0.0
    commands_lost: float = 0.0
    answers_lost: float = 0.0
    timeout_ms: int = 2_000
    """After which the bot gives up waiting for an answer."""
    outages_per_hour: float = 0.0
    outage_seconds: float = 30.0
    executor_failures_per_hour: float = 0.0
    executor_failure_seconds: float = 60.0

    def __post_init__(self) -> None:
        faults = []
        for name in ("looks_fail", "places_refused", "commands_lost", "answers_lost"):
            if not 0 <= getattr(self, name) <= 1:
                faults.append(f"[weather] {name} {getattr(self, name)}: a chance, 0 to 1")
        for each in fields(self):
            if getattr(self, each.name) < 0:
                faults.append(f"[weather] {each.name} {getattr(self, each.name)}: not below 0")
        if faults:
            raise SettingsError(faults)

    @property
    def calm(self) -> bool:
        """Whether nothing ever goes wrong."""
        return not any(value for name, value in asdict(self).items() if name in _CHANCES)

    @property
    def says(self) -> str:
        told = {name: value for name, value in asdict(self).items() if value and name in _CHANCES}
        return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in told.items())

    def without_failed_trades(self, tape: Tape) -> Tape:
        """The tape as it is where the executor fails: without the trades of those times."""
        begins, ends = self._times(
            tape, self.executor_failures_per_hour, self.executor_failure_seconds, "executor"
        )
        if not begins:
            return tape
        rows = tape.events
        windows = np.searchsorted(np.array(begins), rows["exch_ts"], side="right") - 1
        within = (windows >= 0) & (rows["exch_ts"] < np.array(ends)[windows])
        kinds = rows["ev"] & np.uint64(0xFF)
        return replace(tape, events=rows[~(within & (kinds == TRADE))])

    def outages(self, tape: Tape) -> Callable[[int], bool]:
        """Whether there is an outage, by the time in nanoseconds."""
        begins, ends = self._times(tape, self.outages_per_hour, self.outage_seconds, "outage")

        def out(at_ns: int) -> bool:
            i = bisect_right(begins, at_ns) - 1
            return i >= 0 and at_ns < ends[i]

        return out

    def _times(
        self, tape: Tape, per_hour: float, seconds: float, of: str
    ) -> tuple[list[int], list[int]]:
        """Begins and ends, apart from each other; those of a longer tape begin with the same."""
        random, at_ns = Random(f"{self.seed} {of}"), tape.begins_ns
        begins: list[int] = []
        ends: list[int] = []
        while per_hour:
            at_ns += round(random.expovariate(per_hour / 3_600) * NS_A_SECOND)
            if at_ns >= tape.ends_ns:
                break
            begins.append(at_ns)
            at_ns += round(seconds * NS_A_SECOND)
            ends.append(at_ns)
        return begins, ends


_CHANCES = frozenset(
    (
        "looks_fail", "places_refused", "commands_lost", "answers_lost", "outages_per_hour",
        "executor_failures_per_hour",
    )
)  # fmt: skip


class WeatheredVenue(EngineVenue):
    """The engine's venue with weather before it."""

    def __init__(
        self, *parts: Any, weather: Weather, outages: Callable[[int], bool], **named: Any
    ) -> None:
        super().__init__(*parts, **named)
        self._weather, self._out = weather, outages
        self._random = Random(f"{weather.seed} calls")
        self._known: Observation | None = None

    async def observe(self, watch: Watch) -> Observation:
        failed = self._happens(self._weather.looks_fail)
        if failed or self._outage():
            return self._old("the look failed" if failed else "an outage")
        self._known = await super().observe(watch)
        return self._known

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        if not may_send() or self.over:
            return await super().place(prepared, may_send)
        weather = self._weather
        if self._outage() or self._happens(weather.commands_lost):
            return await self._unheard()
        if prepared.order.order_id in self.rows:
            return CONFLICT
        if self._happens(weather.places_refused):
            return REFUSED
        outcome = await super().place(prepared, may_send)
        return await self._unheard() if self._happens(weather.answers_lost) else outcome

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        if self.over:
            return await super().cancel(order_id, nonce, reason)
        if self._outage() or self._happens(self._weather.commands_lost):
            return await self._unheard()
        outcome = await super().cancel(order_id, nonce, reason)
        return await self._unheard() if self._happens(self._weather.answers_lost) else outcome

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._random.random() < chance

    def _outage(self) -> bool:
        return self._out(self._clock.now_ms() * NS_A_MS)

    async def _unheard(self) -> Outcome:
        await asyncio.sleep(self._weather.timeout_ms / 1_000)
        return UNHEARD

    def _old(self, error: str) -> Observation:
        """The order table is not shown at all: it counts only where it was read now."""
        unread: Part[Any] = Part(value=None, as_of_ms=None, error=error)
        known = self._known
        if known is None:
            return Observation(
                book=unread,
                trades=unread,
                orders=unread,
                balances=unread,
                balances_read_ms=None,
                lock_held=True,
            )
        return replace(
            known,
            book=replace(known.book, error=error),
            trades=replace(known.trades, error=error),
            orders=unread,
            balances=replace(known.balances, error=error),
        )
