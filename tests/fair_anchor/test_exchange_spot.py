"""Spot from the exchange itself: its book and trades, the human way round, on a local exchange."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from integration_harness.stack.deployment import Account
from integration_harness.stack.orders import ExchangeClient, OrderTicket, Signer
from integration_harness.stack.quantities import Side
from integration_harness.stack.up import ExchangeOptions, LocalExchange
from tests.fair_anchor.support import SPOT, Service, running

ENGINE_PRICE = "0.000625"


@pytest.fixture(scope="module")
def quiet() -> Iterator[LocalExchange]:
    """An exchange whose matcher looks once an hour: crossed orders stay, and nothing blinks."""
    with LocalExchange(ExchangeOptions(matcher_poll_ms=3_600_000)) as exchange:
        yield exchange


@dataclass(kw_only=True)
class Desk:
    """Places orders and trades on the spot market and takes them back."""

    exchange: LocalExchange
    client: ExchangeClient
    placed: list[tuple[Signer, int]] = field(default_factory=list)

    def order(self, who: Account, side: Side, price: str, size: str = "100") -> dict[str, Any]:
        """A resting human order, of USDC."""
        signer = Signer(self.exchange.deployment, who)
        body = signer.order_body(
            OrderTicket(
                instrument=self.exchange.spot, side=side, price=Decimal(price), size=Decimal(size)
            )
        )
        self.placed.append((signer, int(body["nonce"])))
        return self.client.place(body)

    def healthy(self, who: Account) -> None:
        """A book of 1592 / 1608."""
        self.order(who, "buy", "1592")
        self.order(who, "sell", "1608")

    def trade(self, price: str, seconds_ago: int, size: str = "160000") -> None:
        """A row of `trade_fills`, engine-priced and of so many cNGN, as the matcher writes it."""
        orders = [self.order(self.exchange.deployment.takers[0], "buy", "1") for _ in range(2)]
        self.cancel()
        with psycopg.connect(self.exchange.admin_database_url, autocommit=True) as connection:
            connection.execute(
                """INSERT INTO trade_fills (asset_address, sub_id, price, size, aggressor_side,
                   taker_order_id, maker_order_id, created_at)
                   VALUES (%s, 0, %s, %s, 'buy', %s, %s,
                           clock_timestamp() - make_interval(secs => %s))""",
                (
                    self.exchange.spot.asset_address,
                    price,
                    size,
                    orders[0]["order_id"],
                    orders[1]["order_id"],
                    seconds_ago,
                ),
            )

    def cancel(self) -> None:
        """Takes every order back."""
        for signer, nonce in self.placed:
            self.client.cancel(signer.cancel_body(nonce))
        self.placed.clear()

    def clear(self) -> None:
        """No orders, no trades."""
        self.cancel()
        with psycopg.connect(self.exchange.admin_database_url, autocommit=True) as connection:
            connection.execute("TRUNCATE trade_fills")


@pytest.fixture
def desk(quiet: LocalExchange) -> Iterator[Desk]:
    with ExchangeClient(quiet.api_url) as client:
        desk = Desk(exchange=quiet, client=client)
        yield desk
        desk.clear()


@pytest.fixture
def services(quiet: LocalExchange, tmp_path: Path) -> Iterator[ServiceFactory]:
    with ExitStack() as stack:
        yield ServiceFactory(quiet, tmp_path, stack)


class ServiceFactory:
    """Starts services on the exchange, ended with the test."""

    def __init__(self, exchange: LocalExchange, folder: Path, stack: ExitStack) -> None:
        self._exchange = exchange
        self._folder = folder
        self._stack = stack

    def __call__(self, **changes: str) -> Service:
        environment = {
            "FAIR_ANCHOR_API_BASE_URL": self._exchange.api_url,
            "FAIR_ANCHOR_CACHE_MS": "10",
            **{f"FAIR_ANCHOR_{name}": text for name, text in changes.items()},
        }
        return self._stack.enter_context(running(self._folder, environment))


def test_the_inverted_book_of_1592_and_1608_is_1600(desk: Desk, services: ServiceFactory) -> None:
    """The engine's bids are human asks; the mid is of human prices, and each listed future with
    its own expiry is priced from it without being named in the settings."""
    desk.healthy(desk.exchange.deployment.takers[0])
    service = services(RATE_APR="0.1")
    found = [service.price(future.symbol).body for future in desk.exchange.futures]
    assert [body["source"] for body in found] == ["book", "book"]
    assert [body["spot"] for body in found] == [1600, 1600]
    assert 1600 < found[0]["price"] < found[1]["price"]
    health = service.get("/healthz").body
    assert health["status"] == "ok"
    assert set(health["fair"]) == {future.symbol for future in desk.exchange.futures}


def test_dust_moves_neither_the_mid_nor_the_last_trade(
    desk: Desk, services: ServiceFactory
) -> None:
    """Orders and trades of others below FAIR_ANCHOR_MIN_SIZE cost nobody anything: a stranger's
    crumbs, also with himself, tell no price, and a book of crumbs alone is none."""
    taker, future = desk.exchange.deployment.takers[0], desk.exchange.futures[0].symbol
    desk.trade(ENGINE_PRICE, seconds_ago=2)
    desk.trade("0.0005", seconds_ago=1, size="200")  # 0.1 USDC at 2000
    desk.order(taker, "buy", "1676", "0.1")
    desk.order(taker, "sell", "1678", "0.1")
    by_trade = services(SPOT_SOURCES="book,trade").price(future)
    assert (by_trade.body["spot"], by_trade.body["source"]) == (1600, "trade")
    desk.healthy(taker)
    by_book = services(SPOT_SOURCES="book")
    assert by_book.until(200, future).body["spot"] == 1600
    anything = services(SPOT_SOURCES="trade", MIN_SIZE="0").price(future)
    assert anything.body["spot"] == 2000


def test_orders_of_ignored_owners_are_not_in_the_book(desk: Desk, services: ServiceFactory) -> None:
    """Our own bots' orders, of several owners, move the mid not at all."""
    maker, others = desk.exchange.deployment.maker, desk.exchange.deployment.takers
    desk.order(maker, "buy", "1599")
    desk.order(others[1], "sell", "1600")
    ignoring = services(SPOT_SOURCES="book", IGNORE_OWNERS=f"{maker.address},{others[1].address}")
    future = desk.exchange.futures[0].symbol
    assert ignoring.price(future).tried()["book"].startswith("one-sided book: no order of others")
    desk.healthy(others[0])
    assert ignoring.until(200, future).body["spot"] == 1600
    plain = services(SPOT_SOURCES="book")
    assert plain.price(future).body["spot"] == Decimal("1599.5")


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        ([("buy", "1608"), ("sell", "1592")], "crossed book: bid 1608, ask 1592"),
        ([("buy", "1600"), ("sell", "1600")], "crossed book: bid 1600, ask 1600"),
        ([("buy", "1592")], "one-sided book: no ask of others"),
        ([("sell", "1608")], "one-sided book: no bid of others"),
        ([], "one-sided book: no order of others"),
    ],
)
def test_a_book_without_a_mid_is_refused(
    orders: list[tuple[Side, str]], reason: str, desk: Desk, services: ServiceFactory
) -> None:
    """A crossed, touching, one-sided or empty book is no price, and says which."""
    for side, price in orders:
        desk.order(desk.exchange.deployment.takers[0], side, price)
    told = services().price(desk.exchange.futures[0].symbol)
    assert told.status == 502
    assert told.tried() == {"book": reason, "trade": "no price: no trade yet"}


