"""What the exchange tells of its changes: rows of `market_events`, notifications and WebSocket
updates, late, twice or never, with gaps in their numbers and rows that commit after later ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from random import Random

from mm_bot.venues.numo.units import ref
from tests.sim.model import Model, Row
from tests.sim.weather import Weather
from tests.sim.wire.places import OTHER_SPOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    seq: int
    market_key: str
    channel: str
    order_id: str
    be_pid: int
    """The server's process that wrote it: of the matcher, or of whoever posted."""

    @property
    def extra(self) -> bytes:
        """What the notification says."""
        return str(self.seq).encode()


Ear = Callable[[Event], None]


class Feed:
    """One for all processes. `random` is its own: what it draws moves nothing else."""

    def __init__(self, model: Model, weather: Weather, random: Random) -> None:
        self.weather = weather
        self.random = random
        self.has_table = random.random() < 0.6
        """Else the exchange is older: nothing can be listened to."""
        self.committed: list[Event] = []
        self.ears: list[Ear] = []
        """Told of every event, once, twice or never."""
        self._model = model
        self._seq = 0

    def changed(self, what: str, row: Row) -> None:
        """The model changed."""
        here, there = ref(self._model.market), ref(OTHER_SPOT)
        elsewhere = self.random.random() < 0.1
        where = there if elsewhere else here
        self._seq += self.random.choice((1, 1, 1, 2, 5))  # an aborted transaction used the others
        event = Event(
            seq=self._seq,
            market_key=f"{where.asset}:{where.sub_id}",
            channel="trades" if what == "filled" else "book",
            order_id=row.order_id,
            be_pid=self.random.choice((1, 2)),
        )
        late = self.random.random() < self.weather.late_rows
        self._later(self.random.uniform(0, 2) if late else 0.0, lambda: self._commit(event))

    def after(self, seq: int) -> list[Event]:
        """What a question sees now."""
        return [event for event in self.committed if event.seq > seq]

    def trouble(self) -> bool:
        """Whether something is wrong with one message, or one answer."""
        return self.random.random() < self.weather.read_fails / 4

    def soon_s(self) -> float:
        return self.weather.delay_ms(self.random) / 1000

    def _commit(self, event: Event) -> None:
        self.committed.append(event)
        for ear in tuple(self.ears):
            for _ in range(self.random.choice((0, 1, 1, 2))):
                self._later(self.random.uniform(0, 0.5), partial(ear, event))

    def _later(self, delay_s: float, do: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_later(delay_s, do, context=Context())
