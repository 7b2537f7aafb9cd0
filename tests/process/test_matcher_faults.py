"""What the matcher may do to a real bot's orders: die with them in its hands, and book a match that
then reverts on chain."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from integration_harness.api_proxy import ApiProxy
from integration_harness.stack.chain import Chain
from integration_harness.stack.instruments import Instrument
from integration_harness.stack.orders import ExchangeClient, OrderTicket
from integration_harness.stack.orders import Signer as TakerSigner
from integration_harness.stack.up import ExchangeOptions, LocalExchange
from tests.process.running import Running

SPEED = 20
"""The clocks of bot and chain run so many times faster while they wait for a match to settle."""
LIFE_S = 300
AHEAD_S = LIFE_S + 60
OTHER_CLOCK = str(Path(__file__).parent / "other_clock")


class Desk:
    """A local exchange where a bot has a proxy before the API, and what such a bot is told."""

    def __init__(self, exchange: LocalExchange, api: ApiProxy, folder: Path) -> None:
        self.exchange = exchange
        self.api = api
        self._folder = folder

    def environment(self, market: Instrument, **settings: str) -> dict[str, str]:
        return {
            **self.exchange.bot_environment(market.symbol),
            "MM_API_BASE_URL": self.api.url,
            "MM_STATE_FILE": str(self._folder / f"{market.symbol}.json"),
            "MM_ORDER_SIZE": "1",
            "MM_POLL_INTERVAL_MS": "50",
            "MM_ORDER_EXPIRY_SECONDS": str(LIFE_S),
            "MM_ANCHOR_SOURCE_TYPE": "fixed",
            "MM_ANCHOR_FIXED_PRICE": "1600",
            **settings,
        }

    def held(self, market: Instrument) -> Decimal:
        """The position on chain."""
        _, subaccount = self.exchange.account_for(market)
        with Chain(self.exchange.rpc_url, self.exchange.deployment) as chain:
            found = (b.amount for b in chain.balances(subaccount) if b.sub_id == market.sub_id)
            return Decimal(next(found, 0)).scaleb(-18)

    def later(self, seconds: int) -> dict[str, str]:
        """The chain put ahead, and what a bot is told whose clock is put ahead with it."""
        with Chain(self.exchange.rpc_url, self.exchange.deployment) as chain:
            chain.advance(seconds)
            ahead_s = chain.now() - int(time.time())
        return {"PYTHONPATH": OTHER_CLOCK, "OTHER_CLOCK_AHEAD_S": str(ahead_s)}

    def hurried(self) -> dict[str, str]:
        """The same for clocks that run fast from now on."""
        with Chain(self.exchange.rpc_url, self.exchange.deployment) as chain:
            told = self.later(0)
            chain.request("anvil_setBlockTimestampInterval", SPEED)
        return {
            **told,
            "OTHER_CLOCK_SPEED": str(SPEED),
            "OTHER_CLOCK_FROM_NS": str(time.time_ns()),
            "MM_STALE_MARKET_DATA_TIMEOUT_SECONDS": "600",
            "MM_STALE_BALANCE_TIMEOUT_SECONDS": "600",
        }


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with LocalExchange(ExchangeOptions(matcher_poll_ms=50)) as exchange:
        api = ApiProxy(exchange.api_url)
        api.start()
        try:
            yield Desk(exchange, api, tmp_path_factory.mktemp("states"))
        finally:
            api.close()


def test_an_order_that_died_with_the_matcher(desk: Desk) -> None:
    """Its slot has a reason and is not ready, over a restart too; cancels of it back off, and
    `cancel-all` claims no proof; past its expiry and a margin it is dead and the slot quoted."""
    exchange, market = desk.exchange, desk.exchange.futures[0]
    environment = desk.environment(market, MM_READINESS_MISSING_QUOTE_TIMEOUT_SECONDS="1")
    with Running(environment) as bot:
        bot.until_ready()
        stuck = _die_in_the_window(exchange)
        exchange.start("matcher")
        _told_as_stuck(bot)
        bot.stop(signal.SIGKILL)
    assert _cancel_all(environment).returncode == 5, "they may be live"
    before = len(desk.api.cancels())
    moved = {"MM_ANCHOR_FIXED_PRICE": "1650"}
    with Running(environment | moved) as bot:  # so that it wants them gone
        _told_as_stuck(bot)
        bot.stop(signal.SIGKILL)
    tries = len(desk.api.cancels()) - before
    assert 2 <= tries <= 2 * 20, "in 7 s each: doubling pauses, then few, not five a second"
    with Running(environment | desk.later(AHEAD_S)) as bot:
        live = {each["order_id"] for each in bot.until_ready()["live"]}
        assert len(live) == 2
        assert not live & set(stuck)
        bot.stop()
    with psycopg.connect(exchange.admin_database_url, autocommit=True) as admin:
        query = "SELECT DISTINCT status FROM active_orders WHERE order_id = ANY(%s)"
        assert admin.execute(query, (list(stuck),)).fetchall() == [("matching",)]


def _told_as_stuck(bot: Running) -> None:
    told = bot.until(lambda status: not status["ready"] and status.get("missing"), "not ready")
    assert {gap["reason"] for gap in told["missing"]} == {"stuck_in_matching"}, told["missing"]


def _cancel_all(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mm_bot", "cancel-all", "--within", "1"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _die_in_the_window(exchange: LocalExchange) -> tuple[str, ...]:
    """A matcher that holds what it claims for long is killed there; the ids of what it held."""
    exchange.stop("matcher")
    exchange.start("matcher", STACK_MATCHER_BLINK_HOLD_MS="5000")
    with psycopg.connect(exchange.admin_database_url, autocommit=True) as admin:
        held: list[Any] = []
        while len(held) < 2:
            query = "SELECT order_id FROM active_orders WHERE status = 'matching'"
            held = admin.execute(query).fetchall()
    exchange.crash("matcher")
    return tuple(row[0] for row in held)


def test_a_match_that_is_booked_and_reverts(desk: Desk) -> None:
    """Its fill takes its room until the chain has gone on without it for a minute; then it leaves
    the books, its signature stays in the liability, and a restart changes nothing of it."""
    exchange, market = desk.exchange, desk.exchange.futures[1]
    held = desk.held(market)
    limits = {
        "MM_OPERATOR_MODE": "bid-only",
        "MM_MAX_LONG_INVENTORY": f"{(held + 1).normalize():f}",
        "MM_MAX_SHORT_INVENTORY": "-1",
        "MM_ORDER_EXPIRY_SECONDS": "20000",
    }
    environment = desk.environment(market, **limits) | desk.hurried()
    exchange.stop("matcher")
    exchange.start("matcher", STACK_EXECUTOR_GAS="100000")
    with Running(environment) as bot, ExchangeClient(exchange.api_url) as client:
        bot.until_ready()
        _sell(client, exchange, market)
        told = bot.until(lambda status: status["result"]["fills_buy"] == 1, "a fill")
        assert told["result"]["position"] == "1"
        assert "inventory_limit" in {gap["reason"] for gap in told["missing"]}
        assert told["signed_liability"]["buy"] == str(_signed(bot)), "the chain did not take it"
        told = bot.until(lambda status: status["result"]["position"] == "0", "out of the books")
        assert told["result"]["cash_cngn"] == "0"
        _quoted_beside_the_reverted(bot, signed_before=0)
        signed = _signed(bot)
        assert signed > 1, "the reverted and what rests"
        assert bot.stop().output.count('"event":"fills.reverted"') == 1
    assert desk.held(market) == held
    with Running(environment) as bot:
        told = _quoted_beside_the_reverted(bot, signed_before=signed)
        assert (told["result"]["fills_buy"], told["result"]["position"]) == (1, "0")


def _quoted_beside_the_reverted(bot: Running, *, signed_before: int) -> dict[str, Any]:
    """The bid is back, and of the old signature as much can be executed as of its own."""

    def holds(status: dict[str, Any]) -> bool:
        signed = signed_before + _signed(bot)
        return bool(status.get("live")) and status["signed_liability"]["buy"] == str(signed)

    return bot.until(holds, "a bid")


def _signed(bot: Running) -> int:
    """How many bids of 1 it has signed. On a slow machine one may have missed its moment: it was
    never sent, and counts all the same."""
    return bot.output.count('"event":"order.place"')


def _sell(client: ExchangeClient, exchange: LocalExchange, market: Instrument) -> None:
    taker = TakerSigner(exchange.deployment, exchange.deployment.takers[0])
    ticket = OrderTicket(
        instrument=market,
        side="sell",
        price=Decimal(1500),
        size=Decimal(1),
        lifetime_seconds=30_000,
    )
    client.place(taker.order_body(ticket))
