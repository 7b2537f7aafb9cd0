"""The matcher on a whole local exchange: the blink, settlement, failures and crashes.

As on the real services: a match that fails blocks its market, the table leads the chain, and who
dies in his window leaves his orders behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest

from integration_harness.stack.chain import Chain
from integration_harness.stack.instruments import Instrument
from integration_harness.stack.node_client import ask, connected
from integration_harness.stack.orders import ExchangeClient, OrderTicket, Signer
from integration_harness.stack.quantities import Side
from integration_harness.stack.up import ExchangeOptions, LocalExchange


class Desk:
    """A maker and a taker on one exchange."""

    def __init__(self, exchange: LocalExchange, client: ExchangeClient) -> None:
        self.exchange = exchange
        self.client = client
        deployment = exchange.deployment
        self.maker = Signer(deployment, deployment.maker)
        self.maker_future = Signer(
            deployment, deployment.maker, subaccount_id=deployment.maker.subaccount_ids[1]
        )
        self.taker = Signer(deployment, deployment.takers[0])

    def place(
        self,
        who: Signer,
        instrument: Instrument,
        side: Side,
        price: str,
        size: str,
        *,
        lifetime_seconds: int = 300,
        **changes: Any,
    ) -> dict[str, Any]:
        ticket = OrderTicket(
            instrument=instrument,
            side=side,
            price=Decimal(price),
            size=Decimal(size),
            lifetime_seconds=lifetime_seconds,
        )
        return self.client.place({**who.order_body(ticket), **changes})

    def status(self, order: dict[str, Any]) -> dict[str, Any]:
        return self.client.order(order["order_id"])

    def shows(self, order: dict[str, Any], status: str) -> bool:
        return bool(self.status(order)["status"] == status)

    def fills(self) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.exchange.admin_database_url) as connection:
            return connection.execute(
                "SELECT maker_order_id, taker_order_id, price, size FROM trade_fills "
                "ORDER BY trade_id"
            ).fetchall()

    def filled_on_chain(self, order: dict[str, Any]) -> int:
        with Chain(self.exchange.rpc_url, self.exchange.deployment) as chain:
            return chain.filled(order["owner_address"], int(order["nonce"]))

    def settles(self, order: dict[str, Any], amount: int) -> None:
        """Wait until the chain has filled so much of an order."""
        eventually(lambda: self.filled_on_chain(order) == amount, f"{amount} is not filled")


def eventually(claim: Callable[[], bool], what: str, seconds: float = 8.0) -> None:
    """Wait until a claim holds."""
    give_up_at = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < give_up_at, what
        time.sleep(0.01)


@pytest.fixture
def desk() -> Iterator[Desk]:
    # Signatures unchecked at the door, so that a bad one can reach the chain.
    options = ExchangeOptions(matcher_poll_ms=20, verify_signatures=False)
    with LocalExchange(options) as exchange, ExchangeClient(exchange.api_url) as client:
        yield Desk(exchange, client)


def test_resting_orders_blink_and_come_back() -> None:
    """Best bid and best ask are seen `matching` though they do not cross, and nothing fills."""
    options = ExchangeOptions(matcher_poll_ms=20, blink_hold_ms=40)
    with LocalExchange(options) as exchange, ExchangeClient(exchange.api_url) as client:
        desk = Desk(exchange, client)
        future = exchange.futures[0]
        bid = desk.place(desk.maker_future, future, "buy", "1590", "0.1")
        time.sleep(0.2)
        lonely = {desk.status(bid)["status"] for _ in range(20)}
        assert lonely == {"active"}, "a book with one side does not blink"
        behind = desk.place(desk.maker_future, future, "buy", "1580", "0.1")
        ask = desk.place(desk.maker_future, future, "sell", "1610", "0.1")
        for order in (bid, ask):
            for seen in ("matching", "active"):
                eventually(partial(desk.shows, order, seen), f"the order never shows {seen}")
        assert {desk.status(behind)["status"] for _ in range(50)} == {"active"}
        assert desk.fills() == []
        exchange.stop("matcher")
        assert desk.status(bid)["status"] == desk.status(ask)["status"] == "active"


def test_a_partial_fill_is_the_same_on_chain_and_in_the_table(desk: Desk) -> None:
    """The lesser remainder trades at the maker's price; both ledgers and balances agree."""
    spot = desk.exchange.spot
    maker = desk.place(desk.maker, spot, "sell", "1600", "100")
    taker = desk.place(desk.taker, spot, "buy", "1610", "40")
    eventually(lambda: desk.status(taker)["status"] == "filled", "no fill")
    amount = taker["desired_amount"]
    assert desk.fills() == [(maker["order_id"], taker["order_id"], maker["limit_price"], amount)]
    assert desk.status(maker)["filled_amount"] == amount
    assert desk.status(maker)["remaining_amount"] == str(160_000 - int(amount))
    for order in (maker, taker):
        desk.settles(order, int(amount) * 10**18)
    where = desk.exchange.deployment.addresses
    with Chain(desk.exchange.rpc_url, desk.exchange.deployment) as chain:
        balances = [
            chain.balance(desk.maker.subaccount_id, asset)
            for asset in (where.wrapped_cngn, where.cash)
        ]
    gained = int(amount) * 10**18
    assert balances == [
        160_000_000 * 10**18 + gained,
        100_000 * 10**18 - gained * 625_000_000_000_000 // 10**18,
    ]


