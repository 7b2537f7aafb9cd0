"""The exchange for commands: each dependency by itself, so that one that is down hides no other.

Nothing here takes the one-writer lock but `lock`, and nothing places an order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import httpx

from mm_bot.app import make_venue, venue_config
from mm_bot.core.instrument import Instrument
from mm_bot.errors import EdgeError, UnreachableError
from mm_bot.io.errors import redact
from mm_bot.io.http import open_client
from mm_bot.io.postgres import Session
from mm_bot.settings import Settings
from mm_bot.venues.base import LiveVenue
from mm_bot.venues.numo import startup, wire
from mm_bot.venues.numo.chain import Chain
from mm_bot.venues.numo.config import VenueConfig
from mm_bot.venues.numo.market_data import MarketData
from mm_bot.venues.numo.order_rows import Desk
from mm_bot.venues.numo.order_table import OrderTable

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Open clients; nothing is contacted before it is asked."""

    config: VenueConfig
    api: httpx.AsyncClient
    data: MarketData
    chain: Chain
    session: Session

    @property
    def api_address(self) -> str:
        return redact(self.config.api_base_url)

    @property
    def node_address(self) -> str:
        return redact(self.config.rpc_url)

    async def listings(self) -> tuple[wire.Listing, ...]:
        """Raises UnreachableError where the API does not say."""
        return await asked(self.data.listings())

    def market(self, listing: wire.Listing, *, own_tick: bool = True) -> Instrument:
        config = self.config
        return wire.to_market(
            listing,
            price_tick=config.price_tick if own_tick else None,
            contract_size=config.contract_size,
            margin_rate=config.margin_rate,
        )

    async def desk(self) -> Desk:
        """Who we are in our market.

        Raises:
            UnreachableError: where the API does not list its markets.
            IdentityError: where ours is not among them.
        """
        listings = await self.listings()
        listing = startup.find_listing(listings, self.config.market_symbol)
        others = (self.market(other, own_tick=False) for other in listings if other != listing)
        return Desk(
            owner=self.config.owner,
            subaccount_id=self.config.subaccount_id,
            market=self.market(listing),
            others=tuple(others),
            protected_prefixes=self.config.protected_prefixes,
        )

    def table(self, desk: Desk, *, takes_lock: bool = False) -> OrderTable:
        return OrderTable(self.session, desk, takes_lock=takes_lock)


@asynccontextmanager
async def commanding(settings: Settings, timeout_s: float = 5.0) -> AsyncIterator[LiveVenue]:
    """The exchange of these settings for one command; every wait is bounded by `timeout_s`."""
    venue = make_venue(settings, now_ms, command=True, timeout_ms=max(100, int(timeout_s * 1000)))
    try:
        yield venue
    finally:
        await venue.aclose()


@asynccontextmanager
async def reaching(settings: Settings, timeout_s: float = 5.0) -> AsyncIterator[Reach]:
    """The exchange of these settings; every wait is bounded by `timeout_s`."""
    timeout_ms = max(100, int(timeout_s * 1000))
    config = replace(
        venue_config(settings), dry_run=True, wait_for_lock=False, request_timeout_ms=timeout_ms
    )
    api, node = open_client(config.api_base_url, timeout_ms), open_client("", timeout_ms)
    name = f"mm-bot command {config.market_symbol} {config.service_name}"
    session = Session(config.database_url, name, timeout_ms)
    try:
        yield Reach(
            config=config,
            api=api,
            data=MarketData(api),
            chain=Chain(node, config.rpc_url),
            session=session,
        )
    finally:
        await session.aclose()
        await api.aclose()
        await node.aclose()


async def asked(question: Awaitable[T]) -> T:
    """The answer, or an UnreachableError that names who did not give one."""
    try:
        return await question
    except EdgeError as error:
        raise UnreachableError(f"{error.source} is unreachable: {error.reason}") from None


async def in_time(question: Awaitable[T], timeout_s: float, source: str) -> T:
    """The answer within `timeout_s`, else an EdgeError."""
    try:
        async with asyncio.timeout(timeout_s):
            return await question
    except TimeoutError:
        raise EdgeError(source, f"no answer within {timeout_s:g} s") from None


def now_ms() -> int:
    return time.time_ns() // 1_000_000
