"""The whole edge against a running exchange: start-up, one cycle, a real match, and failures."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest

from integration_harness.stack.chain import Chain
from integration_harness.stack.orders import ExchangeClient, OrderTicket
from integration_harness.stack.orders import Signer as TakerSigner
from integration_harness.stack.up import LocalExchange, Part
from mm_bot.core.commands import PreparedOrder, Verdict
from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.orders import OrderStatus
from mm_bot.core.snapshot import Observation, OwnOrders
from mm_bot.errors import IdentityError, SettingsError, UnreachableError
from mm_bot.venues.checks import Checks
from mm_bot.venues.numo.config import NumoConfig
from mm_bot.venues.numo.exchange import NumoVenue
from mm_bot.venues.signing import Signer
from tests.venues.desk import new_order, venue_config, watch


@asynccontextmanager
async def opened(config: NumoConfig) -> AsyncIterator[NumoVenue]:
    """An exchange that has passed its checks; closed at the end."""
    venue = NumoVenue(config)
    try:
        await venue.open()
        yield venue
    finally:
        await venue.aclose()


def refusal(config: NumoConfig, kind: type[Exception]) -> str:
    """What start-up says to that configuration."""

    async def run() -> None:
        async with opened(config):
            pass

    with pytest.raises(kind) as caught:
        asyncio.run(run())
    assert config.owner_key.hex() not in str(caught.value)
    return str(caught.value)


def own(observed: Observation) -> OwnOrders:
    """Our orders, which were read."""
    assert observed.orders.error is None
    assert observed.orders.value is not None
    return observed.orders.value


def test_one_cycle_sees_everything(exchange: LocalExchange) -> None:
    """Book, trades, rows and balances come with their times, and the lock is held."""

    async def run() -> None:
        async with opened(venue_config(exchange, exchange.spot.symbol)) as venue:
            began_ms = time.time_ns() // 10**6
            seen = await venue.observe(watch(include_unexpired=True))
            for part in (seen.book, seen.trades, seen.orders, seen.balances):
                assert part.error is None
                assert part.value is not None
            assert seen.lock_held
            assert seen.book.as_of_ms is not None
            assert seen.book.as_of_ms >= began_ms
            assert seen.balances.value is not None
            assert seen.balances.as_of_ms == seen.balances.value.block_time_ms
            assert seen.balances_read_ms is not None
            assert seen.balances.value.base > Size.of(0)

    asyncio.run(run())


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("spot", [True, False], ids=["spot", "future"])
def test_our_signature_is_taken_by_the_chain(
    exchange: LocalExchange, spot: bool, side: Side
) -> None:
    """A stranger takes our order: it is matched on chain, and comes back as our fill, at our price
    and size, with the balances moved by it."""
    instrument = exchange.spot if spot else exchange.futures[0]
    price, size = ("1600", "8") if spot else ("1600", "0.005")
    taker = TakerSigner(exchange.deployment, exchange.deployment.takers[0])
    ticket = OrderTicket(
        instrument=instrument,
        side="sell" if side is Side.BUY else "buy",
        price=Decimal(price),
        size=Decimal(size),
    )

    async def run() -> None:
        async with opened(venue_config(exchange, instrument.symbol)) as venue:
            before = await venue.observe(watch())
            cursor = own(before).newest_trade_id or 0
            signed = venue.prepare(new_order(venue.instrument, side, price, size))
            assert (await venue.place(signed, lambda: True)).verdict is Verdict.ACCEPTED
            with ExchangeClient(exchange.api_url) as client:
                await asyncio.to_thread(client.place, taker.order_body(ticket))
            seen = await filled(venue, signed, cursor)
            fill = own(seen).fills[0]
            assert (fill.side, fill.price, fill.is_maker) == (side, Price.of(price), True)
            assert fill.size == Size.of(size)
            assert fill.completes_order
            assert fill.trade_id in own(seen).own_trade_ids
            (row,) = (r for r in own(seen).rows if r.order_id == signed.order.order_id)
            assert row.status is OrderStatus.FILLED
            assert before.balances.value is not None
            assert seen.balances.value is not None
            moved = seen.balances.value.base - before.balances.value.base
            assert moved == (Size.of(size) if side is Side.BUY else -Size.of(size))
            assert seen.balances.value.settled == {row.order_id: row.filled_steps}
            assert row.lot.times(Decimal(row.filled_steps)) == row.original_size
            assert seen.trades.value is not None
            assert seen.trades.value[0].price == Price.of(price)

    asyncio.run(run())


async def filled(venue: NumoVenue, signed: PreparedOrder, cursor: int) -> Observation:
    """The observation that first has a fill of that order, with the balances after it."""
    order = signed.order
    settling = ((order.order_id, order.nonce),)
    asked = watch(order_ids=(order.order_id,), settling=settling, fills_after=cursor)
    for _ in range(200):
        if own(await venue.observe(asked)).fills:
            return await venue.observe(asked)
        await asyncio.sleep(0.05)
    raise AssertionError("no fill within 10 s")


def test_an_order_lives_and_dies(exchange: LocalExchange) -> None:
    """Placed, seen in rows and book, a copy conflicts, cancelled with our reason, a second cancel
    stays unknown."""

    async def run() -> None:
        async with opened(venue_config(exchange, exchange.spot.symbol)) as venue:
            signed = venue.prepare(new_order(venue.instrument, Side.BUY, "1200.37", "10"))
            order = signed.order
            assert (await venue.place(signed, lambda: True)).verdict is Verdict.ACCEPTED
            again = await venue.place(signed, lambda: True)
            assert (again.verdict, again.conflict) == (Verdict.UNKNOWN, True)
            asked = watch(order_ids=(order.order_id,), nonces=(order.nonce,))
            seen = await venue.observe(asked)
            assert [r.price for r in own(seen).rows] == [order.price]
            assert [x.foreign for x in own(seen).lookups] == [False]
            for _ in range(20):  # 404 while the matcher holds it
                if (await cancel(venue, signed)) is Verdict.ACCEPTED:
                    break
                await asyncio.sleep(0.02)
            (row,) = own(await venue.observe(asked)).rows
            assert row.status is OrderStatus.CANCELLED
            assert row.cancel_reason == "", "the exchange keeps none"
            assert (await cancel(venue, signed)) is Verdict.UNKNOWN
        later = NumoVenue(venue_config(exchange, exchange.spot.symbol))
        assert await later.open() >= order.nonce  # the owner has other markets
        await later.aclose()

    asyncio.run(run())


async def cancel(venue: NumoVenue, signed: PreparedOrder) -> Verdict:
    outcome = await venue.cancel(signed.order.order_id, signed.order.nonce, "test")
    return outcome.verdict


def test_a_session_key_signs_orders_and_the_owner_cancels(exchange: LocalExchange) -> None:
    """With a registered key as signer the bot opens, places, and cancels in the owner's name."""
    key = bytes([9]) * 31 + b"\x01"
    address = Signer(key).address
    config = venue_config(exchange, exchange.spot.symbol, signer_key=key, signer=address)
    with Chain(exchange.rpc_url, exchange.deployment) as chain:
        chain.register_session_key(exchange.deployment.maker, address, int(time.time()) + 3600)

    async def run() -> None:
        async with opened(config) as venue:
            signed = venue.prepare(new_order(venue.instrument, Side.SELL, "2000", "10"))
            placed = await venue.place(signed, lambda: True)
            assert placed.verdict is Verdict.ACCEPTED, placed.detail
            for _ in range(20):
                if (await cancel(venue, signed)) is Verdict.ACCEPTED:
                    return
                await asyncio.sleep(0.02)
            raise AssertionError("not cancelled")

    asyncio.run(run())


