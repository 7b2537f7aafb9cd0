"""The WebSocket of the markets API: snapshots, updates, resume, auth and slow readers."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
import psycopg
import pytest
from eth_account import Account as EthAccount
from eth_account.messages import encode_defunct
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from integration_harness.stack.deployment import Account
from integration_harness.stack.orders import ExchangeClient, OrderTicket, Signer
from integration_harness.stack.up import ExchangeOptions, LocalExchange

WEBSOCKET_QUEUE = 50


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    options = ExchangeOptions(
        matcher_poll_ms=20, api_environment={"STACK_WEBSOCKET_QUEUE": str(WEBSOCKET_QUEUE)}
    )
    with LocalExchange(options) as exchange:
        yield exchange


@pytest.fixture
def client(exchange: LocalExchange) -> Iterator[ExchangeClient]:
    with ExchangeClient(exchange.api_url) as client:
        yield client


@pytest.fixture
def session(exchange: LocalExchange) -> Iterator[ClientConnection]:
    with open_session(exchange) as connection:
        yield connection


def open_session(exchange: LocalExchange) -> ClientConnection:
    return connect(exchange.api_url.replace("http", "ws") + "/v1/ws", max_size=None)


def ask(session: ClientConnection, **members: Any) -> dict[str, Any]:
    """Send a message and return the next one that comes."""
    session.send(orjson.dumps(members).decode())
    return receive(session)


def receive(session: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = orjson.loads(session.recv(timeout=5))
    return message


def subscribe(session: ClientConnection, channel: str, market: str) -> dict[str, Any]:
    """Subscribe and return the snapshot."""
    snapshot = ask(session, op="subscribe", channel=channel, market=market)
    assert snapshot["type"] == "snapshot"
    return snapshot


def auth(account: Account, *, lifetime: int = 300, signer: Account | None = None) -> dict[str, Any]:
    """An authentication as the exchange's documentation has it, built here from its words."""
    now = int(time.time())
    text = (
        "markets.numo.xyz wants you to authenticate for the Numo markets WebSocket.\n"
        f"Address: {account.address.lower()}\nNonce: n-1\nIssued At: {now}\n"
        f"Expiration Time: {now + lifetime}"
    )
    key = (signer or account).private_key
    signature = EthAccount.sign_message(encode_defunct(text=text), key).signature
    return {
        "op": "auth",
        "address": account.address,
        "signature": "0x" + bytes(signature).hex(),
        "nonce": "n-1",
        "issued_at": now,
        "expiry": now + lifetime,
    }


def place(
    client: ExchangeClient, signer: Signer, exchange: LocalExchange, **changes: Any
) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "instrument": exchange.futures[0],
        "side": "sell",
        "price": Decimal(1700),
        "size": Decimal("0.1"),
    }
    return client.place(signer.order_body(OrderTicket(**{**wanted, **changes})))


@pytest.fixture
def maker(exchange: LocalExchange) -> Signer:
    account = exchange.deployment.maker
    return Signer(exchange.deployment, account, subaccount_id=account.subaccount_ids[1])


def test_a_ping_is_answered_and_nonsense_named(session: ClientConnection) -> None:
    """`ping` gives `pong`; what is no request gives an error and the session goes on."""
    assert ask(session, op="ping") == {"type": "pong"}
    for nonsense, code in (
        ("{", "bad_json"),
        ("[]", "bad_json"),
        ('{"op":"dance"}', "bad_op"),
        ('{"op":"subscribe","channel":"x"}', "bad_channel"),
        ('{"op":"subscribe","channel":"book","market":"NOPE"}', "bad_channel"),
    ):
        session.send(nonsense)
        answer = receive(session)
        assert (answer["type"], answer["code"]) == ("error", code)
    assert ask(session, op="ping") == {"type": "pong"}


