"""A real process that is killed: what the next one says it can still lose."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from integration_harness.api_proxy import PLACE, ApiProxy, Fault
from integration_harness.stack.up import LocalExchange
from tests.process.running import Running

SIZE = 10


@pytest.fixture
def refusing(exchange: LocalExchange) -> Iterator[ApiProxy]:
    """An API that answers 400 to every order."""
    proxy = ApiProxy(exchange.api_url)
    proxy.rule = lambda path, number: Fault(answered=(400, b"{}") if path == PLACE else None)
    proxy.start()
    yield proxy
    proxy.close()


def test_refused_orders_count_over_a_kill(
    exchange: LocalExchange, refusing: ApiProxy, tmp_path: Path
) -> None:
    """Nine and more signatures answered 400, then kill -9: the next process says at least all of
    them, though the order table has a row of none."""
    environment = {
        **exchange.bot_environment(exchange.spot.symbol),
        "MM_API_BASE_URL": refusing.url,
        "MM_STATE_FILE": str(tmp_path / "state.json"),
        "MM_POLL_INTERVAL_MS": "50",
        "MM_QUOTE_LEVELS": "3",
        "MM_LEVEL_SPREAD_STEP_BPS": "10",
        "MM_ORDER_SIZE": str(SIZE),
        "MM_MAX_LONG_INVENTORY": "1000000",
        "MM_MAX_SHORT_INVENTORY": "-1000000",
        "MM_ANCHOR_SOURCE_TYPE": "fixed",
        "MM_ANCHOR_FIXED_PRICE": "1600",
    }
    before = _said({**environment, "MM_STATE_FILE": str(tmp_path / "another.json")})
    with Running(environment) as bot:
        bot.until(lambda status: len(refusing.orders()) >= 9, "refused nine times")
        bot.stop(signal.SIGKILL)
    signed = [order.order_id.split(":")[2] for order in refusing.orders()]
    status = _said(environment)
    for side in ("buy", "sell"):
        most = SIZE * signed.count(side)
        said = Decimal(status["signed_liability"][side])
        earlier = Decimal(before["signed_liability"][side])  # of other tests, until they expire
        assert most * Decimal("0.9999") <= said <= earlier + 3 * most + 6 * SIZE
        assert Decimal(status["signed"]["quote"][side]) >= 1500 * most


def _said(environment: Mapping[str, str]) -> dict[str, Any]:
    """The status of a process that signs nothing."""
    with Running({**environment, "MM_OPERATOR_MODE": "pause"}) as bot:
        return bot.until(lambda found: found.get("lock", {}).get("held"), "the writer")
