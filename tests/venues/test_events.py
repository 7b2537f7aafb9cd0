"""What wakes the loop early, against the running exchange: its database, its socket, or neither."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

import psycopg

from integration_harness.stack.orders import ExchangeClient, OrderTicket
from integration_harness.stack.orders import Signer as TakerSigner
from integration_harness.stack.postgres import READER, grant_reader
from integration_harness.stack.up import LocalExchange
from mm_bot.core.commands import NewOrder, Verdict
from mm_bot.core.instrument import Side
from mm_bot.io.postgres_link import Libpq, Listener, open_listener
from mm_bot.venues.numo.config import NumoConfig
from mm_bot.venues.numo.events import MarketEvents
from mm_bot.venues.numo.exchange import NumoVenue, Transports
from tests.venues.desk import new_order, venue_config

NOBODY_THERE = "postgresql://nobody@127.0.0.1:9/nowhere"


class Heard:
    """What the two callbacks were told."""

    def __init__(self) -> None:
        self.events = asyncio.Event()
        self.sources: list[tuple[str, str]] = []
        self.changed = asyncio.Event()

    def event(self) -> None:
        self.events.set()

    def source(self, name: str, why: str) -> None:
        self.sources.append((name, why))
        self.changed.set()

    async def hears(self, seconds: float = 10.0) -> bool:
        """Whether an event comes within that time."""
        try:
            async with asyncio.timeout(seconds):
                await self.events.wait()
        except TimeoutError:
            return False
        self.events.clear()
        return True


@asynccontextmanager
async def listening(config: NumoConfig, heard: Heard) -> AsyncIterator[NumoVenue]:
    """A venue whose events are heard."""
    venue = NumoVenue(dataclasses.replace(config, dry_run=True))
    await venue.open()
    task = asyncio.create_task(venue.events(heard.event, heard.source))
    try:
        await asyncio.wait_for(heard.changed.wait(), 10)
        assert await heard.hears(), "a new connection wakes once"
        yield venue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await venue.aclose()


async def taken_back(venue: NumoVenue, order: NewOrder) -> None:
    """The matcher may hold it at first."""
    for _ in range(20):
        cancelled = await venue.cancel(order.order_id, order.nonce, "test")
        if cancelled.verdict is Verdict.ACCEPTED:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(cancelled.detail)


def foreign_order(exchange: LocalExchange, nonce: int) -> None:
    """Somebody else's order in the market, placed and taken back."""
    taker = exchange.deployment.takers[0]
    signer = TakerSigner(exchange.deployment, taker)
    ticket = OrderTicket(
        instrument=exchange.spot,
        side="buy",
        price=Decimal(1000),
        size=Decimal(10),
        order_id=f"stranger:{nonce}",
        nonce=nonce,
    )
    with ExchangeClient(exchange.api_url) as client:
        client.place(signer.order_body(ticket))
        client.cancel(signer.cancel_body(nonce))


def test_another_s_order_wakes_and_our_own_does_not(exchange: LocalExchange) -> None:
    """By LISTEN: a stranger's order is heard; an order of the bot's own id is not."""
    config = venue_config(exchange, exchange.spot.symbol)

    async def run() -> None:
        heard = Heard()
        async with listening(config, heard) as venue:
            assert heard.sources == [("listen", "")]
            prepared = venue.prepare(new_order(venue.instrument, Side.BUY, "1100.37", "10"))
            outcome = await venue.place(prepared, lambda: True)
            assert outcome.verdict is Verdict.ACCEPTED, outcome.detail
            own_was_heard = await heard.hears(0.5)
            await asyncio.to_thread(foreign_order, exchange, 7_300_000_001)
            assert await heard.hears()
            await taken_back(venue, prepared.order)
            assert not own_was_heard

    asyncio.run(run())


class Overheard:
    """libpq of a connection that listens, and what was asked through it."""

    def __init__(self, libpq: Libpq, asked: asyncio.Queue[bytes]) -> None:
        self._libpq = libpq
        self._asked = asked

    def send_query(self, command: bytes, /) -> None:
        self._asked.put_nowait(command)
        self._libpq.send_query(command)

    def __getattr__(self, name: str) -> object:
        return getattr(self._libpq, name)