async def lock_told(venue: NumoVenue) -> str:
    """What a check says of the one-writer lock."""
    checks = Checks()
    await venue.check(checks)
    (told,) = (c.detail for c in checks.found if c.name == "one-writer lock")
    return told


def test_the_second_writer_is_told_who_is_first(exchange: LocalExchange) -> None:
    """Another process on the same market and subaccount ends; a dry run does not care; one that
    waits is told, and takes over; a command holds up nobody while it only reads."""
    config = venue_config(exchange, exchange.spot.symbol)

    async def run() -> None:
        command = NumoVenue(config.for_command(5_000))
        for _ in range(100):  # a session that was closed just now may not have ended
            if await lock_told(command) == "free":
                break
            await asyncio.sleep(0.05)
        assert await lock_told(command) == "free", "a command that reads takes nothing"
        await command.own_orders(watch())
        first = NumoVenue(config)
        await first.open()
        assert "'mm-bot USDCcNGN-SPOT" in (await command.claim() or "")
        await command.aclose()
        second = NumoVenue(config)
        with pytest.raises(IdentityError, match=r"another process .* 'mm-bot USDCcNGN-SPOT"):
            await second.open()
        await second.aclose()
        async with opened(dataclasses.replace(config, dry_run=True)) as dry:
            assert (await dry.observe(watch())).lock_held
        told, heard = [], asyncio.Event()

        def hear(holder: str) -> None:
            told.append(holder)
            heard.set()

        waiting = NumoVenue(dataclasses.replace(config, wait_for_lock=True))
        opening = asyncio.ensure_future(waiting.open(hear))
        await heard.wait()
        await first.aclose()
        await opening
        assert "pid=" in told[0]
        assert (await waiting.observe(watch())).lock_held
        await waiting.aclose()

    asyncio.run(run())


