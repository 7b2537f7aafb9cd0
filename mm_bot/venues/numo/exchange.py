"""The exchange as the loop sees it: `open`, `observe`, `prepare`, `place`, `cancel`, `aclose`.

`open` proves who and where we are (`checks.py`) and takes the lock before anything else is
possible. `observe` reads everything concurrently and never fails: a part that could not be read
says why, and keeps its last good value with the age of that value; own orders are only ever of
this cycle.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

from mm_bot.clock import STEP_MS, Clock, SystemClock
from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Watch
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
from mm_bot.errors import EdgeError, IdentityError, SettingsError
from mm_bot.io.http import Connect, open_client
from mm_bot.io.postgres import Session
from mm_bot.io.postgres_address import unusable_url
from mm_bot.io.postgres_link import Listens, Opens, open_link, open_listener
from mm_bot.venues.base import EthCall, Found
from mm_bot.venues.checks import Check, Checks
from mm_bot.venues.numo import wire
from mm_bot.venues.numo.chain import Chain, FilledCounts, Head, market_balances
from mm_bot.venues.numo.checks import find_listing, instrument_of, prove, reach_api
from mm_bot.venues.numo.config import NumoConfig
from mm_bot.venues.numo.find import find
from mm_bot.venues.numo.market_data import MarketData
from mm_bot.venues.numo.order_entry import OrderEntry
from mm_bot.venues.numo.order_rows import OwnAccount
from mm_bot.venues.numo.order_table import START_TIMEOUT_S, OrderTable, TableRead
from mm_bot.venues.numo.reach import Parts, reach
from mm_bot.venues.numo.survey import survey

BLOCK_AHEAD_MS: Final = 60_000  # several quick blocks
_BLOCK_WITHIN_S: Final = 0.5
"""What a look for orders waits for the node, of which it only wants the evidence."""
LOCK_POLL_S: Final = 1.0
_LOCK_GRACE_S: Final = 1.0
"""How long the session of a process that just died may still hold the lock."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transports:
    """How connections to the outside are made; over the machine's network where not given."""

    connect: Connect | None = None
    """To the API and to the node."""
    opens: Opens = open_link
    """To the database."""
    listens: Listens = open_listener
    """To the database, for its events."""
    sockets: Callable[..., AbstractAsyncContextManager[Any]] | None = None
    """To the API, for its events."""


