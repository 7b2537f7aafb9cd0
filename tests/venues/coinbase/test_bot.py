"""The bot, as a process, on a server that speaks Coinbase's wire and checks every token."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from Crypto.PublicKey import ECC

from integration_harness.venues.coinbase import CoinbaseServer, Order
from integration_harness.venues.coinbase.model import OURS
from tests.venues import bots
from tests.venues.bots import Start, starting
from tests.venues.coinbase.test_token import VECTORS

wait = partial(bots.wait, seconds=30)


@pytest.fixture
def server() -> Iterator[CoinbaseServer]:
    """The exchange, with our key."""
    running = CoinbaseServer(VECTORS["key_name"], VECTORS["public_key_pem"])
    running.start()
    yield running
    running.close()


@pytest.fixture
def start(server: CoinbaseServer, tmp_path: Path) -> Iterator[Start]:
    """Starts a bot there; the same state file each time."""
    key = ECC.construct(curve="P-256", d=int(VECTORS["private_scalar_hex"], 16))
    pem = str(key.export_key(format="PEM", use_pkcs8=False)).replace("\n", "\\n")
    environment = {
        "MM_VENUE": "coinbase",
        "MM_COINBASE_REST_URL": server.rest_url,
        "MM_COINBASE_MARKET_SOCKET_URL": server.socket_url("market"),
        "MM_COINBASE_USER_SOCKET_URL": server.socket_url("user"),
        "MM_COINBASE_LOCK_FILE": str(tmp_path / "lock"),
        "MM_COINBASE_KEY_NAME": VECTORS["key_name"],
        "MM_COINBASE_PRIVATE_KEY": pem,
        "MM_COINBASE_REQUESTS_PER_HOUR": "100000",
        "MM_MARKET_SYMBOL": server.symbol,
        "MM_ORDER_EXPIRY_SECONDS": "60",
        "MM_MAX_LONG_INVENTORY": "200",
        "MM_MAX_SHORT_INVENTORY": "-10",
        "MM_TARGET_INVENTORY": "100",
        "MM_ANCHOR_FIXED_PRICE": "60000",
        "MM_ANCHOR_MAX_PRICE": "1000000",
        "MM_CANCEL_ON_SHUTDOWN": "true",
    }
    with starting(tmp_path, environment) as started:
        yield started


def live(server: CoinbaseServer) -> dict[str, Order]:
    """Our open orders by side; two on a side would be a doubled order."""
    orders = server.live(OURS)
    assert len({o.direction for o in orders}) == len(orders), orders
    return {o.direction: o for o in orders}


def prices(server: CoinbaseServer) -> dict[str, Decimal]:
    """What our open orders ask, by side."""
    return {side: order.price for side, order in live(server).items()}


def test_it_quotes_counts_a_fill_once_and_stops_with_proof(
    server: CoinbaseServer, start: Start
) -> None:
    """Post-only quotes around the anchor, though the book's snapshot has over a megabyte, the first
    order fails after it was accepted, a reply is lost, and fills are listed late; a graceful stop
    leaves nothing live, proven."""
    server.faults.large_snapshot = True
    server.faults.failed_later = 1
    server.faults.lose_replies = 1
    server.faults.late_fills_s = 0.5
    server.faults.duplicate_pushes = server.faults.reversed_pushes = True
    bot = start()
    wait("two quotes", lambda: prices(server) == {"buy": 59850, "sell": 60150}, bot)
    wait("the first has failed", lambda: server.faults.failed_later == 0, bot)
    wait("two that rest", lambda: [o.status for o in live(server).values()] == ["OPEN"] * 2, bot)
    wait("it is ready", lambda: bot.ready()[0], bot)
    server.take("sell", "0.2")
    counted = 'mm_bot_fills_total{side="buy"}'
    wait("the fill is counted", lambda: bot.metrics()[counted] == 1, bot)
    wait(
        "the wallet shows it",
        lambda: Decimal(bot.status()["balances"]["base"]["total"]) == Decimal("100.2"),
        bot,
    )
    wait("two quotes", lambda: len(live(server)) == 2, bot)
    assert bot.metrics()[counted] == 1
    assert bot.metrics()["mm_bot_fees_paid_cngn"] == 71.82, "60 bps of 0.2 at 59850"
    assert bot.stop() == 0
    assert not live(server)
    posted = [body["client_order_id"] for path, body in server.received if path == "orders"]
    assert len(posted) == len(set(posted)), "nothing is sent twice"


def test_a_forced_reduction_takes(server: CoinbaseServer, start: Start) -> None:
    """Beyond the hard limit the inventory is led back by orders that are not post-only."""
    server.rest("buy", "59990", "50")
    bot = start(
        MM_MAX_LONG_INVENTORY="90",
        MM_HARD_LONG_INVENTORY="98",
        MM_TARGET_INVENTORY="50",
        MM_FORCED_REDUCTION="true",
        MM_REDUCE_ORDER_SECONDS="5",
        MM_ORDER_SIZE="5",
    )
    wait("it is led back", lambda: server.exchange.wallets["BTC"] <= 98, bot)
    (first, *_) = (body for path, body in server.received if path == "orders")
    assert first["order_configuration"]["limit_limit_gtd"]["post_only"] is False
