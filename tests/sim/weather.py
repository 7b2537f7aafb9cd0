"""What goes wrong between the bot and the exchange, and how often. All chances are per call."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

PARTS = ("book", "trades", "orders", "balances")


@dataclass(slots=True, kw_only=True)
class Weather:
    """`CALM` has latency and nothing else."""

    latency_ms: tuple[float, float] = (1.0, 20.0)
    slow: float = 0.0
    """A read or reply takes up to three seconds."""
    read_fails: float = 0.0
    freezes: float = 0.0
    """A source begins to answer with an old value, for some seconds."""
    place_lost: float = 0.0
    place_reply_lost: float = 0.0
    place_delayed: float = 0.0
    place_refused: float = 0.0
    cancel_lost: float = 0.0
    cancel_reply_lost: float = 0.0
    lock_lost: float = 0.0
    errors: float = 0.0
    """A 5xx at once, whether or not the request was served."""
    disk_refuses: float = 0.0
    lags_ms: tuple[int, ...] = (0,)
    """How far the nodes behind the one address are behind the chain."""
    settles_after_ms: tuple[int, int] | None = None
    """How long after its row a match is on the chain; None where it is there before."""
    pauses: float = 0.0
    """The process stands still, and loses its lock now and then."""
    steps: float = 0.0
    """The machine's clock is set wrong for some seconds."""
    reverts: float = 0.0
    """A match is booked and never settles."""
    dies: float = 0.0
    """The matcher dies in its window: what it held stays `matching`."""
    late_rows: float = 0.0
    """A match commits after others with higher ids."""

    def delay_ms(self, random: Random) -> float:
        if random.random() < self.slow:
            return random.uniform(200.0, 3_000.0)
        return random.uniform(*self.latency_ms)


def calm() -> Weather:
    return Weather()


def storm(random: Random) -> Weather:
    """Some faults often, some not at all: each seed has its own climate."""

    def chance(worst: float) -> float:
        return random.choice((0.0, 0.0, worst / 4, worst))

    return Weather(
        latency_ms=(1.0, random.choice((5.0, 50.0, 300.0))),
        slow=chance(0.05),
        read_fails=chance(0.3),
        freezes=chance(0.03),
        place_lost=chance(0.3),
        place_reply_lost=chance(0.4),
        place_delayed=chance(0.3),
        place_refused=chance(0.3),
        cancel_lost=chance(0.3),
        cancel_reply_lost=chance(0.3),
        lock_lost=chance(0.02),
        errors=chance(0.2),
        late_rows=chance(0.5),
        disk_refuses=chance(0.1),
        lags_ms=random.choice(((0,), (0,), (0, 5_000), (3_000,), (9_000, 0, 0))),
        settles_after_ms=random.choice((None, None, (0, 500), (0, 6_000))),
        reverts=random.choice((0.0,) * 9 + (0.3,)),
        pauses=random.choice((0.0, 0.0, 0.1)),
        steps=random.choice((0.0, 0.0, 0.05)),
        dies=random.choice((0.0,) * 5 + (0.02,)),
    )