def test_wrong_identities_are_each_named(exchange: LocalExchange) -> None:
    """Market, chain, contracts, domain, subaccounts and key: each fault has its own words."""
    right = venue_config(exchange, exchange.spot.symbol)
    deployment = exchange.deployment
    stranger = deployment.accounts["stranger"]
    theirs = deployment.takers[0].subaccount_ids[0]
    session = bytes([9]) * 32

    def said(**changes: Any) -> str:
        return refusal(dataclasses.replace(right, **changes), IdentityError)

    assert exchange.spot.symbol in said(market_symbol="USDCcNGN-NOPE")
    assert f"chain {exchange.chain_id}, not 8453" in said(chain_id=8453)
    assert "SubAccounts at" in said(sub_accounts="0x" + "12" * 20)
    assert "signing domain" in said(matching=deployment.addresses.trade)
    assert "does not exist" in said(subaccount_id=10**6, recipient_id=10**6)
    held = said(subaccount_id=stranger.subaccount_ids[0])
    assert "not by Matching" in held
    assert f"belongs to {deployment.takers[0].address.lower()}" in said(subaccount_id=theirs)
    assert f"recipient subaccount {theirs} belongs to" in said(recipient_id=theirs)
    no_key = said(signer_key=session, signer=Signer(session).address)
    assert "no live session key" in no_key
    assert "never registered" in no_key


def test_a_tick_that_does_not_fit_is_a_fault_of_the_settings(exchange: LocalExchange) -> None:
    """Half a cNGN is no tick of a future."""
    config = venue_config(exchange, exchange.futures[0].symbol, price_tick=Price.of("0.5"))
    assert "no multiple" in refusal(config, SettingsError)


def test_what_is_down_is_named_without_credentials(exchange: LocalExchange) -> None:
    """API, node, database, and a wrong password: each by its address, with no secret in it."""
    right = venue_config(exchange, exchange.spot.symbol, reach_timeout_ms=1_500)
    database = httpx.URL(exchange.database_url)

    def said(**changes: Any) -> str:
        text = refusal(dataclasses.replace(right, **changes), UnreachableError)
        assert "s3cret" not in text
        return text

    assert "markets API at http://127.0.0.1:9 " in said(api_base_url="http://u:s3cret@127.0.0.1:9")
    assert "chain node at http://127.0.0.1:9 " in said(rpc_url="http://127.0.0.1:9/v2/s3cret")
    assert "Postgres at 127.0.0.1:9/x " in said(database_url="postgresql://u:s3cret@127.0.0.1:9/x")
    wrong = said(database_url=str(database.copy_with(username="nobody", password="s3cret")))
    assert "check user, password" in wrong
    assert "nobody" not in wrong


@pytest.mark.parametrize("part", ["api", "node", "postgres"])
def test_a_frozen_part_keeps_its_age_and_spares_the_others(
    exchange: LocalExchange, part: Part
) -> None:
    """Nothing answers: that part says so within its timeout and keeps its last value and time (own
    orders never do); the others are as fresh as ever; thawed, everything is back."""
    config = venue_config(exchange, exchange.spot.symbol, request_timeout_ms=1_500)

    async def run() -> None:
        async with opened(config) as venue:
            before = await venue.observe(watch())
            exchange.freeze(part)
            try:
                began = time.monotonic()
                seen = await venue.observe(watch())
                assert time.monotonic() - began < 10
            finally:
                exchange.thaw(part)
            errors = {
                "api": seen.book.error,
                "node": seen.balances.error,
                "postgres": seen.orders.error,
            }
            if part == "postgres":
                # The API reads its book there.
                assert (seen.orders.value, seen.lock_held) == (None, False)
                assert seen.balances.error is None
            else:
                assert [name for name, error in errors.items() if error] == [part]
            assert errors[part]
            assert seen.book.value is not None
            assert seen.balances.value is not None
            if part == "api":
                assert seen.book.as_of_ms == before.book.as_of_ms
            for _ in range(50):
                after = await venue.observe(watch())
                parts = (after.book, after.trades, after.orders, after.balances)
                if after.lock_held and not any(p.error for p in parts):
                    return
                await asyncio.sleep(0.05)
            raise AssertionError("not back within reach")

    asyncio.run(run())
