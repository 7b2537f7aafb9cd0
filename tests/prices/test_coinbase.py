"""Claims about the Coinbase source, against a real WebSocket server that speaks level 2."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import websockets.exceptions

from mm_bot.clock import SystemClock
from mm_bot.core.exact import Price
from mm_bot.prices.coinbase import CoinbaseSource, CoinbaseSpec
from mm_bot.prices.guarded import Guarded, GuardPolicy
from mm_bot.prices.source import AnchorError, RejectReason
from mm_bot.prices.websocket import refused_from
from tests.prices.streams import Coinbase, coinbase, stamp, update
from tests.prices.support import OPEN_GUARD, run


@asynccontextmanager
async def source_of(
    server: Coinbase,
    *,
    silence_ms: int = 5_000,
    timeout_ms: int = 2_000,
    policy: GuardPolicy = OPEN_GUARD,
    snapshot_ms: int = 5_000,
) -> AsyncIterator[Guarded]:
    clock = SystemClock()
    spec = CoinbaseSpec(product_id="BTC-USD", url=server.url)
    source = CoinbaseSource(spec, clock, silence_ms=silence_ms, snapshot_ms=snapshot_ms)
    guarded = Guarded(source, policy, timeout_ms=timeout_ms, clock=clock)
    try:
        yield guarded
    finally:
        await guarded.aclose()


async def started(server: Coinbase, source: Guarded, bid: str = "99", offer: str = "101") -> None:
    """Subscribed, with a book."""
    first = asyncio.create_task(source.read())
    await server.next_subscriber()
    await server.send("subscriptions", [{"subscriptions": {"level2": ["BTC-USD"]}}])
    await server.snapshot(bid, offer)
    await first


async def mid_is(source: Guarded, price: str) -> None:
    while True:
        try:
            if (await source.read()).price == Price.of(price):
                return
        except AnchorError:
            pass
        await asyncio.sleep(0.005)


async def refusal_is(source: Guarded, expected: RejectReason) -> None:
    while True:
        try:
            await source.read()
        except AnchorError as error:
            if error.refusal is expected:
                return
        await asyncio.sleep(0.002)


def test_it_subscribes_and_follows_snapshot_and_updates() -> None:
    """Best bid and offer to their mid; quantity 0 removes; heartbeats count in the sequence."""

    async def scenario() -> None:
        async with coinbase() as server, source_of(server) as source:
            await started(server, source)
            assert [(s["channel"], s["product_ids"]) for s in server.subscriptions] == [
                ("level2", ["BTC-USD"]),
                ("heartbeats", ["BTC-USD"]),
            ]
            await mid_is(source, "100")
            await server.book("update", update("bid", "99.50", "3"))
            await mid_is(source, "100.25")
            await server.heartbeat()
            await server.book("update", update("bid", "99.5", "0"), update("offer", "100.5", "1"))
            await mid_is(source, "99.75")
            await server.book("update", update("offer", "100.5", "0"), update("bid", "1", "0"))
            await mid_is(source, "100")
            assert server.connections == 1

    run(scenario())


def test_a_large_snapshot_is_taken_too() -> None:
    """Thousands of levels, over the library's own limit of a megabyte."""

    async def scenario() -> None:
        async with coinbase() as server, source_of(server) as source:
            levels = [update("bid", f"{n}.25", "1") for n in range(1, 12_000)]
            first = asyncio.create_task(source.read())
            await server.next_subscriber()
            await server.book("snapshot", *levels, update("offer", "12000", "1"))
            assert (await first).price == Price.of("11999.625")

    run(scenario())


Fault = Callable[[Coinbase], Awaitable[None]]


async def lost_message(server: Coinbase) -> None:
    server.sequence += 1
    await server.book("update", update("bid", "100", "1"))


async def repeated_message(server: Coinbase) -> None:
    server.sequence -= 1
    await server.heartbeat()