def test_a_book_is_a_snapshot_and_every_change_after_it(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer, session: ClientConnection
) -> None:
    """Placing and cancelling arrive as level deltas above the snapshot's number, in order."""
    market = exchange.futures[0].symbol
    before = place(client, maker, exchange)
    snapshot = subscribe(session, "book", market)
    assert [order["order_id"] for order in snapshot["data"]["asks"]] == [before["order_id"]]
    placed = place(client, maker, exchange)
    client.cancel(maker.cancel_body(int(placed["nonce"])))
    updates = [receive(session), receive(session)]
    assert [update["data"]["size_delta"] for update in updates] == ["100", "-100"]
    assert [update["data"]["order_open"] for update in updates] == ["100", "0"]
    # A repeated subscription is answered by nothing.
    session.send(orjson.dumps({"op": "subscribe", "channel": "book", "market": market}).decode())
    assert ask(session, op="ping") == {"type": "pong"}
    assert {update["data"]["order_id"] for update in updates} == {placed["order_id"]}
    assert snapshot["seq"] < updates[0]["seq"] < updates[1]["seq"]
    ask(session, op="unsubscribe", channel="book", market=market)
    client.cancel(maker.cancel_body(int(before["nonce"])))
    assert ask(session, op="ping") == {"type": "pong"}


def test_a_session_resumes_where_another_ended(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer
) -> None:
    """With `since_seq` come exactly the events that were missed, without a snapshot."""
    market = exchange.futures[0].symbol
    with open_session(exchange) as first:
        seen = subscribe(first, "book", market)["seq"]
    placed = place(client, maker, exchange)
    client.cancel(maker.cancel_body(int(placed["nonce"])))
    with open_session(exchange) as second:
        request = {"op": "subscribe", "channel": "book", "market": market, "since_seq": seen}
        missed = [ask(second, **request), receive(second)]
        assert [event["type"] for event in missed] == ["update", "update"]
        assert {event["data"]["order_id"] for event in missed} == {placed["order_id"]}
        assert ask(second, op="ping") == {"type": "pong"}


def test_what_happened_while_nobody_listened_is_not_told_to_who_came_later(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer
) -> None:
    """Nor after the hub lost its connection, and read again what it may have missed."""
    market = exchange.futures[0].symbol
    before = place(client, maker, exchange)
    client.cancel(maker.cancel_body(int(before["nonce"])))
    with open_session(exchange) as other:
        latest = subscribe(other, "book", market)["seq"]
    with open_session(exchange) as session:
        resume = {"op": "subscribe", "channel": "book", "market": market, "since_seq": latest}
        session.send(orjson.dumps(resume).decode())
        assert ask(session, op="ping") == {"type": "pong"}
        with psycopg.connect(exchange.admin_database_url, autocommit=True) as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'markets-api-events'"
            )
            assert ended.fetchall() == [(True,)]
        placed = place(client, maker, exchange)
        assert receive(session)["data"]["order_id"] == placed["order_id"]
        client.cancel(maker.cancel_body(int(placed["nonce"])))


