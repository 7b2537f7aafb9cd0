"""An event loop whose time is the engine's: where nothing can run, the market runs.

Everything that asyncio times is in the market's time, so a run is a pure function of its tape and
settings. After the end of the data only the loop's own time goes on, so that what is under way can
end by its time-outs.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from mm_bot.backtest.engine import Engine, Step
from mm_bot.backtest.tape import NS_A_MS, NS_A_SECOND

FOREVER_NS = 1 << 62
Progress = Callable[[float], bool]
"""Told how much of the tape is behind, 0 to 1; False ends the run there. It is asked between two
steps, never by a timer: nothing of a run depends on who watches."""


class Hearer(Protocol):
    """Who is told what happens while the market runs."""

    @property
    def waiting(self) -> bool:
        """Whether an answer of the exchange is awaited."""

    def absorb(self) -> None:
        """An order was answered or filled."""

    def ended(self) -> None:
        """The data is at its end, or the run was told to stop."""


class _MarketRuns(selectors.BaseSelector):
    """Never waits: turns the time the loop would wait into the market's."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._hearer: Hearer | None = None
        self._progress: Progress = lambda part: True
        self._begins_ns = self._tell_ns = engine.now_ns
        self._ends_ns = self._begins_ns + 1
        self.beyond_s = 0.0
        self.stop = False
        self._over = False
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def hear(self, hearer: Hearer, progress: Progress, ends_ns: int) -> None:
        """From here on the market may run."""
        self._hearer, self._progress, self._ends_ns = hearer, progress, ends_ns

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, 0, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self._advance(timeout)
        return []

    def _advance(self, timeout_s: float | None) -> None:
        engine, hearer = self.engine, self._hearer
        assert hearer is not None, "the loop waits before there is a market"
        if self._over:
            if timeout_s is None:
                raise RuntimeError("nothing is scheduled and nothing can run: a deadlock")
            self.beyond_s += timeout_s
            return
        left_ns = FOREVER_NS if timeout_s is None else math.ceil(timeout_s * NS_A_SECOND)
        if engine.now_ns >= self._tell_ns:
            self._tell()
        until_ns = engine.now_ns + left_ns
        while left_ns > 0:
            watch = hearer.waiting
            step = Step.END if self.stop else engine.step(left_ns, watch=watch)
            if step is Step.END:
                self._over = True
                hearer.ended()
                return
            if step is Step.ANSWER:
                hearer.absorb()
                return
            if step is Step.TIME:
                return
            left_ns = until_ns - engine.now_ns

    def _tell(self) -> None:
        """A hundred times over the tape."""
        whole_ns = max(1, self._ends_ns - self._begins_ns)
        done = min(1.0, (self.engine.now_ns - self._begins_ns) / whole_ns)
        self.stop = not self._progress(done)
        self._tell_ns += max(1, whole_ns // 100)


class EngineLoop(asyncio.SelectorEventLoop):
    """Starts at second 0, where the tape begins."""

    def __init__(self, engine: Engine) -> None:
        self.market = _MarketRuns(engine)
        self._begins_ns = engine.now_ns
        super().__init__(self.market)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        market = self.market
        return (market.engine.now_ns - self._begins_ns) / NS_A_SECOND + market.beyond_s


class EngineClock:
    """The bot's clock in the market's time; nobody ever steps it."""

    def __init__(self, loop: EngineLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        market = self._loop.market
        return market.engine.now_ns // NS_A_MS + round(market.beyond_s * 1_000)

    def monotonic_ms(self) -> float:
        return self._loop.time() * 1_000

    def settle(self) -> int:
        return 0

    async def sleep_ms(self, duration_ms: float) -> None:
        await asyncio.sleep(max(0.0, duration_ms) / 1_000)
