"""The markets API on a whole local exchange: what it takes, refuses and shows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import httpx
import psycopg
import pytest
from eth_account import Account as EthAccount

from integration_harness.stack.chain import Chain
from integration_harness.stack.orders import ExchangeClient, OrderTicket, Signer
from integration_harness.stack.up import ExchangeOptions, LocalExchange


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    # A matcher that polls once an hour: nothing blinks in these tests.
    with LocalExchange(ExchangeOptions(matcher_poll_ms=3_600_000)) as exchange:
        yield exchange


@pytest.fixture
def client(exchange: LocalExchange) -> Iterator[ExchangeClient]:
    with ExchangeClient(exchange.api_url) as client:
        yield client


@pytest.fixture
def maker(exchange: LocalExchange) -> Signer:
    return Signer(exchange.deployment, exchange.deployment.maker)


def ticket(exchange: LocalExchange, **changes: Any) -> OrderTicket:
    """A human spot bid, one of a kind."""
    wanted: dict[str, Any] = {
        "instrument": exchange.spot,
        "side": "buy",
        "price": Decimal("1500"),
        "size": Decimal("100"),
    }
    return OrderTicket(**{**wanted, **changes})


def refused(exchange: LocalExchange, path: str, body: dict[str, Any]) -> tuple[int, str]:
    """Status and text of an answer that is an error."""
    response = httpx.post(f"{exchange.api_url}{path}", json=body, timeout=5)
    return response.status_code, response.json()["error"]


def test_an_order_with_a_signature_of_somebody_else_is_refused(
    exchange: LocalExchange, maker: Signer
) -> None:
    """Signatures are verified over the stored action: another's, or over other data, is a 400."""
    taker = Signer(exchange.deployment, exchange.deployment.takers[0])
    wanted = ticket(exchange)
    others = {
        **maker.order_body(wanted),
        "signature": taker.order_body(wanted)["signature"],
    }
    status, text = refused(exchange, "/v1/orders", others)
    assert (status, text) == (400, "signature is not the signer's over action_json")
    changed = maker.order_body(wanted)
    changed["action_json"]["expiry"] = str(changed["expiry"] + 1)
    assert refused(exchange, "/v1/orders", changed)[0] == 400


def test_a_session_key_signs_while_it_is_registered(
    exchange: LocalExchange, client: ExchangeClient
) -> None:
    """Orders of a key the owner registered are taken, of any other refused."""
    key = EthAccount.create()
    owner = exchange.deployment.takers[1]
    signer = Signer(exchange.deployment, owner, session_private_key="0x" + bytes(key.key).hex())
    status, text = refused(exchange, "/v1/orders", signer.order_body(ticket(exchange)))
    assert (status, text) == (400, "signer_address is not a live session key of owner_address")
    until = int(time.time()) + 3600
    with Chain(exchange.rpc_url, exchange.deployment) as chain:
        chain.register_session_key(owner, key.address, until)
    give_up_at = time.monotonic() + 5  # the API keeps the answer for two seconds
    while time.monotonic() < give_up_at:
        body = signer.order_body(ticket(exchange))
        if httpx.post(f"{exchange.api_url}/v1/orders", json=body).status_code == 201:
            break
        time.sleep(0.1)
    order = client.order(body["order_id"])
    assert order["status"] == "active"
    assert client.cancel(signer.cancel_body(int(body["nonce"])))["status"] == "cancelled"


def test_a_cancel_needs_the_owners_signature(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer
) -> None:
    """A cancel signed by somebody else, unsigned or overdue leaves the order active.

    Of a good one the reason is kept nowhere.
    """
    order = client.place(maker.order_body(ticket(exchange)))
    nonce = int(order["nonce"])
    taker = Signer(exchange.deployment, exchange.deployment.takers[0])
    good = maker.cancel_body(nonce)
    for bad in (
        {**good, "signature": taker.cancel_body(nonce)["signature"]},
        {**good, "signature": ""},
        {**good, "expiry": "1"},
    ):
        assert refused(exchange, "/v1/orders/cancel", bad)[0] == 400
    assert client.order(order["order_id"])["status"] == "active"
    reason = "bot.market-maker.stale"
    client.cancel(maker.cancel_body(nonce, reason=reason, service="market-maker"))
    status = client.order(order["order_id"])
    assert (status["status"], status["cancel_reason"]) == ("cancelled", "")


def test_a_protected_prefix_is_one_whatever_its_case(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer
) -> None:
    """A service may not cancel `Manual:1`; its owner may."""
    order = client.place(maker.order_body(ticket(exchange, order_id="Manual:1")))
    nonce = int(order["nonce"])
    body = maker.cancel_body(nonce, reason="bot.market-maker.stale", service="market-maker")
    status, text = refused(exchange, "/v1/orders/cancel", body)
    assert (status, "manual:" in text) == (403, True)
    client.cancel(maker.cancel_body(nonce))
    assert client.order("Manual:1")["status"] == "cancelled"


