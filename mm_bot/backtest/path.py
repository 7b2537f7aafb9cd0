"""The mid of a tape over time, without anything of ours: what fills and positions are marked by."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from mm_bot.backtest.engine import Engine, Exchange, Step
from mm_bot.backtest.progress import Told, nobody
from mm_bot.backtest.tape import Tape
from mm_bot.core.exact import Price, exact, multiply
from mm_bot.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class MidPath:
    """`times_ns` is when we saw each change."""

    times_ns: tuple[int, ...]
    prices: tuple[Price, ...]

    def before(self, at_ns: int) -> Price:
        """The last mid seen before that time; the first one where there was none."""
        return self.prices[max(0, bisect_left(self.times_ns, at_ns) - 1)]

    @property
    def first(self) -> Price:
        return self.prices[0]

    @property
    def last(self) -> Price:
        return self.prices[-1]


TELL_EVERY: Final = 50_000
"""Messages of the tape."""


def mid_path(tape: Tape, told: Told = nobody) -> MidPath:
    """One pass over the tape, nothing sent; it always sees the end.

    Raises:
        SettingsError: where the tape never has two sides.
        EngineFaultError: where the engine fails on it.
    """
    engine = Engine(tape, Exchange())
    times: list[int] = []
    twice: list[int] = []
    looks, whole_ns = 0, max(1, tape.ends_ns - tape.begins_ns)
    try:
        step = Step.FEED  # what was there at the first moment
        while step is not Step.END:
            looks += 1
            if looks % TELL_EVERY == 0:
                told((engine.now_ns - tape.begins_ns) / whole_ns)
            bid, ask = engine.best_ticks()
            if bid is not None and ask is not None and (not twice or twice[-1] != bid + ask):
                times.append(engine.now_ns)
                twice.append(bid + ask)
            step = engine.step(1 << 62, watch=True)
    finally:
        engine.close()
    if not twice:
        raise SettingsError([f"tape {tape.about}: no bid and ask at one time, so it has no price"])
    half_tick = multiply(exact(tape.market.tick), Decimal("0.5"))
    prices = tuple(Price(multiply(Decimal(each), half_tick)) for each in twice)
    return MidPath(times_ns=tuple(times), prices=prices)
