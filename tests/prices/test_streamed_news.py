"""What a stream brings is in use long before the source's next turn, against real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from mm_bot.clock import SystemClock
from mm_bot.core.exact import Price
from mm_bot.prices.build import AnchorConfig, build
from mm_bot.prices.coinbase import CoinbaseSpec
from mm_bot.prices.median import MedianSpec, MemberSpec
from mm_bot.prices.pyth import PythSpec
from mm_bot.prices.spec import SourceContext, SourceSpec
from tests.prices.servers import json_answer
from tests.prices.streams import FEED_ID, coinbase, hermes, hermes_message, update
from tests.prices.support import OPEN_GUARD, run

INTERVAL_MS = 3_600_000
"""No read that is due by itself comes within the ten seconds of `run`."""


def _alone(spec: SourceSpec) -> SourceSpec:
    return spec


def _in_a_median(spec: SourceSpec) -> SourceSpec:
    guard = replace(OPEN_GUARD, max_age_ms=60_000)
    return MedianSpec(
        members=(MemberSpec(name="one", source=spec, guard=guard),),
        quorum=1,
        outlier_bps=Decimal(100),
        interval_ms=INTERVAL_MS,
        timeout_ms=2_000,
    )


async def _told(
    spec: SourceSpec, *says: Callable[[], Awaitable[None]], first: str, then: str
) -> None:
    config = AnchorConfig(source=spec, guard=OPEN_GUARD, interval_ms=INTERVAL_MS, timeout_ms=2_000)
    runner = build(config, SourceContext(clock=SystemClock()))
    assert runner is not None
    told = asyncio.Event()
    runner.on_update = told.set
    runner.start()
    try:
        for say, price in zip(says, (first, then), strict=True):
            await say()
            while runner.latest().price != Price.of(price):
                await told.wait()
                told.clear()
    finally:
        await runner.aclose()


@pytest.mark.parametrize("placed", [_alone, _in_a_median])
def test_an_update_of_coinbase_is_in_use_at_once(
    placed: Callable[[SourceSpec], SourceSpec],
) -> None:
    """Best bid and offer move by one message of the stream, and the price with them."""

    async def scenario() -> None:
        async with coinbase() as server:

            async def opened() -> None:
                await server.next_subscriber()
                await server.send("subscriptions", [{}])
                await server.snapshot("99", "101")

            async def moved() -> None:
                await server.book("update", update("bid", "99.50", "3"))

            spec = CoinbaseSpec(product_id="BTC-USD", url=server.url)
            await _told(placed(spec), opened, moved, first="100", then="100.25")

    run(scenario())


def test_a_message_of_pyth_is_in_use_at_once() -> None:
    """The stream's value replaces the one that was polled while it opened, and the next replaces
    that."""

    async def scenario() -> None:
        async with hermes() as server:

            async def opened() -> None:
                server.greeting = f"data: {hermes_message('62501')}\n\n".encode()

            async def moved() -> None:
                await server.streaming.wait()
                await server.say(hermes_message("62510", publish_time=1_777_000_001))

            spec = PythSpec(feed_id=FEED_ID, base_url=server.url)
            await _told(spec, opened, moved, first="0.00062501", then="0.0006251")

    run(scenario())


def test_a_lost_stream_is_told_once_and_so_is_its_return() -> None:
    """Of each source by its feed, whatever is tried in between."""
    told = asyncio.Queue[tuple[str, str]]()

    def context() -> SourceContext:
        return SourceContext(clock=SystemClock(), on_stream=lambda *news: told.put_nowait(news))

    async def pyth() -> None:
        async with hermes() as server:
            server.greeting = f"data: {hermes_message('62500')}\n\n".encode()
            source = PythSpec(feed_id=FEED_ID, base_url=server.url).build(context())
            await source.read()
            assert await told.get() == (f"pyth:{FEED_ID[:8]}", "")
            server.refusal = json_answer("", status="503 Down")
            server.hang_up()
            name, why = await told.get()
            assert name == f"pyth:{FEED_ID[:8]}"
            assert why
            server.refusal = None
            assert await told.get() == (name, ""), "not one for each attempt in between"
            await source.aclose()

    async def product() -> None:
        async with coinbase() as server:
            source = CoinbaseSpec(product_id="BTC-USD", url=server.url).build(context())
            reading = asyncio.create_task(source.read())
            for _ in range(2):
                await server.next_subscriber()
                await server.send("subscriptions", [{}])
                await server.snapshot()
                assert await told.get() == ("coinbase:BTC-USD", "")
                assert server.socket is not None
                await server.socket.close()
                name, why = await told.get()
                assert name == "coinbase:BTC-USD"
                assert why
            await reading
            await source.aclose()

    async def both() -> None:
        await pyth()
        await product()

    run(both())