def test_a_nonce_is_good_for_one_order_of_an_owner(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer
) -> None:
    """The second order under a nonce is a 409, whatever its id, even after a cancel."""
    first = client.place(maker.order_body(ticket(exchange)))
    nonce = int(first["nonce"])
    client.cancel(maker.cancel_body(nonce))
    again = maker.order_body(ticket(exchange, nonce=nonce, order_id="another"))
    status, text = refused(exchange, "/v1/orders", again)
    assert status == 409
    assert "active_orders_owner_nonce_idx" in text


def test_a_subaccount_outside_of_custody_may_not_trade(exchange: LocalExchange) -> None:
    """An order of a subaccount its owner holds himself is a 400."""
    stranger = Signer(exchange.deployment, exchange.deployment.accounts["stranger"])
    status, text = refused(exchange, "/v1/orders", stranger.order_body(ticket(exchange)))
    assert status == 400
    assert text == f"subaccount_id {stranger.subaccount_id} is not deposited in matching custody"


def test_an_order_in_matching_is_hidden_and_cannot_be_cancelled(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer
) -> None:
    """While the matcher holds an order the book omits it and a cancel is a false 404."""
    order = client.place(maker.order_body(ticket(exchange)))
    set_status = "UPDATE active_orders SET status = %s WHERE order_id = %s"
    with psycopg.connect(exchange.admin_database_url, autocommit=True) as connection:
        connection.execute(set_status, ("matching", order["order_id"]))
        cancel = maker.cancel_body(int(order["nonce"]))
        answer = refused(exchange, "/v1/orders/cancel", cancel)
        assert answer == (404, "active order not found")
        assert order["order_id"] not in {b.order_id for b in client.book(exchange.spot).bids}
        connection.execute(set_status, ("active", order["order_id"]))
    assert client.cancel(cancel)["status"] == "cancelled"


def test_an_overdue_order_expires_when_its_book_is_listed(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer
) -> None:
    """Expiry is lazy: nothing but a listing turns the order `expired`."""
    order = client.place(maker.order_body(ticket(exchange, lifetime_seconds=3)))
    time.sleep(3.5)
    assert client.order(order["order_id"])["status"] == "active"
    assert order["order_id"] not in {level.order_id for level in client.book(exchange.spot).bids}
    assert client.order(order["order_id"])["status"] == "expired"


def test_spot_is_listed_engine_side(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer
) -> None:
    """A human bid is an engine ask with the human words beside it, never worse than asked for."""
    order = client.place(maker.order_body(ticket(exchange, price=Decimal("1503"))))
    book = httpx.get(f"{exchange.api_url}/v1/book", params={"symbol": "NOPE"}).json()
    listed = next(o for o in book["asks"] if o["order_id"] == order["order_id"])
    assert listed["side"] == "sell"
    assert listed["spot_contract"]["ui_intent"] == {"side": "buy", "price": "1503", "size": "100"}
    human = next(b for b in client.book(exchange.spot).bids if b.order_id == order["order_id"])
    assert Fraction("1502.999999") < human.price <= 1503
    client.cancel(maker.cancel_body(int(order["nonce"])))


def test_a_frozen_book_answers_with_what_it_showed(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer
) -> None:
    """The fault answers 200 with the old snapshot until it is taken back."""
    future = exchange.futures[0]
    faults = f"{exchange.api_url}/debug/faults"
    assert httpx.post(faults, json={"freeze_book": True}).status_code == 200
    assert client.book(future).bids == ()
    wanted = OrderTicket(instrument=future, side="buy", price=Decimal(1600), size=Decimal("0.01"))
    order = client.place(maker.order_body(wanted))
    assert client.book(future).bids == ()
    httpx.post(faults, json={"freeze_book": False})
    assert [level.order_id for level in client.book(future).bids] == [order["order_id"]]
    client.cancel(maker.cancel_body(int(order["nonce"])))


def test_an_outage_of_the_database_costs_only_the_requests_that_meet_it(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer
) -> None:
    """Without Postgres a read is a 500 with a text; with Postgres back all is as before."""
    order = client.place(maker.order_body(ticket(exchange)))
    exchange.stop("postgres")
    response = httpx.get(f"{exchange.api_url}/v1/book", timeout=10)
    assert response.status_code == 500
    assert response.json()["error"]
    exchange.start("postgres")
    give_up_at = time.monotonic() + 5
    while httpx.get(f"{exchange.api_url}/v1/book").status_code != 200:
        assert time.monotonic() < give_up_at, "the API does not find the database again"
    assert client.cancel(maker.cancel_body(int(order["nonce"])))["status"] == "cancelled"
