"""Rows, answers and events of the other exchanges, whatever they hold: a value or an `EdgeError`,
nothing else. A socket goes on after each event, or is made anew; it never ends for good."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import Server, ServerConnection, serve

from mm_bot.clock import SystemClock
from mm_bot.core.instrument import Instrument
from mm_bot.errors import EdgeError
from mm_bot.io.shapes import Reader
from mm_bot.venues.coinbase import wire as coinbase
from mm_bot.venues.coinbase.stream import Socket, book_after, polled_book
from mm_bot.venues.coinbase.token import Tokens
from mm_bot.venues.derive import levels as derive_levels
from mm_bot.venues.derive import wire as derive
from mm_bot.venues.derive.config import DeriveConfig
from mm_bot.venues.derive.their_clock import TheirClock
from mm_bot.venues.derive.venue import DeriveVenue
from mm_bot.venues.ethereal import levels
from mm_bot.venues.ethereal import wire as ethereal
from mm_bot.venues.ethereal.stream import Stream
from mm_bot.venues.levels import MOST_LEVELS, LevelBook, bounded
from tests.test_hostile import damaged
from tests.venues.coinbase import test_wire as of_coinbase
from tests.venues.ethereal import test_levels as of_ethereal
from tests.venues.ethereal.test_stream import until
from tests.venues.ethereal.test_vectors import PRODUCT
from tests.venues.test_hostile import VALUES

HUGE = "9" * 48
PERPETUAL = {
    "instrument_type": "perp",
    "instrument_name": "ETH-PERP",
    "base_currency": "ETH",
    "quote_currency": "USDC",
    "tick_size": "0.01",
    "amount_step": "0.01",
    "minimum_amount": "0.1",
    "base_asset_address": "0x" + "aa" * 20,
    "base_asset_sub_id": "0",
    "taker_fee_rate": "0.0003",
    "base_fee": "0.1",
}
THERE = derive.instrument(PERPETUAL, price_tick=None, margin_rate=Decimal("0.1"))
THEIRS = TheirClock()
DERIVE_ORDER = {
    "instrument_name": "ETH-PERP",
    "direction": "buy",
    "limit_price": "2000",
    "amount": "1",
    "filled_amount": "0",
    "label": "mm:ETH-PERP:buy:7",
    "nonce": 7,
    "order_status": "open",
    "creation_timestamp": 1,
    "signature_expiry_sec": 2,
    "cancel_reason": "",
    "order_id": "x",
}
DERIVE_TRADE = {
    "instrument_name": "ETH-PERP",
    "timestamp": 5,
    "trade_price": "2000",
    "trade_amount": "1",
    "label": "mm:ETH-PERP:buy:7",
    "trade_id": "t",
    "direction": "buy",
    "liquidity_role": "maker",
    "trade_fee": "0.1",
}
COINBASE_FILL = {
    "trade_type": "FILL",
    "trade_time": "2026-11-25T16:00:00Z",
    "price": "65000",
    "size": "0.001",
    "order_id": "1111",
    "entry_id": "e",
    "side": "BUY",
}
ETHEREAL_FILL = {
    "id": "f",
    "orderId": "o",
    "createdAt": 5,
    "price": "65000",
    "filled": "0.1",
    "side": 0,
    "isMaker": True,
}
ACCOUNT = {
    "open_orders": [DERIVE_ORDER],
    "positions": [{"instrument_name": "ETH-PERP", "amount": "-1"}],
    "collaterals": [{"asset_name": "USDC", "amount": "10"}],
}


@dataclass(frozen=True, slots=True)
class Case:
    """A body that its parser takes, and the parser."""

    whole: dict[str, Any]
    parse: Callable[[Any], object] = field(repr=False)


COINBASE_BOOK = {
    "type": "snapshot",
    "updates": [{"side": "bid", "price_level": "10", "new_quantity": "1"}],
}
DERIVE_BOOK = {"publish_id": 1, "bids": [["10", "1"]], "asks": [["11", "1"]]}
CASES = {
    "coinbase product": Case(
        dict(of_coinbase.PRODUCT), lambda body: coinbase.instrument(body, price_tick=None)
    ),
    "coinbase order": Case(
        dict(of_coinbase.ORDER), lambda body: coinbase.order(body, of_coinbase.LENS)
    ),
    "coinbase fill": Case(COINBASE_FILL, lambda body: coinbase.fill(body, of_coinbase.LENS, {})),
    "coinbase book": Case(COINBASE_BOOK, lambda body: book_after(None, body, 1)),
    "coinbase polled": Case({"pricebook": {"bids": [], "asks": []}}, lambda b: polled_book(b, 1)),
    "coinbase wallets": Case(
        {"currency": "USD", "available_balance": {"value": "1"}, "hold": {"value": "1"}},
        lambda body: coinbase.wallets([body]),
    ),
    "ethereal product": Case(
        dict(PRODUCT),
        lambda body: ethereal.instrument(body, price_tick=None, margin_rate=Decimal("0.2")),
    ),
    "ethereal fill": Case(ETHEREAL_FILL, lambda body: ethereal.fill(body, of_ethereal.LENS, {})),
    "ethereal book": Case(dict(of_ethereal.FULL), lambda body: levels.followed(None, body)),
    "ethereal polled": Case({"timestamp": 1, "bids": [], "asks": []}, levels.polled),
    "derive instrument": Case(
        PERPETUAL,
        lambda body: derive.instrument(body, price_tick=None, margin_rate=Decimal("0.1")),
    ),
    "derive order": Case(
        DERIVE_ORDER, lambda body: derive.order(body, THERE, ("manual:",), THEIRS)
    ),
    "derive fill": Case(DERIVE_TRADE, lambda body: derive.fill(body, THERE, THEIRS)),
    "derive trade": Case(DERIVE_TRADE, lambda body: derive_levels.trade(body, THEIRS)),
    "derive book": Case(DERIVE_BOOK, lambda body: derive_levels.book(body, ())),
    "derive account": Case(ACCOUNT, lambda body: derive.holdings(body, THERE)),
    "derive open orders": Case(ACCOUNT, derive.open_orders),
    "derive limits": Case({"instrument_ticker": {"minp": "1", "maxp": "2"}}, derive_levels.limits),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_body_that_is_whole_is_taken(name: str) -> None:
    """Else what follows would damage nothing."""
    case = CASES[name]
    case.parse(case.whole)


@pytest.mark.parametrize("name", sorted(CASES))
@settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_body_is_an_edge_error_or_a_value(name: str, data: st.DataObject) -> None:
    """One member of it, at any depth, is anything at all, or missing, or as large as can be."""
    case = CASES[name]
    body = data.draw(damaged(case.whole) | damaged_by_size(case.whole) | VALUES)
    if name == "coinbase book" and not isinstance(body, dict):
        return  # its events are objects by then
    with contextlib.suppress(EdgeError):
        case.parse(body)


def damaged_by_size(whole: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """One number of it is as long as numbers may be."""
    numbers = sorted(name for name, value in whole.items() if isinstance(value, str | int))
    if not numbers:
        return st.just(whole)
    return st.sampled_from(numbers).map(lambda name: {**whole, name: HUGE})


@given(price=st.sampled_from(("0", HUGE)), size=st.sampled_from(("0", HUGE, "1")))
def test_an_order_of_any_size_is_counted_in_whole_steps(price: str, size: str) -> None:
    """Of the two exchanges that count in steps of their grid."""
    terms = {"base_size": size, "limit_price": price}
    body = {**of_coinbase.ORDER, "filled_size": size}
    body["order_configuration"] = {"limit_limit_gtc": terms}
    seen = coinbase.order(body, of_coinbase.LENS)
    assert seen.filled_steps == int(size) * 10**8
    market: Instrument = of_ethereal.MARKET
    found = ethereal.fill({**ETHEREAL_FILL, "filled": size}, of_ethereal.LENS, {})
    assert found.steps == market.steps(found.size)


def test_a_book_that_only_ever_grows_is_refused() -> None:
    """Each change fits its message, and none of them takes anything away."""
    many = {Decimal(price): Decimal(1) for price in range(MOST_LEVELS + 1)}
    with pytest.raises(EdgeError, match="100001"):
        bounded(LevelBook(bids=many, asks={}, at_ms=1), Reader("x"))


ODD: tuple[Any, ...] = (None, 5, True, "x", [], [[]], [5], {}, {"a": 1}, [{"id": []}], 10**18)
GOOD_TRADE = {"id": "good", "px": "65000", "sz": "1", "sids": ["s"]}


def test_ethereal_s_socket_goes_on_after_any_event() -> None:
    """Odd values wherever an event has members; the trade after all of them is heard."""
    said: list[Any] = [*ODD]
    for odd in ODD:
        said += [{"e": "TradeFill", "data": odd}, {"e": odd, "data": odd}, {"ok": odd}]
        said.append({"e": "L2Book", "data": {**of_ethereal.FULL, "b": odd}})
        for trades in (odd, [{**GOOD_TRADE, "id": odd}], [{**GOOD_TRADE, "px": odd}]):
            said.append({"e": "TradeFill", "data": {"s": "BTCUSD", "t": 1, "d": trades}})
        sides = [{**GOOD_TRADE, "id": f"sides {odd}", "sids": odd}]
        said.append({"e": "TradeFill", "data": {"s": "BTCUSD", "t": 1, "d": sides}})
    said.append({"e": "TradeFill", "data": {"s": "BTCUSD", "t": 2, "d": [GOOD_TRADE]}})

    async def server(socket: ServerConnection) -> None:
        books = 0
        async for raw in socket:
            asked = orjson.loads(raw)
            await socket.send('{"ok":true}')
            if asked["event"] == "subscribe" and asked["data"]["type"] == "L2Book":
                books += 1
                await socket.send(orjson.dumps({"e": "L2Book", "data": of_ethereal.FULL}).decode())
                if books == 1:
                    for message in said:
                        await socket.send(orjson.dumps(message).decode())

    async def whole() -> None:
        async with serve(server, "127.0.0.1", 0) as serving:
            stream = Stream(address(serving), "BTCUSD", "s", lambda: None, timeout_s=5)
            stream.start()
            try:
                await until(lambda: any(trade.at_ms == 2 for trade in stream.trades))
                await until(stream.up.is_set)
                assert stream.sessions == 1
            finally:
                await stream.aclose()

    asyncio.run(whole())


def test_derive_s_socket_goes_on_after_any_message(tmp_path: Path) -> None:
    """Odd values for the number of an answer, its result and what is pushed; the question after all
    of them has its answer."""
    said: list[Any] = [*ODD]
    for odd in ODD:
        said += [{"id": odd, "result": odd}, {"method": odd}]
        for channel in ("orderbook.ETH-PERP.1.20", "trades.ETH-PERP", "ticker_slim.x", "7.orders"):
            pushed = {"channel": channel, "data": odd}
            said.append({"method": "subscription", "params": pushed})
        for side in ("bids", "asks"):
            book = {"publish_id": len(said), "timestamp": 1, "bids": [], "asks": [], side: odd}
            pushed = {"channel": "orderbook.ETH-PERP.1.20", "data": book}
            said.append({"method": "subscription", "params": pushed})

    async def server(socket: ServerConnection) -> None:
        for message in said:
            await socket.send(orjson.dumps(message).decode())
        async for raw in socket:
            number = orjson.loads(raw)["id"]
            await socket.send(orjson.dumps({"id": number, "result": "heard"}).decode())

    async def ready() -> None:
        return None

    async def whole() -> None:
        async with serve(server, "127.0.0.1", 0) as serving:
            venue = DeriveVenue(derive_config(address(serving), tmp_path), SystemClock())
            api = venue._api
            api.start(ready)
            try:
                async with asyncio.timeout(20):
                    await api.up.wait()
                    assert await api.read("public/x", {}) == "heard"
            finally:
                await venue.aclose()

    asyncio.run(whole())


def test_coinbase_s_socket_is_made_anew_after_what_cannot_be_read() -> None:
    """A message that cannot be read ends its connection alone, with the reason told."""
    odd: list[Any] = [[], {"sequence_num": []}, {"sequence_num": 1, "channel": [], "events": None}]
    for events in (5, "x", False):
        odd.append({"sequence_num": 1, "channel": "l2_data", "events": events})

    async def server(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send('{"sequence_num":0,"channel":"l2_data","events":[]}')
        if odd:
            await socket.send(orjson.dumps(odd.pop()).decode())
        await socket.wait_closed()

    async def whole() -> None:
        async with serve(server, "127.0.0.1", 0) as serving:
            socket = Socket(
                address(serving),
                ("level2",),
                "BTC-USD",
                Tokens("k", b"\x05" * 32),
                lambda channel, event: None,
                first="l2_data",
                timeout_s=5,
            )
            socket.start()
            try:
                await until(lambda: socket.sessions == 7)
            finally:
                await socket.aclose()

    asyncio.run(whole())


def address(serving: Server) -> str:
    return f"ws://127.0.0.1:{next(iter(serving.sockets)).getsockname()[1]}"


def derive_config(socket_url: str, folder: Path) -> DeriveConfig:
    return DeriveConfig(
        socket_url=socket_url,
        http_url="http://127.0.0.1:9",
        chain_id=1,
        owner="0x" + "11" * 20,
        signer_key=b"\x01" * 32,
        signer="0x" + "11" * 20,
        subaccount_id=7,
        market_symbol="ETH-PERP",
        price_tick=None,
        margin_rate=Decimal("0.1"),
        protected_prefixes=(),
        lock_file=folder / "lock",
        requests_per_minute=6_000,
        dry_run=True,
        wait_for_lock=False,
        request_timeout_ms=5_000,
    )
