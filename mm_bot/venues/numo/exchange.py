"""The exchange as the loop sees it: `open`, `observe`, `prepare`, `place`, `cancel`, `aclose`.

`open` proves who and where we are (`checks.py`) and takes the lock before anything else is
possible. What a cycle reads is in `reads.py`, how orders are signed and posted in `order_entry.py`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from mm_bot.clock import Clock, SystemClock
from mm_bot.core.commands import NewOrder, Outcome, PreparedOrder, Watch
from mm_bot.core.instrument import Instrument
from mm_bot.core.snapshot import (
    Observation,
    OwnOrders,
)
from mm_bot.errors import EdgeError, IdentityError, SettingsError
from mm_bot.io.backoff import EVEN, Random
from mm_bot.io.http import Connect, open_client
from mm_bot.io.postgres import Session
from mm_bot.io.postgres_address import unusable_url
from mm_bot.io.postgres_link import Listens, Opens, open_link, open_listener
from mm_bot.venues.base import EthCall, Found
from mm_bot.venues.checks import Checks
from mm_bot.venues.numo import wire
from mm_bot.venues.numo.chain import Chain, Head
from mm_bot.venues.numo.checks import find_listing, instrument_of, prove, reach_api
from mm_bot.venues.numo.config import NumoConfig
from mm_bot.venues.numo.find import find
from mm_bot.venues.numo.market_data import MarketData
from mm_bot.venues.numo.order_entry import OrderEntry
from mm_bot.venues.numo.order_rows import OwnAccount
from mm_bot.venues.numo.order_table import OrderTable
from mm_bot.venues.numo.reach import Parts, reach
from mm_bot.venues.numo.reads import Reads, in_time
from mm_bot.venues.numo.survey import survey

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
    random: Random = EVEN
    """What keeps tries after a failure out of step with others'."""


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
        self._clock = clock
        timeout_ms, connect = config.request_timeout_ms, transports.connect
        self._api = open_client(config.api_base_url, timeout_ms, connect=connect)
        self._node = open_client("", timeout_ms, connect=connect)
        self._chain = Chain(self._node, config.rpc_url)
        self._session = Session(
            config.database_url,
            _application_name(config),
            config.request_timeout_ms,
            exclusive=not (config.dry_run or config.command),
            opens=transports.opens,
            random=transports.random,
        )
        self._parts = Parts(
            config=config,
            api=self._api,
            data=MarketData(self._api, clock.now_ms),
            chain=self._chain,
            session=self._session,
            now_ms=clock.now_ms,
        )
        self._entry = OrderEntry(config, self._api, clock.now_ms)

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
        self._reads = Reads(self._parts, self._clock, self.instrument, self._table, proven.cash)
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

    async def check(self, checks: Checks) -> Instrument | None:
        """See `LiveVenue.check`."""
        for who in dict.fromkeys((self._config.owner, self._config.signer)):
            checks.ok("keys", who, "signs, and is recovered from its signature")
        proven = await prove(self._parts, checks)
        if not self._settle_on(proven.listing, proven.listings or (), checks):
            checks.skipped("market", "orders and balances", "the market is not known")
            return None
        await survey(self._parts, checks, proven, self.instrument, self._table)
        return self.instrument

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
            return await in_time(self._chain.head(), _BLOCK_WITHIN_S)
        except EdgeError:
            return None

    async def observe(self, watch: Watch) -> Observation:
        """See `Reads.observe`."""
        return await self._reads.observe(watch)

    def prepare(self, order: NewOrder) -> PreparedOrder:
        """See `OrderEntry.prepare`."""
        return self._entry.prepare(order)

    async def holds_lock(self) -> bool:
        """Whether we are the one writer, asked for now. Never raises."""
        try:
            return await in_time(self._table.still_locked(), self._config.request_timeout_ms / 1000)
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
            random=self._transports.random,
        )
        await heard.run()

    def on_block(self, told: Callable[[], None]) -> None:
        """See `TellsBlocks`."""
        self._chain.on_block(told)

    async def blocks(self, on_source: Callable[[str, str], None]) -> None:
        """See `TellsBlocks`."""
        await self._chain.blocks(on_source)

    async def aclose(self) -> None:
        """Close every connection; the lock goes with its session."""
        await self._chain.aclose()
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


def _application_name(config: NumoConfig) -> str:
    """Who we are to whoever asks Postgres who holds the lock."""
    role = "mm-bot command" if config.command else "mm-bot"
    who = f"{role} {config.market_symbol} {config.service_name}"
    return f"{who} pid={os.getpid()} host={socket.gethostname()}"