def test_an_engine_priced_trade_of_0_000625_is_1600(desk: Desk, services: ServiceFactory) -> None:
    """Without a book the fresh last trade is used, turned to the human price, at its own time, as
    degraded."""
    desk.trade(ENGINE_PRICE, seconds_ago=20)
    service = services()
    body = service.price(desk.exchange.futures[0].symbol).body
    assert (body["spot"], body["source"], body["confidence"]) == (1600, "trade", "medium")
    assert service.get("/healthz").body["status"] == "degraded"
    assert "fair_anchor_spot_age_seconds 2" in service.metrics()


def test_an_old_trade_is_no_spot(desk: Desk, services: ServiceFactory) -> None:
    """A trade older than FAIR_ANCHOR_MAX_SPOT_AGE_SECONDS is refused as too old."""
    desk.trade(ENGINE_PRICE, seconds_ago=20)
    told = services(MAX_SPOT_AGE_SECONDS="10").price(desk.exchange.futures[0].symbol)
    assert (told.status, told.tried()["trade"][:7]) == (502, "too old")


def test_the_spot_market_is_never_priced_by_its_own_book(
    desk: Desk, services: ServiceFactory
) -> None:
    """The spot symbol gets 502 where the exchange's own prices are all there is, and the outside
    source's price where there is one, whatever the book says."""
    desk.healthy(desk.exchange.deployment.takers[0])
    told = services().price(SPOT)
    assert (told.status, told.body["tried"]) == (502, [])
    outside = services(SPOT_SOURCES="book,trade,fixed", FIXED_PRICE="1650")
    body = outside.price(SPOT).body
    assert (body["price"], body["source"]) == (1650, "fixed")
    assert outside.price(desk.exchange.futures[0].symbol).body["spot"] == 1600