def test_better_prices_fill_first_and_then_older_orders(desk: Desk) -> None:
    """A sweeping taker takes makers in price-time order, each at its own price."""
    future = desk.exchange.futures[0]
    desk.exchange.stop("matcher")
    second = desk.place(desk.maker_future, future, "sell", "1601", "0.1")
    third = desk.place(desk.maker_future, future, "sell", "1601", "0.1")
    first = desk.place(desk.maker_future, future, "sell", "1600", "0.1")
    taker = desk.place(desk.taker, future, "buy", "1605", "0.25")
    desk.exchange.start("matcher")
    eventually(lambda: desk.status(taker)["status"] == "filled", "the sweep did not end")
    assert desk.fills() == [
        (first["order_id"], taker["order_id"], "1600", "100"),
        (second["order_id"], taker["order_id"], "1601", "100"),
        (third["order_id"], taker["order_id"], "1601", "50"),
    ]
    desk.settles(third, 5 * 10**16)


def test_a_match_that_fails_blocks_its_market_until_an_order_of_it_expires(desk: Desk) -> None:
    """A bad signature is tried again and again, nobody is cancelled; then the others trade."""
    future = desk.exchange.futures[0]
    good = desk.place(desk.maker_future, future, "sell", "1600", "0.1")
    bad = desk.place(
        desk.taker, future, "buy", "1610", "0.1", lifetime_seconds=8, signature="0x" + "11" * 65
    )
    behind = desk.place(desk.taker, future, "buy", "1600", "0.1")
    eventually(lambda: desk.exchange.log_tail("matcher").count(bad["order_id"]) > 5, "no retries")
    assert "error=OV_InvalidSignature" in desk.exchange.log_tail("matcher")
    assert desk.fills() == []
    assert {desk.status(order)["status"] for order in (bad, behind)} <= {"active", "matching"}
    eventually(lambda: desk.status(behind)["status"] == "filled", "still blocked", 25)
    assert [fill[:2] for fill in desk.fills()] == [(good["order_id"], behind["order_id"])]
    assert desk.status(bad)["cancel_reason"] == ""


def test_a_trade_within_one_subaccount_jams_the_market(desk: Desk) -> None:
    """The chain refuses it by name and the pair is tried for ever, in front of everybody else."""
    future = desk.exchange.futures[0]
    desk.place(desk.maker_future, future, "sell", "1600", "0.1")
    desk.place(desk.maker_future, future, "buy", "1600", "0.1")
    error = "error=AC_CannotTransferAssetToOneself"
    eventually(lambda: desk.exchange.log_tail("matcher").count(error) > 5, "no retries")
    stranger = desk.place(desk.taker, future, "buy", "1600", "0.1")
    tries = desk.exchange.log_tail("matcher")
    eventually(lambda: desk.exchange.log_tail("matcher") != tries, "no further tries")
    assert desk.status(stranger)["filled_amount"] == "0"
    assert desk.fills() == []


def test_the_table_leads_the_chain() -> None:
    """A fill is in the table while its transaction waits for the next block."""
    options = ExchangeOptions(matcher_poll_ms=20, block_time_seconds=3600)
    with LocalExchange(options) as exchange, ExchangeClient(exchange.api_url) as client:
        desk = Desk(exchange, client)
        future = exchange.futures[0]
        maker = desk.place(desk.maker_future, future, "sell", "1600", "0.1")
        desk.place(desk.taker, future, "buy", "1600", "0.1")
        eventually(lambda: len(desk.fills()) == 1, "no fill")
        assert desk.status(maker)["status"] == "filled"
        assert desk.filled_on_chain(maker) == 0
        with connected(exchange.rpc_url) as web3:
            ask(web3, "evm_mine")
        assert desk.filled_on_chain(maker) == 10**17