def test_a_blink_of_the_matcher_is_asked_about_once(exchange: LocalExchange) -> None:
    """Its first half is asked about together with the second, in the server; what a stranger does
    meanwhile is heard, and no blink is."""
    config = venue_config(exchange, exchange.spot.symbol)
    asked: asyncio.Queue[bytes] = asyncio.Queue()

    async def overheard(url: str, name: str) -> Listener:
        listener = await open_listener(url, name)
        libpq = cast("Libpq", Overheard(listener.libpq, asked))
        return cast(
            "Listener", SimpleNamespace(libpq=libpq, run=listener.run, close=listener.close)
        )

    async def both_halves() -> None:
        async with asyncio.timeout(20):
            while not (await asked.get()).startswith(b"SELECT pg_sleep(0.008); EXECUTE since ("):
                pass

    async def run() -> None:
        heard = Heard()
        venue = NumoVenue(config, transports=Transports(listens=overheard))
        await venue.open()
        task = asyncio.create_task(venue.events(heard.event, heard.source))
        assert await heard.hears(), "a new connection wakes once"
        sides = ((Side.BUY, "1100.37"), (Side.SELL, "2100.37"))  # it takes the best of both
        quotes = [
            venue.prepare(new_order(venue.instrument, side, price, "10")) for side, price in sides
        ]
        for each in quotes:
            await venue.place(each, lambda: True)
        await both_halves()
        await both_halves()
        blinks_were_heard = heard.events.is_set()
        await asyncio.to_thread(foreign_order, exchange, 7_300_000_004)
        assert await heard.hears()
        for each in quotes:
            await taken_back(venue, each.order)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await venue.aclose()
        assert not blinks_were_heard

    asyncio.run(run())


def test_what_is_committed_late_is_heard(exchange: LocalExchange) -> None:
    """Numbers of events are drawn when they are written: a trade may become visible after another's
    event with a higher number was heard. Heard again is not what was heard before."""
    config = venue_config(exchange, exchange.spot.symbol)
    spot = exchange.spot
    write = "SELECT write_market_event(%s, %s, 'test', 'nobody', '{\"order_id\": \"stranger\"}')"
    key = f"{spot.asset_address}:{spot.sub_id}"

    async def run(late: psycopg.Connection[tuple[object, ...]]) -> None:
        heard = Heard()
        async with listening(config, heard):
            late.execute(write, (key, "trades"))
            with psycopg.connect(exchange.admin_database_url, autocommit=True) as early:
                early.execute(write, (key, "book"))
                assert await heard.hears()
                late.commit()
                assert await heard.hears(), "it has the lower number"
                early.execute(write, ("elsewhere:0", "book"))
            assert not await heard.hears(0.5)

    with psycopg.connect(exchange.admin_database_url) as connection:
        asyncio.run(run(connection))


def test_without_the_database_s_events_the_socket_wakes(exchange: LocalExchange) -> None:
    """Where nothing can be listened to, the API's WebSocket is heard, and why is told."""
    config = venue_config(exchange, exchange.spot.symbol)

    async def run() -> None:
        heard = Heard()
        async with listening(config, heard) as venue:
            venue._config = dataclasses.replace(config, database_url=NOBODY_THERE)
            again = Heard()
            task = asyncio.create_task(venue.events(again.event, again.source))
            await asyncio.wait_for(again.changed.wait(), 10)
            assert again.sources[0][0] == "socket"
            assert again.sources[0][1].startswith("no LISTEN")
            assert await again.hears()
            await asyncio.to_thread(foreign_order, exchange, 7_300_000_002)
            assert await again.hears()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_with_neither_the_poll_is_all_and_says_so(exchange: LocalExchange) -> None:
    """Database and socket out of reach: the source is the poll, with both reasons."""
    config = venue_config(exchange, exchange.spot.symbol)

    async def run() -> None:
        heard = Heard()
        async with listening(config, heard) as venue:
            venue._config = dataclasses.replace(
                config, database_url=NOBODY_THERE, api_base_url="http://127.0.0.1:9"
            )
            again = Heard()
            task = asyncio.create_task(venue.events(again.event, again.source))
            await asyncio.wait_for(again.changed.wait(), 10)
            source, why = again.sources[0]
            assert source == "poll"
            assert "no LISTEN" in why
            assert "no WebSocket" in why
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_what_is_better_is_heard_again_once_it_is_back(exchange: LocalExchange) -> None:
    """A database that may be listened to again takes the socket's place, without its being lost."""
    config = venue_config(exchange, exchange.spot.symbol)
    heard = Heard()

    async def until(source: str) -> None:
        while not heard.sources or heard.sources[-1][0] != source:
            heard.changed.clear()
            await asyncio.wait_for(heard.changed.wait(), 20)

    async def run(database: psycopg.Connection[tuple[object, ...]]) -> None:
        venue = NumoVenue(dataclasses.replace(config, dry_run=True))
        await venue.connect()
        market = venue.instrument
        await venue.aclose()
        events = MarketEvents(
            config, market, on_event=heard.event, on_source=heard.source, better_after_s=1
        )
        database.execute(b"REVOKE SELECT ON market_events FROM " + READER.encode())
        task = asyncio.create_task(events.run())
        await until("socket")
        database.execute(b"GRANT SELECT ON market_events TO " + READER.encode())
        await until("listen")
        assert await heard.hears(), "a new connection wakes once"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with psycopg.connect(exchange.admin_database_url, autocommit=True) as database:
        try:
            asyncio.run(run(database))
        finally:
            grant_reader(database)
