"""What adapters are alike in whose exchange has no lock to offer, and whose bot reads no chain.

Such an adapter says what it has to `learn` and to `prove`, and which rows of its orders there are;
how it is opened and looked at, how it stays the one writer, and what it tells of balances that
could not be read follows from that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

from mm_bot.clock import Clock
from mm_bot.core.instrument import Instrument
from mm_bot.core.orders import RestingOrder
from mm_bot.core.snapshot import Balances, Book, ClockReading, Observation, OwnOrders, Part, Trade
from mm_bot.errors import BotError, EdgeError
from mm_bot.venues import answers
from mm_bot.venues.base import EthCall, Found, no_chain
from mm_bot.venues.checks import Checks
from mm_bot.venues.file_lock import FileLock


class FileLockedConfig(Protocol):
    """What is asked of the adapter's configuration."""

    @property
    def market_symbol(self) -> str: ...

    @property
    def lock_file(self) -> Path: ...

    @property
    def dry_run(self) -> bool: ...

    @property
    def wait_for_lock(self) -> bool: ...


C = TypeVar("C", bound=FileLockedConfig)


class FileLockedVenue(ABC, Generic[C]):
    """The part of `LiveVenue` that needs nothing of the exchange but the three questions below."""

    instrument: Instrument
    """There once it is learned."""

    def __init__(self, config: C, clock: Clock, *, name: str, whose: str) -> None:
        """`name` is the exchange's, `whose` the account in the words of a refused start."""
        self._config: Final = config
        self._clock: Final = clock
        self._name: Final = name
        self._whose: Final = whose
        self._lock: Final = FileLock(config.lock_file, config.market_symbol)
        self._balances: Part[Balances] = Part(value=None, as_of_ms=None)
        self._balances_read_ms: int | None = None
        self._wake: Callable[[], None] = lambda: None

    @abstractmethod
    async def _learn(self, checks: Checks) -> bool:
        """Sets `instrument`, with whatever the reads need beside it; False after a failure, and
        then `instrument` is as it was."""

    @abstractmethod
    async def _prove(self, checks: Checks) -> None:
        """Learns, and proves who and where we are."""

    @abstractmethod
    async def _rows(self, order_ids: Sequence[str]) -> Iterable[RestingOrder]:
        """Every live order of ours, and those asked for whatever their status.

        Raises:
            EdgeError: where they cannot be read.
        """

    @property
    def eth_call(self) -> EthCall:
        return no_chain(self._name)

    async def open(self, on_waiting: Callable[[str], None] = lambda holder: None) -> int:
        """See `LiveVenue.open`. No such exchange tells the nonces of an earlier life: they are the
        time, or texts that none of ours can meet again."""
        await self._prove(Checks(strict=True))
        if not self._config.dry_run:
            wait = self._config.wait_for_lock
            await self._lock.hold(self._whose, wait=wait, on_waiting=on_waiting)
        return 0

    async def connect(self) -> None:
        await self._learn(Checks(strict=True))

    async def check(self, checks: Checks) -> Instrument | None:
        await self._prove(checks)
        return getattr(self, "instrument", None)

    async def claim(self) -> str | None:
        return self._lock.claim()

    async def holds_lock(self) -> bool:
        return self._is_writer

    async def find(self, order_ids: Sequence[str]) -> Found:
        try:
            if not hasattr(self, "instrument"):
                await self.connect()
            rows = await self._rows(order_ids)
        except BotError as error:
            return Found(orders=(), fault=str(error))
        return answers.found(rows, order_ids, self._config.market_symbol)

    @property
    def _is_writer(self) -> bool:
        """A dry run writes nothing, so that nobody is in its way."""
        return self._config.dry_run or self._lock.held

    def _keep_balances(self, seen: Balances, began_ms: int, error: str | None = None) -> None:
        """What a read that began then told; with an `error`, of what it could not."""
        self._balances = Part(value=seen, as_of_ms=began_ms, error=error)
        self._balances_read_ms = began_ms

    def _balances_unread(self, error: EdgeError) -> None:
        """They keep what they were, with its time."""
        self._balances = replace(self._balances, error=error.reason)

    def _observed(
        self,
        *,
        book: Part[Book],
        trades: Part[tuple[Trade, ...]],
        orders: Part[OwnOrders],
        clocks: tuple[ClockReading, ...] = (),
    ) -> Observation:
        """These reads, with the balances as they are known and the lock as it is held."""
        return Observation(
            book=book,
            trades=trades,
            orders=orders,
            balances=self._balances,
            balances_read_ms=self._balances_read_ms,
            lock_held=self._is_writer,
            clocks=clocks,
        )