async def lost_heartbeat(server: Coinbase) -> None:
    server.sequence += 1
    await server.heartbeat()


async def hang_up(server: Coinbase) -> None:
    assert server.socket is not None
    await server.socket.close()


def level2_event(**changes: object) -> Fault:
    event = {"type": "update", "product_id": "BTC-USD", "updates": [], **changes}

    async def fault(server: Coinbase) -> None:
        await server.send("l2_data", [event])

    return fault


def raw(text: str | bytes) -> Fault:
    async def fault(server: Coinbase) -> None:
        await server.raw(text)

    return fault


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (lost_message, RejectReason.GAP),
        (repeated_message, RejectReason.GAP),
        (lost_heartbeat, RejectReason.GAP),
        (hang_up, RejectReason.BROKEN_ANSWER),
        (raw("garbage"), RejectReason.MALFORMED),
        (raw("[" * 50_000), RejectReason.MALFORMED),
        (raw(b"\xff\x00"), RejectReason.MALFORMED),
        (raw("[]"), RejectReason.MALFORMED),
        (raw("{}"), RejectReason.MALFORMED),
        (raw('{"type": "error", "message": "no such product"}'), RejectReason.NO_PRICE),
        (raw('{"channel": "l2_data", "sequence_num": 2, "events": 5}'), RejectReason.MALFORMED),
        (raw('{"channel": "l2_data", "sequence_num": true, "events": []}'), RejectReason.MALFORMED),
        (level2_event(type="else"), RejectReason.MALFORMED),
        (level2_event(updates=None), RejectReason.MALFORMED),
        (level2_event(updates=[5]), RejectReason.MALFORMED),
        (level2_event(updates=[update("ask", "1", "1")]), RejectReason.MALFORMED),
        (level2_event(product_id="ETH-USD"), RejectReason.WRONG_PAIR),
        (level2_event(updates=[update("bid", "NaN", "1")]), RejectReason.NOT_FINITE),
        (level2_event(updates=[update("bid", "x", "1")]), RejectReason.NO_PRICE),
        (
            level2_event(updates=[{**update("bid", "1", "1"), "price_level": 1.5}]),
            RejectReason.NO_PRICE,
        ),
        (level2_event(updates=[update("bid", "-1", "1")]), RejectReason.NOT_POSITIVE),
        (level2_event(updates=[update("bid", "1", "-1")]), RejectReason.NOT_POSITIVE),
        (level2_event(updates=[update("bid", "1e300", "1")]), RejectReason.IMPLAUSIBLE),
    ],
)
def test_any_fault_discards_the_book_and_subscribes_anew(
    fault: Fault, expected: RejectReason
) -> None:
    """No price from the fault until the next snapshot, which comes without a restart."""

    async def scenario() -> None:
        async with coinbase() as server, source_of(server) as source:
            await started(server, source)
            await fault(server)
            await refusal_is(source, expected)
            await server.next_subscriber()
            await server.snapshot("199", "201")
            await mid_is(source, "200")
            assert server.connections == 2

    run(scenario())


def test_an_update_before_the_snapshot_is_a_gap() -> None:
    """Half a book is none."""

    async def scenario() -> None:
        async with coinbase() as server, source_of(server) as source:
            first = asyncio.create_task(source.read())
            await server.next_subscriber()
            await server.book("update", update("bid", "1", "1"), update("offer", "2", "1"))
            with pytest.raises(AnchorError) as caught:
                await first
            assert caught.value.refusal is RejectReason.GAP

    run(scenario())


def test_one_sided_and_crossed_books_have_no_mid() -> None:
    """And have one again as soon as they are whole, on the same connection."""

    async def scenario() -> None:
        async with coinbase() as server, source_of(server) as source:
            await started(server, source)
            await server.book("update", update("offer", "101", "0"))
            await refusal_is(source, RejectReason.ONE_SIDED)
            await server.book("update", update("offer", "99", "1"))
            await refusal_is(source, RejectReason.CROSSED)
            await server.book("update", update("offer", "99", "0"), update("offer", "105", "1"))
            await mid_is(source, "102")
            assert server.connections == 1

    run(scenario())


