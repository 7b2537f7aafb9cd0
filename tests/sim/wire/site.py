"""The simulated exchange as processes meet it: they open it, are told of events, and die."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from random import Random

from mm_bot.errors import BotError
from tests.sim.checker import Checker
from tests.sim.claims import Claim
from tests.sim.model import Model
from tests.sim.process import HostClock
from tests.sim.script import Script
from tests.sim.virtual_time import HOST
from tests.sim.weather import Weather
from tests.sim.wire.api import Api
from tests.sim.wire.database import Database
from tests.sim.wire.feed import Feed
from tests.sim.wire.mishaps import Mishaps
from tests.sim.wire.network import Services
from tests.sim.wire.node import Node
from tests.sim.wire.venue import Wired

START_WITHIN_MS = 120_000


class Site:
    def __init__(
        self,
        model: Model,
        weather: Weather,
        script: Script,
        checker: Checker,
        random: Random,
        told: Random,
    ) -> None:
        """`told` decides how events are told, `random` everything else."""

        def wrong(text: str) -> None:
            checker.fail(Claim.AS_DECIDED, text)

        self._checker = checker
        self._mishaps = Mishaps(weather, script, random)
        self.feed = Feed(model, weather, told)
        self._services = Services(
            model=model,
            api=Api(model, weather, wrong),
            node=Node(model),
            database=Database(model),
            feed=self.feed,
        )

    async def opened(self, clock: HostClock) -> tuple[Wired, int]:
        """The venue of the next process, open, and the highest nonce it was told of. A start that
        fails is tried again, as who runs the process would. Raises TimeoutError where none ever
        succeeds."""
        clock.context = copy_context()
        clock.context.run(HOST.set, clock)
        tries_until_ms = clock.monotonic_ms() + START_WITHIN_MS
        while True:
            number = self._checker.generation + 1
            venue = Wired(self._services, self._mishaps, self._checker, clock, number)
            opening = asyncio.create_task(venue.open(), context=clock.context)
            try:
                within_s = (tries_until_ms - clock.monotonic_ms()) / 1000
                return venue, await asyncio.wait_for(opening, within_s)
            except BotError as error:
                self._checker.note(f"a start fails: {error}")
                venue.die()
                await asyncio.sleep(1)

    def drop_lock(self) -> None:
        """The server ends the session of the one writer."""
        self._services.database.drop_lock()