def test_a_match_that_was_booked_and_reverts_leaves_its_row() -> None:
    """Out of gas when it is mined: the fill stays in the table, the balance never moves."""
    options = ExchangeOptions(
        matcher_poll_ms=20, matcher_environment={"STACK_EXECUTOR_GAS": "100000"}
    )
    with LocalExchange(options) as exchange, ExchangeClient(exchange.api_url) as client:
        desk = Desk(exchange, client)
        future = exchange.futures[0]
        maker = desk.place(desk.maker_future, future, "sell", "1600", "0.1")
        taker = desk.place(desk.taker, future, "buy", "1600", "0.1")
        eventually(lambda: len(desk.fills()) == 1, "no fill")
        executor = exchange.deployment.executor.address
        with connected(exchange.rpc_url) as web3:
            eventually(
                lambda: ask(web3, "eth_getTransactionCount", executor, "latest") == "0x1",
                "the match is not mined",
            )
        for order in (maker, taker):
            assert desk.status(order)["status"] == "filled"
            assert desk.filled_on_chain(order) == 0


def test_overdue_orders_are_left_alone(desk: Desk) -> None:
    """An order past its expiry never matches, though nobody has listed the book since."""
    future = desk.exchange.futures[0]
    ticket = OrderTicket(
        instrument=future,
        side="sell",
        price=Decimal(1600),
        size=Decimal("0.1"),
        lifetime_seconds=3,
    )
    overdue = desk.client.place(desk.maker_future.order_body(ticket))
    time.sleep(3.5)
    taker = desk.place(desk.taker, future, "buy", "1600", "0.1")
    time.sleep(0.3)
    assert desk.status(overdue)["status"] == "active"
    assert desk.status(taker)["filled_amount"] == "0"
    assert desk.fills() == []


def test_a_matcher_that_dies_in_its_window_leaves_its_orders_matching_for_ever() -> None:
    """No later matcher takes them up, a cancel does not find them, and expiry passes them by."""
    options = ExchangeOptions(
        matcher_poll_ms=20,
        matcher_environment={"STACK_MATCHER_CRASH_AFTER_SETTLEMENT": "true"},
    )
    with LocalExchange(options) as exchange, ExchangeClient(exchange.api_url) as client:
        desk = Desk(exchange, client)
        future = exchange.futures[0]
        maker = desk.place(desk.maker_future, future, "sell", "1600", "0.3", lifetime_seconds=8)
        taker = desk.place(desk.taker, future, "buy", "1605", "0.1", lifetime_seconds=8)
        eventually(lambda: not exchange.running("matcher"), "the matcher did not crash")
        exchange.start("matcher", STACK_MATCHER_CRASH_AFTER_SETTLEMENT="false")
        desk.settles(taker, 10**17)
        with pytest.raises(httpx.HTTPStatusError, match="404"):
            client.cancel(desk.maker_future.cancel_body(int(maker["nonce"])))
        fresh = desk.place(desk.maker_future, future, "sell", "1700", "0.1")
        eventually(lambda: time.time() > maker["expiry"] + 1, "time stands still", 15)
        assert [level.order_id for level in client.book(future).asks] == [fresh["order_id"]]
        assert {desk.status(o)["status"] for o in (maker, taker)} == {"matching"}
        assert desk.fills() == []


def test_an_order_can_be_left_matching_on_purpose(desk: Desk) -> None:
    """`strand` takes it away from a running matcher: what crosses it does not fill."""
    future = desk.exchange.futures[0]
    stuck = desk.place(desk.maker_future, future, "sell", "1600", "0.1")
    desk.place(desk.taker, future, "buy", "1500", "0.1")
    desk.exchange.strand(stuck["order_id"])
    other = desk.place(desk.maker_future, future, "sell", "1650", "0.1")
    taker = desk.place(desk.taker, future, "buy", "1650", "0.1")
    eventually(lambda: desk.status(taker)["status"] == "filled", "no fill")
    assert desk.fills()[0][0] == other["order_id"]
    assert desk.status(stuck)["status"] == "matching"


def test_matching_goes_on_after_the_database_was_away(desk: Desk) -> None:
    """The matcher finds the database again by itself and then matches what crosses."""
    future = desk.exchange.futures[0]
    desk.place(desk.maker_future, future, "sell", "1600", "0.1")
    desk.exchange.stop("postgres")
    time.sleep(0.1)
    desk.exchange.start("postgres")
    taker = desk.place(desk.taker, future, "buy", "1600", "0.1")
    eventually(lambda: desk.status(taker)["status"] == "filled", "nothing matches any more")
