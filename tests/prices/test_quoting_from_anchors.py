"""The bot as a process on the local exchange, quoting from each kind of anchor in turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from integration_harness.stack.instruments import Instrument
from integration_harness.stack.up import LocalExchange
from mm_bot.core.carry import fair_value
from mm_bot.core.exact import Price
from tests.prices.bots import Quote, QuotingBot, bots_on, strangers
from tests.prices.living import (
    Living,
    living_board,
    living_coinbase,
    living_feed,
    living_hermes,
    living_http,
    living_zero_ex,
)

SPOT = Decimal(1600)
RATE = Decimal("0.4")
SCENARIO_SECONDS = 40
STALE = "anchor data stale"
LIMIT_SECONDS = 1.5
WHOLE_SECONDS_LIMIT = 2.5
"""For a time in whole seconds, which may be a second old when it comes."""
HALT_SLACK_SECONDS = 1.0
"""A cycle, the cancels of two orders, and a look at the book, on two shared cores."""
BOOTSTRAP = "MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR_"


def scenario(work: Coroutine[object, object, None]) -> None:
    """A fresh event loop with a limit."""

    async def bounded() -> None:
        async with asyncio.timeout(SCENARIO_SECONDS):
            await work

    asyncio.run(bounded())


def price_on(market: Instrument, *, carried: bool) -> Callable[[], Decimal]:
    """What the market is worth with the spot price at SPOT."""

    def price() -> Decimal:
        expiry_seconds = market.expiry_seconds if carried else None
        return fair_value(
            spot=Price(SPOT),
            rate_apr=RATE,
            carry_abs=Decimal(0),
            carry_bps=Decimal(0),
            now_ms=time.time_ns() // 1_000_000,
            expiry_ms=None if expiry_seconds is None else expiry_seconds * 1000,
        ).value

    return price


@asynccontextmanager
async def services(kind: str, exchange: LocalExchange) -> AsyncIterator[list[Living]]:
    """What an anchor of that kind reads; the first one is to be frozen."""
    async with AsyncExitStack() as opened:
        enter = opened.enter_async_context
        match kind:
            case "http":
                yield [await enter(living_http(SPOT))]
            case "strails":
                yield [await enter(living_board(SPOT))]
            case "pyth":
                yield [await enter(living_hermes(SPOT))]
            case "coinbase":
                yield [await enter(living_coinbase(SPOT))]
            case "oracle_carry":
                yield [await enter(living_feed(exchange, SPOT))]
            case "expression":
                crossed = await enter(living_coinbase(Decimal("0.000625")))
                crossed.environment["MM_ANCHOR_EXPRESSION"] = "invert(multiply(coinbase, pyth))"
                yield [crossed, await enter(living_hermes(Decimal(1)))]
            case _:
                raise AssertionError(kind)


def common(kind: str, limit_seconds: float, *read: Living) -> dict[str, str]:
    environment = {
        "MM_ANCHOR_SOURCE_TYPE": kind,
        "MM_CARRY_RATE_APR": str(RATE),
        "MM_STALE_ANCHOR_TIMEOUT_SECONDS": str(limit_seconds),
        "MM_ANCHOR_ORACLE_MAX_AGE_SECONDS": str(limit_seconds),
    }
    for living in read:
        environment.update(living.environment)
    return environment


async def all_of(work: list[Coroutine[object, object, float]]) -> float:
    return max(await asyncio.gather(*work))


@pytest.mark.parametrize("kind", ["http", "strails", "pyth", "coinbase", "oracle_carry"])
def test_each_anchor_is_quoted_and_frozen_halts_by_name(
    kind: str, exchange: LocalExchange, tmp_path: Path
) -> None:
    """Spot and a future are quoted around it, the future with its carry but for `http`; frozen it
    halts both by name within the limit, and thawed both quote again by themselves."""
    frozen_and_thawed(kind, exchange, tmp_path)


def test_an_expression_is_quoted_and_halts_where_one_part_freezes(
    exchange: LocalExchange, tmp_path: Path
) -> None:
    """Two real streams, multiplied and inverted, are one anchor: as old as the older of them."""
    frozen_and_thawed("expression", exchange, tmp_path)


def test_a_feed_beside_a_stream_keeps_its_own_age_limit(
    exchange: LocalExchange, tmp_path: Path
) -> None:
    """Frozen for longer than the stream may be it is quoted on, the stream's age and limit in the
    status; the stream frozen halts by that limit."""

    async def story() -> None:
        async with living_feed(exchange, SPOT) as feed, living_coinbase(Decimal(1)) as coinbase:
            environment = {
                **common("expression", LIMIT_SECONDS, feed, coinbase),
                "MM_ANCHOR_ORACLE_MAX_AGE_SECONDS": "3600",
                "MM_ANCHOR_EXPRESSION": "multiply(oracle, coinbase)",
                "MM_CARRY_RATE_APR": "0",
            }
            async with bots_on(exchange, tmp_path, (exchange.spot,), environment) as (bot,):
                await bot.quotes_around(SPOT)
                await made_from(bot, "expression")  # the end of a cycle, hence a status
                feed.frozen = True
                until, fresh = time.monotonic() + 2 * LIMIT_SECONDS, False
                while time.monotonic() < until or not fresh:
                    status = await asyncio.to_thread(bot.process.status)
                    anchor = status["sources"]["anchor"]
                    assert anchor["limit_ms"] == LIMIT_SECONDS * 1000
                    # On a machine that stands still the stream is too old as well, for a moment.
                    fresh = anchor["age_ms"] <= anchor["limit_ms"]
                    assert not fresh or STALE not in status["not_ready_because"]
                coinbase.frozen = True
                await bot.halts(STALE)
                coinbase.frozen = False
                await bot.quotes_around(SPOT)

    scenario(story())


def frozen_and_thawed(kind: str, exchange: LocalExchange, folder: Path) -> None:
    limit_seconds = WHOLE_SECONDS_LIMIT if kind in ("pyth", "oracle_carry") else LIMIT_SECONDS
    if kind == "expression":
        limit_seconds = WHOLE_SECONDS_LIMIT

    async def story() -> None:
        markets = (exchange.spot, exchange.futures[0])
        async with (
            services(kind, exchange) as read,
            bots_on(exchange, folder, markets, common(kind, limit_seconds, *read)) as bots,
        ):
            prices = [price_on(bot.market, carried=kind != "http") for bot in bots]
            both = list(zip(bots, prices, strict=True))
            up = await all_of([bot.quotes_around(price) for bot, price in both])
            await made_from(bots[0], kind)
            read[0].frozen = True
            halted = await all_of([bot.halts(STALE) for bot in bots])
            assert halted <= limit_seconds + HALT_SLACK_SECONDS
            read[0].frozen = False
            again = await all_of([bot.quotes_around(price) for bot, price in both])
            print(f"{kind}: quotes {up:.2f} s, halts {halted:.2f} s, again {again:.2f} s")

    scenario(story())


def test_a_fixed_anchor_is_quoted_as_it_is(exchange: LocalExchange, tmp_path: Path) -> None:
    """On spot and on a future, where no carry is added to it."""

    async def story() -> None:
        markets = (exchange.spot, exchange.futures[0])
        fixed = {**common("fixed", LIMIT_SECONDS), "MM_ANCHOR_FIXED_PRICE": str(SPOT)}
        async with bots_on(exchange, tmp_path, markets, fixed) as bots:
            await all_of([bot.quotes_around(SPOT) for bot in bots])

    scenario(story())


def refusals(metrics: Mapping[str, float]) -> set[tuple[str, str]]:
    """Sources that were refused, and why."""
    found = set()
    for name in (n for n, count in metrics.items() if count and "anchor_refusals_total" in n):
        labels = dict(label.split("=") for label in name.partition("{")[2][:-1].split(","))
        found.add((labels["source"].strip('"'), labels["reason"].strip('"')))
    return found


def used(metrics: Mapping[str, float]) -> set[str]:
    """Sources that the anchor is made from."""
    names = (n for n, is_used in metrics.items() if is_used and "anchor_source_used" in n)
    return {name.partition('"')[2].rpartition('"')[0] for name in names}


async def made_from(bot: QuotingBot, *sources: str) -> Mapping[str, float]:
    """The first metrics that name just these sources: they are told at the end of a cycle."""
    while True:
        metrics = await bot.metrics()
        if used(metrics) == set(sources):
            return metrics


def test_a_median_lives_on_its_quorum(exchange: LocalExchange, tmp_path: Path) -> None:
    """With one of three frozen it is quoted on, the metrics naming who is used and who is too old;
    with two frozen it halts by name within the limit, and it comes back by itself."""

    async def story() -> None:
        async with (
            living_http(SPOT) as http,
            living_coinbase(SPOT) as coinbase,
            living_board(SPOT + 2) as board,
        ):
            environment = {
                **common("median", LIMIT_SECONDS, http, coinbase, board),
                "MM_ANCHOR_MEDIAN_OF": "http, coinbase*2, strails",
                "MM_CARRY_RATE_APR": "0",
            }
            markets = (exchange.spot, exchange.futures[0])
            async with bots_on(exchange, tmp_path, markets, environment) as bots:
                await all_of([bot.quotes_around(SPOT) for bot in bots])
                board.frozen = True
                metrics = await made_from(bots[0], "http", "coinbase")
                assert ("strails", "too old") in refusals(metrics)
                await all_of([bot.quotes_around(SPOT) for bot in bots])
                coinbase.frozen = True
                halted = await all_of([bot.halts(STALE) for bot in bots])
                assert halted <= LIMIT_SECONDS + HALT_SLACK_SECONDS
                while ("median", "no quorum") not in refusals(await bots[0].metrics()):
                    pass  # the halt goes by age and may come one read earlier
                coinbase.frozen = board.frozen = False
                again = await all_of([bot.quotes_around(SPOT) for bot in bots])
                print(f"median: halts {halted:.2f} s, again {again:.2f} s")

    scenario(story())


def test_a_devaluation_is_confirmed_and_quoting_re_arms_by_itself(
    exchange: LocalExchange, tmp_path: Path
) -> None:
    """The old price stays until three readings agree on one that is 10 % away; then the bot halts
    while the book still has the old one, and quotes around the new one when the book has moved."""

    async def story() -> None:
        new = SPOT * Decimal("1.1")
        spot = exchange.spot
        async with living_http(SPOT) as http:
            environment = common("http", 60, http)
            async with bots_on(exchange, tmp_path, (spot,), environment) as (bot,):
                async with strangers(exchange, spot, SPOT - 1, SPOT + 1):
                    await bot.quotes_around(SPOT)
                    http.price = new
                    seconds = await bot.halts("anchor deviation exceeded")
                    assert http.answers.count(new) >= 3
                    assert ("http", "jump") in refusals(await bot.metrics())
                    jumps = (await bot.metrics())[
                        'mm_bot_anchor_refusals_total{reason="jump",source="http"}'
                    ]
                    assert jumps == 2
                async with strangers(exchange, spot, new - 1, new + 1):
                    again = await bot.quotes_around(new)
                print(f"devaluation: taken {seconds:.2f} s, again {again:.2f} s")

    scenario(story())


def sizes(*sides: list[Quote]) -> set[int]:
    """To whole USDC: an order is of whole cNGN."""
    return {round(size) for side in sides for _, size in side}


async def bootstrapped(bot: QuotingBot, exchange: LocalExchange) -> None:
    """Wide and small on an empty book, then as usual around the book's own middle."""
    await bot.quotes_around(SPOT)
    bids, asks = bot.seen
    assert round(bids[0][0], 6) == SPOT * Decimal("0.995")  # twice 25 bps
    assert sizes(bids, asks) == {50}
    local = Decimal(1604)  # inside of our quotes, so that nothing trades
    async with strangers(exchange, exchange.spot, local - 2, local + 2):
        await bot.quotes_around(local)
        bids, asks = bot.seen
        assert round(bids[0][0], 6) == local * Decimal("0.9975")
        assert sizes(bids, asks) == {100}
        while not (await bot.metrics())['mm_bot_reference_source{source="book"}']:
            pass  # told at the end of the cycle, after its orders rest
    await bot.quotes_around(SPOT)


@pytest.mark.parametrize("provider", ["0x", "cngn-price-oracle"])
def test_an_empty_spot_book_is_bootstrapped(
    provider: str, exchange: LocalExchange, tmp_path: Path
) -> None:
    """Spread and size are those of the bootstrap until somebody else makes a book, and the book's
    own middle is the reference from then on."""

    async def story() -> None:
        environment = {
            BOOTSTRAP + "ENABLED": "true",
            BOOTSTRAP + "PROVIDER": provider,
            BOOTSTRAP + "MAX_AGE_SECONDS": "3",
        }
        async with living_zero_ex(SPOT) as (_, server), living_feed(exchange, SPOT):
            if provider == "0x":
                environment |= {
                    BOOTSTRAP + "BASE_URL": server.url,
                    BOOTSTRAP + "SELL_TOKEN": "0x" + "ab" * 20,
                    BOOTSTRAP + "BUY_TOKEN": "0x" + "cd" * 20,
                    BOOTSTRAP + "AMOUNT": "1000000",
                }
            async with bots_on(exchange, tmp_path, (exchange.spot,), environment) as (bot,):
                await bootstrapped(bot, exchange)
                await made_from(bot, provider)

    scenario(story())
