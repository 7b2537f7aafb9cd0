"""Attacks on the reference, with the bot as a process on the local exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from integration_harness.stack.orders import ExchangeClient, OrderTicket, Signer
from integration_harness.stack.quantities import Side
from integration_harness.stack.up import LocalExchange
from mm_bot.cli.main import main
from tests.prices.bots import QuotingBot, bots_on
from tests.prices.living import living_http
from tests.prices.test_quoting_from_anchors import SPOT, common, refusals, scenario

LOOK_SECONDS = 0.05


@asynccontextmanager
async def resting(
    exchange: LocalExchange, bid: str, ask: str, size: Decimal
) -> AsyncIterator[None]:
    """A stranger's two orders of that size, gone afterwards."""
    signer = Signer(exchange.deployment, exchange.deployment.takers[0])
    sides: dict[Side, str] = {"buy": bid, "sell": ask}
    with ExchangeClient(exchange.api_url) as client:
        placed = []
        for side, price in sides.items():
            ticket = OrderTicket(
                instrument=exchange.spot, side=side, price=Decimal(price), size=size
            )
            placed.append(await asyncio.to_thread(client.place, signer.order_body(ticket)))
        try:
            yield
        finally:
            for order in placed:
                await gone(client, signer, int(order["nonce"]))


async def gone(client: ExchangeClient, signer: Signer, nonce: int) -> None:
    """Cancelled, past the blinks of the matcher."""
    while True:
        try:
            await asyncio.to_thread(client.cancel, signer.cancel_body(nonce))
        except httpx.HTTPStatusError as error:
            if error.response.status_code != 404:
                raise
            await asyncio.sleep(LOOK_SECONDS)
        else:
            return


async def candidate(bot: QuotingBot, source: str, begins: str) -> dict[str, Any]:
    """The reference of the first cycle in which that source is out for that reason."""
    while True:
        try:
            status = await asyncio.to_thread(bot.process.status)
        except httpx.TransportError:
            status = {}  # it does not listen yet
        reference: dict[str, Any] = status.get("reference") or {"candidates": []}
        for each in reference["candidates"]:
            if each["source"] == source and each["why_not"].startswith(begins):
                return reference
        await asyncio.sleep(LOOK_SECONDS)


@pytest.mark.parametrize(("bid", "ask"), [("1676", "1678"), ("3000", "3002")])
def test_dust_makes_no_price_where_there_is_no_other(
    bid: str, ask: str, exchange: LocalExchange, tmp_path: Path
) -> None:
    """No anchor and an empty book: 0.001 a side is no reference, so nothing is quoted into it."""

    async def story() -> None:
        async with (
            bots_on(exchange, tmp_path, (exchange.spot,), {}) as (bot,),
            resting(exchange, bid, ask, Decimal("0.001")),
        ):
            reference = await candidate(bot, "book", "too small: bid size of others 0.00")
            assert reference["price"] is None
            assert await bot.quotes() == ([], [])
            assert "reference price unavailable" in await bot.reasons()

    scenario(story())


def test_absurd_dust_halts_nobody(exchange: LocalExchange, tmp_path: Path) -> None:
    """Beside a good anchor a stranger's dust order far off is neither mid nor deviation."""

    async def story() -> None:
        async with living_http(SPOT) as http:
            environment = common("http", 60, http)
            async with bots_on(exchange, tmp_path, (exchange.spot,), environment) as (bot,):
                await bot.quotes_around(SPOT)
                async with resting(exchange, "1", "99999999", Decimal("1.5")):
                    reference = await candidate(bot, "book", "too small: bid size of others")
                    assert reference["deviation_bps"] is None
                    assert reference["source"] == "anchor"
                    assert await bot.reasons() == ()

    scenario(story())


@pytest.mark.parametrize("price", ["0.000625", "1600000", "999999999999"])
def test_a_first_reading_of_another_unit_is_not_quoted(
    price: str, exchange: LocalExchange, tmp_path: Path
) -> None:
    """Nothing is known yet and the book is empty: the bounds of a cNGN market refuse it."""

    async def story() -> None:
        async with living_http(Decimal(price)) as http:
            environment = common("http", 60, http)
            async with bots_on(exchange, tmp_path, (exchange.spot,), environment) as (bot,):
                reference = await candidate(bot, "anchor", "implausible: ")
                assert f"{Decimal(price)} outside 100 .. 100000" in str(reference["candidates"])
                assert ("http", "implausible") in refusals(await bot.metrics())
                assert await bot.quotes() == ([], [])

    scenario(story())


def test_a_hard_jump_waits_for_the_operator_and_needs_no_restart(
    exchange: LocalExchange, tmp_path: Path
) -> None:
    """Ten readings of 2400 after 1600 change nothing, nor does a restart, which knows 1600 from
    the state file; `accept-reference 2400` does, at once."""

    async def story() -> None:
        async with living_http(SPOT) as http:
            new = Decimal(2400)
            environment = common("http", 60, http)
            markets = (exchange.spot,)
            async with bots_on(exchange, tmp_path, markets, environment) as (bot,):
                await bot.quotes_around(SPOT)
                http.price = new
                refused = 'mm_bot_anchor_refusals_total{reason="unconfirmed jump",source="http"}'
                while (await bot.metrics()).get(refused, 0) < 10:
                    pass  # each look is a request
                await bot.quotes_around(SPOT)
            async with bots_on(exchange, tmp_path, markets, environment) as (bot,):
                await candidate(bot, "anchor", "unconfirmed jump: 1600 -> 2400")
                assert await bot.quotes() == ([], [])
                state = tmp_path / f"{exchange.spot.symbol}.json"
                whole = {**exchange.bot_environment(exchange.spot.symbol), **environment}
                whole["MM_STATE_FILE"] = str(state)
                assert await asyncio.to_thread(main, ["accept-reference", "2400"], whole) == 0
                await bot.quotes_around(new)

    scenario(story())


@pytest.mark.parametrize("price", ["0", "-1", "abc", "1e9", "99", "100001"])
def test_a_price_that_cannot_be_is_not_accepted(
    price: str, exchange: LocalExchange, tmp_path: Path
) -> None:
    """No price, or outside of the bounds: exit code 2, and no file."""
    whole = {**exchange.bot_environment(exchange.spot.symbol)}
    whole["MM_STATE_FILE"] = str(tmp_path / "state.json")
    assert main(["accept-reference", "--", price], whole) == 2
    assert list(tmp_path.iterdir()) == []