def test_silence_is_a_dead_connection_and_heartbeats_are_not() -> None:
    """A quiet book stays as long as the heart beats."""

    async def scenario() -> None:
        async with coinbase() as server, source_of(server, silence_ms=2_500) as source:
            await started(server, source)
            for _ in range(30):
                await asyncio.sleep(0.1)
                await server.heartbeat()
            assert (await source.read()).price == Price.of(100)
            assert server.connections == 1
            await refusal_is(source, RejectReason.TIMEOUT)

    run(scenario())


def test_the_time_is_the_exchanges_own() -> None:
    """Messages of yesterday make a stale price; a heartbeat of now makes the quiet book fresh."""

    async def scenario() -> None:
        policy = GuardPolicy(max_age_ms=60_000, max_deviation_bps=None)
        async with coinbase() as server, source_of(server, policy=policy) as source:
            first = asyncio.create_task(source.read())
            await server.next_subscriber()
            yesterday = stamp(datetime.now(UTC) - timedelta(days=1))
            levels = (update("bid", "99", "1"), update("offer", "101", "1"))
            await server.book("snapshot", *levels, timestamp=yesterday)
            with pytest.raises(AnchorError) as caught:
                await first
            assert caught.value.refusal is RejectReason.STALE
            await server.heartbeat()
            await mid_is(source, "100")

    run(scenario())


@pytest.mark.parametrize(
    ("status", "expected"),
    [(302, RejectReason.REDIRECT), (429, RejectReason.RATE_LIMITED), (500, RejectReason.STATUS)],
)
def test_a_refused_handshake_is_told(status: int, expected: RejectReason) -> None:
    """Redirects are not followed."""

    async def scenario() -> None:
        async with coinbase() as elsewhere, coinbase() as server, source_of(server) as source:
            server.refusal, server.location = status, elsewhere.url
            await refusal_is(source, expected)
            assert elsewhere.connections == 0

    run(scenario())


def test_nobody_there_is_unreachable() -> None:
    """And a server that never says a word is a timeout of the read."""

    async def scenario() -> None:
        async with source_of(Coinbase(url="ws://127.0.0.1:1")) as source:
            await refusal_is(source, RejectReason.UNREACHABLE)
        async with source_of(Coinbase(url="http://127.0.0.1:1")) as source:
            await refusal_is(source, RejectReason.BROKEN_ANSWER)
        async with coinbase() as server, source_of(server, timeout_ms=50) as source:
            await refusal_is(source, RejectReason.TIMEOUT)

    run(scenario())


def test_every_error_of_the_library_is_mapped() -> None:
    """A release that grows an exception outside of its tree fails here."""
    for name in websockets.exceptions.__all__:
        kind = getattr(websockets.exceptions, name)
        if issubclass(kind, Warning):
            continue
        assert issubclass(kind, websockets.exceptions.WebSocketException), name
    assert refused_from(TimeoutError(), "coinbase").refusal is RejectReason.TIMEOUT


def test_a_connection_that_never_brings_its_snapshot_is_renewed() -> None:
    """Its heart beats on, so it is not silent; the next connection brings the book."""

    async def scenario() -> None:
        async with coinbase() as server, source_of(server, snapshot_ms=1_000) as source:
            first = asyncio.create_task(source.read())
            await server.next_subscriber()
            while not first.done():
                await server.heartbeat()
                await asyncio.sleep(0.02)
            with pytest.raises(AnchorError, match="no snapshot in 1000 ms"):
                await first
            await server.next_subscriber()
            await server.snapshot("99", "101")
            await mid_is(source, "100")
            assert server.connections == 2

    run(scenario())
