"""A made-up price: a seeded walk with drift, volatility and jumps, on a session clock of its own.

For the demo, the simulator and a first evening with the bot; it says nothing about the world.

1. The price depends on the seed and on the whole seconds of the session alone: the same seed shows
   the same session again. It begins with the first read.
2. A session that is over begins anew at the start price, with moves of its own; 0 never ends.
3. It stays within a tenth and ten times of its start; whoever misses more than an hour of it goes
   on from where it was left.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Annotated

from mm_bot.clock import Clock
from mm_bot.core.exact import BPS, Price, add, clamp, multiply, round_half_even
from mm_bot.fields.kinds import BPS as BPS_KIND
from mm_bot.fields.kinds import Range, decimal, whole
from mm_bot.fields.model import variable
from mm_bot.prices.source import Reading
from mm_bot.prices.spec import PRICE, SourceContext, SourceSettings

_DRAWS, _FINE = 12, 1_000_000
_DECIMALS, _INNER = 2, 10
"""Of the price that is told, and of the walk itself."""
_HOUR_S = 3_600
_LONGEST_S = _HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticSpec:
    """`synthetic`"""

    seed: int
    start: Price
    drift_bps_per_hour: Decimal
    volatility_bps: Decimal
    """Per square root of a second."""
    jump_every_s: int
    """On average; 0 is never."""
    jump_bps: Decimal
    session_s: int
    """Then it begins anew; 0 is never."""

    def build(self, context: SourceContext) -> SyntheticSource:
        return SyntheticSource(self, context.clock)


class SyntheticSettings(SourceSettings):
    word = "synthetic"
    of_this_market = True
    made_up = True

    start: Annotated[Price | None, PRICE] = variable(
        "SYNTHETIC_START_PRICE", "For `synthetic`: where its walk begins."
    )
    seed: Annotated[int, whole(least=0)] = variable(
        "SYNTHETIC_SEED", "For `synthetic`: the same seed walks the same way.", default="1"
    )
    drift: Annotated[Decimal, decimal("basis points an hour", Range())] = variable(
        "SYNTHETIC_DRIFT_BPS_PER_HOUR", "For `synthetic`: its trend.", default="0"
    )
    volatility: Annotated[Decimal, BPS_KIND] = variable(
        "SYNTHETIC_VOLATILITY_BPS",
        "For `synthetic`: its volatility per square root of a second.",
        default="1",
    )
    jump_every: Annotated[int, whole("seconds", least=0)] = variable(
        "SYNTHETIC_JUMP_EVERY_SECONDS",
        "For `synthetic`: how often it jumps, on average; 0 is never.",
        default="0",
    )
    jump: Annotated[Decimal, BPS_KIND] = variable(
        "SYNTHETIC_JUMP_BPS", "For `synthetic`: how far it jumps, up or down.", default="100"
    )
    session: Annotated[int, whole("seconds", least=0)] = variable(
        "SYNTHETIC_SESSION_SECONDS",
        "For `synthetic`: when it begins anew at its start; 0 is never.",
        default="0",
    )

    def spec(self, market: str, feed: str) -> SyntheticSpec:
        assert self.start is not None, "else a fault"
        return SyntheticSpec(
            seed=self.seed,
            start=self.start,
            drift_bps_per_hour=self.drift,
            volatility_bps=self.volatility,
            jump_every_s=self.jump_every,
            jump_bps=self.jump,
            session_s=self.session,
        )


SOURCE = SyntheticSettings


class SyntheticSource:
    """One walk."""

    name = "synthetic"
    min_interval_ms = 0

    def __init__(self, spec: SyntheticSpec, clock: Clock) -> None:
        self._spec = spec
        self._clock = clock
        self._began_ms: float | None = None
        self._session = -1
        self._second = 0
        self._random = Random()
        self._price = spec.start.value

    async def read(self) -> Reading:
        now_ms = self._clock.monotonic_ms()
        if self._began_ms is None:
            self._began_ms = now_ms
        session, second = 0, int((now_ms - self._began_ms) // 1000)
        if self._spec.session_s:
            session, second = divmod(second, self._spec.session_s)
        if session != self._session:
            self._begin(session)
        self._second = max(self._second, second - _LONGEST_S)
        while self._second < second:
            self._second += 1
            self._step()
        shown = round_half_even(self._price, Decimal(1), _DECIMALS)
        return Reading(price=Price(shown), as_of_ms=None)

    async def aclose(self) -> None:
        pass

    def _begin(self, session: int) -> None:
        self._session, self._second = session, 0
        self._price = self._spec.start.value
        self._random = Random(f"{self._spec.seed}:{session}")

    def _step(self) -> None:
        """One second on. All draws are made whatever is switched on, so that a jump more or less
        leaves the rest of the walk as it is."""
        spec, random = self._spec, self._random
        # the sum of twelve even draws: a bell of variance 1, exact on every platform
        bell = Decimal(sum(random.randrange(_FINE) for _ in range(_DRAWS)) - _DRAWS * _FINE // 2)
        chance, up = random.randrange(_FINE), random.randrange(2)
        moved = multiply(spec.volatility_bps, bell.scaleb(-6))
        moved = add(moved, round_half_even(spec.drift_bps_per_hour, Decimal(_HOUR_S), 12))
        if spec.jump_every_s and chance * spec.jump_every_s < _FINE:
            moved = add(moved, spec.jump_bps if up else -spec.jump_bps)
        price = round_half_even(multiply(self._price, add(BPS, moved)), BPS, _INNER)
        start = spec.start.value
        self._price = clamp(price, start / 10, start * 10)
