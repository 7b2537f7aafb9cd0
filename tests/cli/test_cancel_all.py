"""`cancel-all` with everything up, beside a running bot, and with Postgres or the API down."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from integration_harness.stack.deployment import Account
from integration_harness.stack.orders import ExchangeClient, OrderTicket, Signer
from integration_harness.stack.up import LocalExchange
from tests.cli.bench import environment_of, run, running
from tests.cli.conftest import Bots


@pytest.fixture
def left_behind(exchange: LocalExchange, operator: Account, tmp_path: Path) -> dict[str, str]:
    """The environment of a bot that ended and left its two quotes resting."""
    environment = environment_of(
        exchange, operator.subaccount_ids[2], tmp_path, MM_CANCEL_ON_SHUTDOWN="false"
    )
    with running(environment, tmp_path):
        pass
    names = [
        each["order_id"]
        for each in json.loads((tmp_path / "state.json").read_text())["live_orders"]
    ]
    assert len(names) == 2
    return environment


def test_it_cancels_everything_of_the_bot_and_proves_it(
    exchange: LocalExchange, operator: Account, left_behind: dict[str, str]
) -> None:
    """Both quotes are gone with exit 0 and a proof; an order under a protected id stays."""
    signer = Signer(exchange.deployment, operator, subaccount_id=operator.subaccount_ids[2])
    ticket = OrderTicket(
        instrument=exchange.spot,
        side="buy",
        price=Decimal(1500),
        size=Decimal(10),
        order_id="manual:1",
        nonce=4_000_000_001,
    )
    with ExchangeClient(exchange.api_url) as client:
        client.place(signer.order_body(ticket))
        ran = run(left_behind, "cancel-all", "--json")
        assert (ran.code, ran.json["proven"]) == (0, True), ran.out
        assert {each["proof"] for each in ran.json["orders"]} == {"its row says cancelled"}
        assert len(ran.json["orders"]) == 2
        assert ran.json["rows_seen"] == 2
        assert ran.json["block"] > 0
        latest_s = max(each["expiry_s"] for each in ran.json["orders"])
        assert ran.json["signatures_expire_by_s"] >= latest_s
        (kept,) = run(left_behind, "orders", "--json").json["orders"]
        assert (kept["order_id"], kept["ownership"]) == ("manual:1", "protected")
        again = run(left_behind, "cancel-all")
        assert again.code == 0
        assert "proven empty" in again.out
        assert "stays executable on chain until" in again.out
        client.cancel(signer.cancel_body(4_000_000_001))


def test_it_refuses_while_a_bot_quotes_unless_forced_or_paused(bots: Bots) -> None:
    """Beside a quoting bot it ends with 3 and touches nothing; forced it cancels once and cannot
    call it proven; once the bot is paused it proves the book empty."""
    environment = bots.bare.environment
    before = {order["order_id"] for order in bots.bare.status()["live"]}
    refused = run(environment, "cancel-all")
    assert refused.code == 3
    assert "pause it first" in refused.err
    assert {order["order_id"] for order in bots.bare.status()["live"]} == before
    forced = run(environment, "cancel-all", "--force", "--json")
    assert forced.code == 5
    cancelled = {each["order_id"] for each in forced.json["orders"] if each["state"] == "gone"}
    assert before <= cancelled
    assert any("goes on placing orders" in doubt for doubt in forced.json["not_proven"])
    assert run(environment, "pause").code == 0
    assert run(environment, "cancel-all").code == 0
    assert run(environment, "resume").code == 0


def test_with_postgres_down_it_cancels_what_the_state_file_names(
    exchange: LocalExchange, left_behind: dict[str, str]
) -> None:
    """The quotes are cancelled through the API, which says so; exit 5 tells what is not proven,
    and once Postgres is back a second run proves it."""
    exchange.stop("postgres")
    try:
        ran = run(left_behind, "cancel-all", "--within", "2", "--json")
    finally:
        exchange.start("postgres")
    assert ran.code == 5
    assert {each["known_from"][0] for each in ran.json["orders"]} == {"state file"}
    assert len(ran.json["orders"]) == 2
    assert any("neither state file nor bot names" in doubt for doubt in ran.json["not_proven"])
    assert ran.json["signatures_expire_by_s"] == max(
        each["expiry_s"] for each in ran.json["orders"]
    )
    assert run(left_behind, "cancel-all").code == 0


def test_with_the_api_down_it_says_what_is_live(
    exchange: LocalExchange, left_behind: dict[str, str]
) -> None:
    """Nothing can be cancelled: exit 5 and the two live orders by name. With the API back they
    are cancelled."""
    exchange.stop("api")
    try:
        ran = run(left_behind, "cancel-all", "--within", "1", "--json")
        told = run(left_behind, "cancel-all", "--within", "0").err
    finally:
        exchange.start("api")
    assert "stays executable on chain until" in told
    assert ran.code == 5
    assert {each["state"] for each in ran.json["orders"]} == {"live"}
    assert any("2 may be live" in doubt for doubt in ran.json["not_proven"])
    assert run(left_behind, "cancel-all").code == 0
