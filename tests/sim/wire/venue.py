"""The real adapter of one process over the simulated wire, the checker told of what it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Watch
from mm_bot.core.instrument import Instrument
from mm_bot.core.snapshot import Observation
from mm_bot.venues.numo.exchange import NumoVenue, Transports
from tests.sim.chain import BLOCK_MS
from tests.sim.checker import Checker
from tests.sim.claims import Claim
from tests.sim.process import HostClock
from tests.sim.wire import places
from tests.sim.wire.mishaps import Mishaps
from tests.sim.wire.network import Network, Services


class Wired:
    """One process's `Venue`: everything is the adapter's, and is told to the checker."""

    def __init__(
        self, services: Services, mishaps: Mishaps, checker: Checker, clock: HostClock, number: int
    ) -> None:
        self.generation = number
        self._services = services
        self._checker = checker
        self._network = Network(services, mishaps, clock, number)
        self.adapter = NumoVenue(
            places.config(services.model.market),
            clock,
            Transports(
                connect=self._network.connect,
                opens=self._network.opens,
                listens=self._network.listens,
                sockets=self._network.sockets,
                random=lambda: 0.0,  # a seed tells everything
            ),
        )
        self._clock = clock
        self._hearing: asyncio.Task[None] | None = None

    async def open(self) -> int:
        """Raises BotError, as the adapter does."""
        highest = await self.adapter.open(self._waits)
        assert self.adapter.instrument == self._services.model.market, "listed as it is traded"
        return highest

    def _waits(self, holder: str) -> None:
        self._checker.note(f"process {self.generation} waits for the lock: {holder}")

    def hear(self, wake: Callable[[], None], met: set[str]) -> None:
        """Begin to hear events, as the application does; `met` learns from what."""

        def source(name: str, why: str) -> None:
            self._checker.note(f"hears events from {name}: {why}")
            met.add(name)

        hearing = self.adapter.events(wake, source)
        self._hearing = asyncio.create_task(hearing, context=self._clock.context)

    @property
    def deaf(self) -> BaseException | None:
        """What ended the hearing of events, which goes on whatever it hears."""
        task = self._hearing
        over = task is not None and task.done() and not task.cancelled()
        return task.exception() if task is not None and over else None

    def die(self) -> None:
        """The process is gone, and its machine closes what it held."""
        if self._hearing is not None:
            self._hearing.cancel()
        self._network.break_all()

    @property
    def instrument(self) -> Instrument:
        return self.adapter.instrument

    async def observe(self, watch: Watch) -> Observation:
        self._checker.observing(self.generation)
        seen = await self.adapter.observe(watch)
        read, model = seen.orders.value, self._services.model
        if read is not None:
            self._checker.looked(
                read, watch.fills_after, self._services.database.shown[self.generation]
            )
            if read.reserved_elsewhere != model.reserved_elsewhere:
                self._checker.fail(Claim.TOLD, f"reserved elsewhere: {read.reserved_elsewhere}")
        held = seen.balances
        if held.value is not None and held.as_of_ms != held.value.block_number * BLOCK_MS:
            text = f"balances of block {held.value.block_number} are said to be of {held.as_of_ms}"
            self._checker.fail(Claim.FRESH, text)
        self._checker.observed(seen, self.generation)
        return seen

    def prepare(self, order: NewOrder) -> PreparedOrder:
        self._checker.signed(order, self.generation)
        return self.adapter.prepare(order)

    async def holds_lock(self) -> bool:
        return await self.adapter.holds_lock()

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        def leaves() -> bool:
            if not may_send():
                return False
            self._services.api.sent[prepared.order.order_id] = prepared.order
            self._checker.posted(prepared, self.generation)
            return True

        outcome = await self.adapter.place(prepared, leaves)
        self._checker.answered(prepared.order, outcome, self.generation)
        return outcome

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        self._checker.cancelling(order_id, nonce, reason, self.generation)
        outcome = await self.adapter.cancel(order_id, nonce, reason)
        self._checker.cancelled(order_id, outcome, self.generation)
        return outcome
