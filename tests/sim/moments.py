"""The moments that matter: what happens while a post or a cancel is under way, and in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from random import Random

from tests.sim.script import Script

Act = Callable[[], None]
MOMENTS = {
    "look": (0.05, 0.01),
    "cancel": (0.2, 0.002),
    "post": (0.05, 0.003),
    "slow post": (0.6, 0.6),
}
"""How often something happens at such a moment, and within how many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deeds:
    """What may happen; None where the scenario or the weather has no such thing."""

    take: Act
    strike: Callable[[str], None]
    """That order of ours is filled, or for "" any that is the best of its side."""
    leap: Act
    flip: Act
    crash: Act | None
    blink: Act | None
    freeze: Act | None


class Moments:
    def __init__(self, deeds: Deeds, script: Script, crude: Random, fine: Random) -> None:
        self.stormy = False
        self.deeds = deeds
        self._script = script
        self._crude = crude
        self._fine = fine

    def came(self, what: str, order_id: str) -> None:
        """A post or a cancel leaves, a post is slow, the order table was looked at."""
        if not self.stormy:
            return
        self._aimed(what, order_id)
        if what not in ("post", "cancel"):
            return
        if not self._script.strikes("ambush", self._crude, 0.1):
            return
        deeds = self.deeds
        acts: list[Act] = [deeds.take, deeds.take]
        if what == "post" and deeds.crash is not None:
            acts += [deeds.flip, deeds.crash]
        elif what == "cancel" and deeds.freeze is not None:
            acts += [deeds.freeze] * 3
        self._soon(self._crude.uniform(0, 0.02), self._crude.choice(acts))

    def late_match(self, lasts_ms: float) -> None:
        """A match will be seen that much later; mostly while no process is there."""
        if self.deeds.blink is None:
            return
        if self._script.strikes("late match", self._fine, 0.8):
            self._soon((lasts_ms - 20) / 1000, self.deeds.blink)

    def _aimed(self, what: str, order_id: str) -> None:
        """Between a look at our orders and what follows from it, one of them is filled, or one that
        is being cancelled is; the price leaves while a post is on its slow way, or we die."""
        chance, within_s = MOMENTS[what]
        if not self._script.strikes(what, self._fine, chance):
            return
        deeds, delay_s = self.deeds, self._fine.uniform(0, within_s)
        act: Act | None = partial(deeds.strike, order_id)
        if what == "slow post":
            act = deeds.blink if self._fine.random() < 0.5 else deeds.leap
            delay_s += 1  # its state file has it as unknown by then
        elif what == "post":
            act = deeds.blink if self._fine.random() < 0.5 or deeds.blink is None else deeds.flip
        if act is not None:
            self._soon(delay_s, act)

    def _soon(self, delay_s: float, act: Act) -> None:
        loop, nobody = asyncio.get_running_loop(), Context()  # not the process's own doing
        loop.call_later(delay_s, act, context=nobody)