def test_a_symbol_that_is_not_listed_has_no_expiry(desk: Desk, services: ServiceFactory) -> None:
    """A future without an expiry of its own that the exchange does not list is 502; an unknown
    market is 400; a spot symbol that is a future gives no spot."""
    desk.healthy(desk.exchange.deployment.takers[0])
    told = services(FUTURES_SYMBOL="OLD").price("OLD")
    assert (told.status, told.body["error"]) == (
        502,
        "futures unknown: api: OLD is no listed future: its expiry is not known",
    )
    assert services().price("OLD").status == 400
    near, far = (future.symbol for future in desk.exchange.futures)
    told = services(SPOT_SYMBOL=near).price(far)
    assert told.tried()["book"] == f"wrong pair: {near} is no listed spot market"


def test_the_feed_on_chain_is_a_source_and_its_age_counts(
    desk: Desk, services: ServiceFactory
) -> None:
    """The cNGN/USD feed gives its inverse at its own time; an answer from long ago is too old."""
    exchange, future = desk.exchange, desk.exchange.futures[0].symbol
    service = services(
        SPOT_SOURCES="oracle",
        RPC_URL=exchange.rpc_url,
        ORACLE_ADDRESS=exchange.deployment.addresses.feed,
        MAX_SPOT_AGE_SECONDS="60",
    )
    exchange.set_price(Decimal(1600))
    body = service.until(200, future).body
    assert (body["source"], body["spot"].quantize(Decimal("0.01"))) == ("oracle", 1600)
    exchange.set_price_at(Decimal(1600), int(time.time()) - 3600)
    assert service.until(502, future).tried()["oracle"].startswith("too old")
    exchange.set_price(Decimal(1600))
    service.until(200, future)


def test_the_exchange_may_go_away_and_come_back(desk: Desk, services: ServiceFactory) -> None:
    """With the API down there is no spot, by name, and it is there again with the API; what was
    listed once is still known meanwhile."""
    desk.healthy(desk.exchange.deployment.takers[0])
    service, future = services(), desk.exchange.futures[0].symbol
    assert service.price(future).status == 200
    desk.exchange.freeze("api")
    try:
        told = service.until(502, future)
        assert told.tried()["book"].startswith(("no answer in time", "timeout"))
    finally:
        desk.exchange.thaw("api")
    assert service.until(200, future).body["spot"] == 1600
