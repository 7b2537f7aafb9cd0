"""What a cycle reads of the exchange: book, trades, own orders and balances, all at once.

Nothing here fails: a part that could not be read says why, and keeps its last good value with the
age of that value; own orders are only ever of this cycle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final, Generic, TypeVar

from mm_bot.clock import STEP_MS, Clock
from mm_bot.core.commands import Watch
from mm_bot.core.instrument import Instrument
from mm_bot.core.snapshot import (
    Balances,
    Book,
    ClockReading,
    Observation,
    OwnOrders,
    Part,
    Trade,
)
from mm_bot.errors import EdgeError
from mm_bot.venues.numo.account import FilledCounts, market_balances
from mm_bot.venues.numo.order_table import START_TIMEOUT_S, OrderTable, TableRead
from mm_bot.venues.numo.reach import Parts

BLOCK_AHEAD_MS: Final = 60_000  # several quick blocks

T = TypeVar("T")
OrdersRead = tuple[Part[OwnOrders], bool]
"""Our orders, and whether we were the one writer then."""


async def in_time(read: Awaitable[T], limit_s: float) -> T:
    """What it gives, or an EdgeError where that takes longer."""
    try:
        async with asyncio.timeout(limit_s):
            return await read
    except TimeoutError:
        raise EdgeError("exchange", f"no answer within {limit_s:g} s") from None


class Reads:
    """The reads of one market of one subaccount."""

    def __init__(
        self, parts: Parts, clock: Clock, instrument: Instrument, table: OrderTable, cash: str
    ) -> None:
        self._parts = parts
        self._clock = clock
        self._instrument = instrument
        self._table = table
        self._cash = cash
        self._book: _Last[Book] = _Last(clock)
        self._trades: _Last[tuple[Trade, ...]] = _Last(clock)
        self._balances: _Last[Balances] = _Last(clock)
        self._block_ahead_ms = 0

    async def observe(self, watch: Watch) -> Observation:
        """Everything at once, within the time of one request: one timer watches over all reads.
        The API is asked first, because it answers last."""
        begin = asyncio.ensure_future
        book = begin(self._book.refreshed(self._read_book))
        trades = begin(self._trades.refreshed(self._read_trades))
        orders = begin(self._read_orders(watch))
        balances = begin(self._read_balances(watch, orders))
        limit_s = self._parts.config.request_timeout_ms / 1000
        if watch.fills_after is None:
            limit_s *= 2  # one after the other
        if watch.include_unexpired:
            limit_s += START_TIMEOUT_S
        await _ended((book, trades, orders, balances), limit_s)
        late = EdgeError("exchange", f"no answer within {limit_s:g} s")
        rows, lock_held = self._no_orders(late) if orders.cancelled() else orders.result()
        return Observation(
            book=self._book.kept(late) if book.cancelled() else book.result(),
            trades=self._trades.kept(late) if trades.cancelled() else trades.result(),
            orders=rows,
            balances=self._balances.kept(late) if balances.cancelled() else balances.result(),
            balances_read_ms=self._balances.read_ms,
            lock_held=lock_held,
            clocks=self._clocks(),
        )

    def _clocks(self) -> tuple[ClockReading, ...]:
        """A block that is old tells of no clock; one that is ahead does."""
        node, api = ClockReading(name="node", ahead_ms=self._block_ahead_ms), self._parts.data.clock
        return (node,) if api is None else (api, node)

    async def _read_book(self) -> Book:
        return await self._parts.data.book(self._instrument, self._parts.config.owner)

    async def _read_trades(self) -> tuple[Trade, ...]:
        return await self._parts.data.trades(self._instrument)

    async def _read_balances(
        self, watch: Watch, orders: asyncio.Task[OrdersRead]
    ) -> Part[Balances]:
        """Where no fills are followed yet, after the orders: fills before the first read of those
        are known from the balances alone."""
        if watch.fills_after is None:
            await asyncio.wait((orders,))
        began_ms = self._clock.now_ms()
        config, last = self._parts.config, self._balances.value
        counted = FilledCounts(
            trade=config.trade,
            owner=config.owner,
            nonces=tuple(nonce for _, nonce in watch.settling),
        )
        read = self._parts.chain.balances(config.sub_accounts, config.subaccount_id, counted)
        try:
            account = await read
        except EdgeError as error:
            return self._balances.kept(error)
        ahead_ms = account.block_time_s * 1000 - self._clock.now_ms()
        self._block_ahead_ms = max(0, ahead_ms)
        if ahead_ms > BLOCK_AHEAD_MS:  # the future is no freshness
            fault = f"the latest block is {ahead_ms // 1000} s ahead of this clock; is each right?"
            return self._balances.kept(EdgeError("node", fault))
        if last is not None and account.block_number < last.block_number:
            older = f"block {account.block_number} is older than {last.block_number}, used before"
            return self._balances.kept(EdgeError("node", older))
        ids = [order_id for order_id, _ in watch.settling]
        balances = market_balances(account, self._instrument, self._cash, ids)
        return self._balances.replaced(balances, began_ms, as_of_ms=balances.block_time_ms)

    async def _read_orders(self, watch: Watch) -> OrdersRead:
        began_ms = self._clock.now_ms()
        try:
            since_s = await self._chain_time_s() if watch.include_unexpired else None
            read: TableRead = await self._table.read(watch, since_s)
        except EdgeError as error:
            return self._no_orders(error)
        return Part(value=read.orders, as_of_ms=began_ms), read.lock_held

    def _no_orders(self, error: EdgeError) -> OrdersRead:
        return Part(value=None, as_of_ms=None, error=error.reason), self._parts.config.dry_run

    async def _chain_time_s(self) -> int:
        """What expired before it is dead; an hour ago where the node does not tell."""
        try:
            limit_s = self._parts.config.request_timeout_ms / 1000
            return await in_time(self._parts.chain.block_time_s(), limit_s)
        except EdgeError:
            return self._clock.now_ms() // 1000 - 3_600


async def _ended(reads: Collection[asyncio.Task[Any]], limit_s: float) -> None:
    """Returns once all are; those that are late are cancelled."""
    try:
        await asyncio.wait(reads, timeout=limit_s)
    finally:
        late = [read for read in reads if not read.done()]
        for read in late:
            read.cancel()
        if late:
            await asyncio.wait(late)


class _Last(Generic[T]):
    """The last good value of one source. When it was read is kept as an age, so that a step of the
    clock neither hides nor invents one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._value: T | None = None
        self._as_of_ms: int | None = None
        """By the source's own word; None where the read is all there is."""
        self._read_at_ms: float | None = None
        """Monotonic."""
        self._began_ms: int | None = None

    @property
    def value(self) -> T | None:
        return self._value

    @property
    def read_ms(self) -> int | None:
        """When the read that gave the value began, by the clock of now: moved only where that was
        stepped, for the two clocks also round differently."""
        if self._read_at_ms is None or self._began_ms is None:
            return None
        age_ms = self._clock.monotonic_ms() - self._read_at_ms
        stepped_ms = self._clock.now_ms() - round(age_ms) - self._began_ms
        return self._began_ms + (stepped_ms if abs(stepped_ms) > STEP_MS else 0)

    async def refreshed(self, read: Callable[[], Awaitable[T]]) -> Part[T]:
        began_ms = self._clock.now_ms()
        try:
            return self.replaced(await read(), began_ms)
        except EdgeError as error:
            return self.kept(error)

    def replaced(self, value: T, began_ms: int, as_of_ms: int | None = None) -> Part[T]:
        age_ms = self._clock.now_ms() - began_ms
        self._read_at_ms = self._clock.monotonic_ms() - age_ms
        self._value, self._as_of_ms, self._began_ms = value, as_of_ms, began_ms
        return Part(value=value, as_of_ms=began_ms if as_of_ms is None else as_of_ms)

    def kept(self, error: EdgeError) -> Part[T]:
        as_of_ms = self.read_ms if self._as_of_ms is None else self._as_of_ms
        return Part(value=self._value, as_of_ms=as_of_ms, error=error.reason)