def test_a_resume_from_too_long_ago_starts_anew(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer, session: ClientConnection
) -> None:
    """Where the missed events are gone comes `resume_too_old` and a fresh snapshot."""
    market = exchange.futures[0].symbol
    placed = place(client, maker, exchange)
    client.cancel(maker.cancel_body(int(placed["nonce"])))
    with psycopg.connect(exchange.admin_database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM market_events")
    request = {"op": "subscribe", "channel": "book", "market": market, "since_seq": 0}
    error, snapshot = ask(session, **request), receive(session)
    assert (error["type"], error["code"]) == ("error", "resume_too_old")
    assert snapshot["type"] == "snapshot"


def test_an_event_committed_late_comes_late_with_its_lower_number(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer, session: ClientConnection
) -> None:
    """Numbers are not in commit order: what a snapshot did not contain comes, however low."""
    market = exchange.futures[0].symbol
    first, second = (place(client, maker, exchange, price=Decimal(1750 + i)) for i in range(2))
    cancel = "UPDATE active_orders SET status = 'cancelled' WHERE order_id = %s"
    with psycopg.connect(exchange.admin_database_url) as late:
        late.execute(cancel, (first["order_id"],))
        client.cancel(maker.cancel_body(int(second["nonce"])))
        snapshot = subscribe(session, "book", market)
        assert [order["order_id"] for order in snapshot["data"]["asks"]] == [first["order_id"]]
        late.commit()
    update = receive(session)
    assert update["data"]["order_id"] == first["order_id"]
    assert update["seq"] < snapshot["seq"]


def test_book_events_come_before_order_events(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer, session: ClientConnection
) -> None:
    """Of one change the level is told first."""
    market = exchange.futures[0].symbol
    assert ask(session, **auth(exchange.deployment.maker))["type"] == "ack"
    subscribe(session, "orders", market)
    subscribe(session, "book", market)
    placed = place(client, maker, exchange)
    updates = [receive(session), receive(session)]
    assert [update["channel"] for update in updates] == ["book", "orders"]
    client.cancel(maker.cancel_body(int(placed["nonce"])))


def test_fills_and_own_orders_arrive(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer, session: ClientConnection
) -> None:
    """`trades` shows everybody's fills; `orders` the steps of one's own orders and of no other."""
    market = exchange.futures[0].symbol
    assert ask(session, **auth(exchange.deployment.maker))["type"] == "ack"
    assert subscribe(session, "trades", market)["data"] == []
    assert subscribe(session, "orders", market)["data"] == {"orders": []}
    resting = place(client, maker, exchange, price=Decimal(1650))
    taker = Signer(exchange.deployment, exchange.deployment.takers[0])
    place(client, taker, exchange, side="buy", price=Decimal(1650))
    statuses: list[str] = []
    fills: list[dict[str, Any]] = []
    while not statuses or statuses[-1] != "filled" or not fills:
        message = receive(session)
        if message["channel"] == "orders":
            assert message["data"]["order_id"] == resting["order_id"]
            statuses.append(message["data"]["status"])
        else:
            fills.append(message["data"])
    assert statuses == ["active", "matching", "filled"]
    assert [(fill["price"], fill["size"]) for fill in fills] == [("1650", "100")]
    assert "asset_address" not in fills[0]
    assert "sub_id" not in fills[0]


def test_orders_are_shown_to_their_owner_only(
    exchange: LocalExchange, session: ClientConnection
) -> None:
    """Without auth, with another's signature or with too long a life, `orders` stays shut."""
    market = exchange.futures[0].symbol
    account, other = exchange.deployment.maker, exchange.deployment.takers[0]
    for wrong in (auth(account, signer=other), auth(account, lifetime=301)):
        assert ask(session, **wrong)["code"] == "auth_required"
    refused = ask(session, op="subscribe", channel="orders", market=market)
    assert (refused["type"], refused["code"]) == ("error", "auth_required")


def test_a_reader_that_does_not_read_is_dropped(
    exchange: LocalExchange, client: ExchangeClient, maker: Signer
) -> None:
    """A full queue ends the session and holds up nobody else."""
    host, _, port = exchange.api_url.removeprefix("http://").partition(":")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect((host, int(port)))
    orders = [place(client, maker, exchange, price=Decimal(1800 + i)) for i in range(40)]
    url = exchange.api_url.replace("http", "ws") + "/v1/ws"
    with connect(url, sock=raw, max_queue=1, compression=None) as slow:
        market = exchange.futures[0].symbol
        for _ in range(8 * WEBSOCKET_QUEUE):
            for operation in ("subscribe", "unsubscribe"):
                request = {"op": operation, "channel": "book", "market": market}
                slow.send(orjson.dumps(request).decode())
        with open_session(exchange) as other:
            for _ in range(100):  # meanwhile the queue fills
                assert ask(other, op="ping") == {"type": "pong"}
                time.sleep(0.02)
        # What was on its way is still read; then it ends, short of what was asked for.
        received, code = read_to_the_end(slow)
        assert received < 16 * WEBSOCKET_QUEUE
        assert code == 1013
    for order in orders:
        client.cancel(maker.cancel_body(int(order["nonce"])))


def read_to_the_end(session: ClientConnection) -> tuple[int, int | None]:
    """How many messages come before the session is closed, and the code it is closed with."""
    for count in range(1_000_000):
        try:
            session.recv(timeout=5)
        except ConnectionClosed as end:
            return count, end.rcvd.code if end.rcvd else None
    raise AssertionError("the session does not end")