class NumoVenue:
    """One market of one subaccount. Nothing but `open` and `aclose` works before `open` is done."""

    instrument: Instrument

    def __init__(
        self,
        config: NumoConfig,
        clock: Clock | None = None,
        transports: Transports = Transports(),  # frozen, so shared is not a danger
    ) -> None:
        """Raises SettingsError where the database's URL is none."""
        fault = unusable_url(config.database_url)
        if fault is not None:
            raise SettingsError([f"MM_DATABASE_URL: {fault}"])
        self._config = config
        self._transports = transports
        clock = clock or SystemClock()
        self._now_ms = clock.now_ms
        self._timeout_s = config.request_timeout_ms / 1000
        timeout_ms, connect = config.request_timeout_ms, transports.connect
        self._api = open_client(config.api_base_url, timeout_ms, connect=connect)
        self._node = open_client("", timeout_ms, connect=connect)
        self._data = MarketData(self._api, clock.now_ms)
        self._chain = Chain(self._node, config.rpc_url)
        self._session = Session(
            config.database_url,
            _application_name(config),
            config.request_timeout_ms,
            exclusive=not (config.dry_run or config.command),
            opens=transports.opens,
        )
        self._parts = Parts(
            config=config,
            api=self._api,
            data=self._data,
            chain=self._chain,
            session=self._session,
            now_ms=clock.now_ms,
        )
        self._book: _Last[Book] = _Last(clock)
        self._trades: _Last[tuple[Trade, ...]] = _Last(clock)
        self._entry = OrderEntry(config, self._api, clock.now_ms)
        self._balances: _Last[Balances] = _Last(clock)
        self._block_ahead_ms = 0

    @property
    def owner(self) -> str:
        """Lower-case address."""
        return self._config.owner

    @property
    def eth_call(self) -> EthCall:
        return self._chain.eth_call

    async def open(self, on_waiting: Callable[[str], None] = lambda holder: None) -> int:
        """Check everything, then become the one writer.

        `on_waiting` is told who holds the lock, each second that we wait for it.

        Raises:
            UnreachableError: a dependency does not answer within five seconds.
            IdentityError: chain, contracts, subaccounts, key or market are not as configured, or
                another process holds the lock and we were not told to wait.
            SettingsError: the price tick does not fit the market.
        """
        checks = Checks(strict=True)
        proven = await prove(self._parts, checks)
        self._settle_on(proven.listing, proven.listings or (), checks)
        assert proven.cash is not None, "a strict list raises what it could not learn"
        self._cash = proven.cash
        await self._take_lock(on_waiting)
        ask, who = self._table.highest_nonce, self._parts.postgres_name
        return await reach(self._parts, checks, "Postgres", "highest nonce", ask, who) or 0

    async def connect(self) -> None:
        """Learn the instrument from the API, and no more.

        Raises:
            UnreachableError: where the API does not answer.
            IdentityError: where it does not list our market.
        """
        checks = Checks(strict=True)
        listings = await reach_api(self._parts, checks) or ()
        self._settle_on(find_listing(self._parts, checks, listings), listings, checks)

    async def check(self) -> tuple[Check, ...]:
        """Everything that a start depends on, and what is worth a look beside it; takes nothing."""
        checks = Checks()
        for who in dict.fromkeys((self._config.owner, self._config.signer)):
            checks.ok("keys", who, "signs, and is recovered from its signature")
        proven = await prove(self._parts, checks)
        if self._settle_on(proven.listing, proven.listings or (), checks):
            await survey(self._parts, checks, proven, self.instrument, self._table)
        else:
            checks.skipped("market", "orders and balances", "the market is not known")
        return tuple(checks.found)

    async def claim(self) -> str | None:
        """Become the one writer: None where we are, else who keeps it from us."""
        self._table.takes_lock = True
        return await self._lock_holder()

    async def own_orders(self, watch: Watch) -> OwnOrders:
        """Our rows, and what we asked about. Raises EdgeError."""
        return (await self._table.read(watch)).orders

    async def find(self, order_ids: Sequence[str]) -> Found:
        """See `Venue.find`."""
        market, head = self._entry.market, await self._head()
        found = await find(self._session, self._api, self._config, market, order_ids, head)
        return replace(found, block=None if head is None else head.number)

    async def _head(self) -> Head | None:
        try:
            return await self._in_time(self._chain.head(), _BLOCK_WITHIN_S)
        except EdgeError:
            return None

    async def observe(self, watch: Watch) -> Observation:
        """Everything, read at once; bounded by the slowest read's timeout."""
        book, trades, (orders, balances) = await asyncio.gather(
            self._book.refreshed(self._read_book),
            self._trades.refreshed(self._read_trades),
            self._read_own(watch),
        )
        return Observation(
            book=book,
            trades=trades,
            orders=orders[0],
            balances=balances,
            balances_read_ms=self._balances.read_ms,
            lock_held=orders[1],
            clocks=self._clocks(),
        )

    def _clocks(self) -> tuple[ClockReading, ...]:
        """A block that is old tells of no clock; one that is ahead does."""
        node = ClockReading(name="node", ahead_ms=self._block_ahead_ms)
        return (node,) if self._data.clock is None else (self._data.clock, node)

    def prepare(self, order: NewOrder) -> PreparedOrder:
        """See `OrderEntry.prepare`."""
        return self._entry.prepare(order)

    async def holds_lock(self) -> bool:
        """Whether we are the one writer, asked for now. Never raises."""
        try:
            return await self._in_time(self._table.still_locked())
        except EdgeError:
            return False

    async def place(self, prepared: PreparedOrder, may_send: Callable[[], bool]) -> Outcome:
        """Post a signed order, once. Never raises."""
        return await self._entry.place(prepared, may_send)

    async def cancel(self, order_id: str, nonce: int, reason: str) -> Outcome:
        """Take an order off the book. Never raises."""
        return await self._entry.cancel(order_id, nonce, reason)

    async def events(
        self, on_event: Callable[[], None], on_source: Callable[[str, str], None]
    ) -> None:
        """See `LiveVenue.events`."""
        # Nothing of it is needed before the first quote.
        from mm_bot.venues.numo.events import MarketEvents

        heard = MarketEvents(
            self._config,
            self.instrument,
            on_event=on_event,
            on_source=on_source,
            listens=self._transports.listens,
            sockets=self._transports.sockets,
        )
        await heard.run()

    async def aclose(self) -> None:
        """Close every connection; the lock goes with its session."""
        await self._session.aclose()
        await self._api.aclose()
        await self._node.aclose()

    def _settle_on(
        self,
        listing: wire.Listing | None,
        listings: tuple[wire.Listing, ...],
        checks: Checks,
    ) -> bool:
        """Our market among those listed, and whose rows are ours in it; False where neither is."""
        config = self._config
        instrument = None if listing is None else instrument_of(config, checks, listing)
        if instrument is None:
            return False
        self.instrument = self._entry.market = instrument
        free_tick = replace(config, price_tick=None)
        others = (instrument_of(free_tick, checks, each) for each in listings if each != listing)
        account = OwnAccount(
            owner=config.owner,
            subaccount_id=config.subaccount_id,
            market=instrument,
            others=tuple(each for each in others if each is not None),
            protected_prefixes=config.protected_prefixes,
        )
        takes_lock = not (config.dry_run or config.command)  # a command may claim it
        self._table = OrderTable(self._session, account, takes_lock=takes_lock)
        return True

    async def _take_lock(self, on_waiting: Callable[[str], None]) -> None:
        grace_ends = asyncio.get_running_loop().time() + _LOCK_GRACE_S
        while True:
            holder = await self._lock_holder()
            if holder is None:
                return
            if self._config.wait_for_lock:
                on_waiting(holder)
                await asyncio.sleep(LOCK_POLL_S)
            elif asyncio.get_running_loop().time() >= grace_ends:
                raise IdentityError(
                    f"another process is the writer of {self.instrument.symbol}, subaccount "
                    f"{self._config.subaccount_id}: {holder}"
                )
            else:
                await asyncio.sleep(_LOCK_GRACE_S / 5)

    async def _lock_holder(self) -> str | None:
        """Who keeps the lock from us; None where we have it now."""
        try:
            if await self._table.try_lock():
                return None
            return await self._table.lock_holder()
        except EdgeError as error:
            return f"unknown, {error}"

    async def _read_own(self, watch: Watch) -> tuple[tuple[Part[OwnOrders], bool], Part[Balances]]:
        """Orders and balances at once; where no fills are followed yet, one after the other: fills
        before the first read of the orders are known from the balances alone."""
        if watch.fills_after is not None:
            return await asyncio.gather(self._read_orders(watch), self._read_balances(watch))
        return await self._read_orders(watch), await self._read_balances(watch)

    async def _read_book(self) -> Book:
        return await self._in_time(self._data.book(self.instrument, self._config.owner))

    async def _read_trades(self) -> tuple[Trade, ...]:
        return await self._in_time(self._data.trades(self.instrument))

    async def _read_balances(self, watch: Watch) -> Part[Balances]:
        began_ms = self._now_ms()
        config, last = self._config, self._balances.value
        counted = FilledCounts(
            trade=config.trade,
            owner=config.owner,
            nonces=tuple(nonce for _, nonce in watch.settling),
        )
        read = self._chain.balances(config.sub_accounts, config.subaccount_id, counted)
        try:
            account = await self._in_time(read)
        except EdgeError as error:
            return self._balances.kept(error)
        ahead_ms = account.block_time_s * 1000 - self._now_ms()
        self._block_ahead_ms = max(0, ahead_ms)
        if ahead_ms > BLOCK_AHEAD_MS:  # the future is no freshness
            fault = f"the latest block is {ahead_ms // 1000} s ahead of this clock; is each right?"
            return self._balances.kept(EdgeError("node", fault))
        if last is not None and account.block_number < last.block_number:
            older = f"block {account.block_number} is older than {last.block_number}, used before"
            return self._balances.kept(EdgeError("node", older))
        ids = [order_id for order_id, _ in watch.settling]
        balances = market_balances(account, self.instrument, self._cash, ids)
        return self._balances.replaced(balances, began_ms, as_of_ms=balances.block_time_ms)

    async def _read_orders(self, watch: Watch) -> tuple[Part[OwnOrders], bool]:
        began_ms = self._now_ms()
        timeout_s = START_TIMEOUT_S if watch.include_unexpired else None
        try:
            since_s = await self._chain_time_s() if watch.include_unexpired else None
            read: TableRead = await self._in_time(self._table.read(watch, since_s), timeout_s)
        except EdgeError as error:
            return Part(value=None, as_of_ms=None, error=error.reason), self._config.dry_run
        return Part(value=read.orders, as_of_ms=began_ms), read.lock_held

    async def _chain_time_s(self) -> int:
        """What expired before it is dead; an hour ago where the node does not tell."""
        try:
            return await self._in_time(self._chain.block_time_s())
        except EdgeError:
            return self._now_ms() // 1000 - 3_600

    async def _in_time(self, read: Awaitable[T], timeout_s: float | None = None) -> T:
        limit_s = timeout_s or self._timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await read
        except TimeoutError:
            raise EdgeError("exchange", f"no answer within {limit_s:g} s") from None


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


def _application_name(config: NumoConfig) -> str:
    """Who we are to whoever asks Postgres who holds the lock."""
    role = "mm-bot command" if config.command else "mm-bot"
    who = f"{role} {config.market_symbol} {config.service_name}"
    return f"{who} pid={os.getpid()} host={socket.gethostname()}"
