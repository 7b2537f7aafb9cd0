"""A real process whose own clock is minutes off: what it says it can lose, and what it tells."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from integration_harness.stack.chain import Chain
from integration_harness.stack.up import LocalExchange
from tests.process.running import Running

OTHER_CLOCK = str(Path(__file__).parent / "other_clock")
OFF_S = 400
SIZE = 10


@pytest.mark.parametrize("off_s", [OFF_S, -OFF_S], ids=["ahead", "behind"])
def test_the_liability_errs_only_upwards_whatever_the_clock(
    exchange: LocalExchange, tmp_path: Path, off_s: int
) -> None:
    """Signed by a right clock and told by one that is off, killed, and the other way round: never
    less than what the chain would still take. The clock is told by name. One that is ahead halts,
    unless nothing limits the age of balances; one that is behind believes no block and places
    nothing."""
    right = {
        **exchange.bot_environment(exchange.spot.symbol),
        "MM_STATE_FILE": str(tmp_path / "state.json"),
        "MM_POLL_INTERVAL_MS": "100",
        "MM_ORDER_SIZE": str(SIZE),
        "MM_MAX_LONG_INVENTORY": "1000000",
        "MM_MAX_SHORT_INVENTORY": "-1000000",
        "MM_ANCHOR_SOURCE_TYPE": "fixed",
        "MM_ANCHOR_FIXED_PRICE": "1600",
    }
    began = datetime.now(UTC)
    off = right | {"PYTHONPATH": OTHER_CLOCK, "OTHER_CLOCK_AHEAD_S": str(off_s)}
    unlimited = off | {"MM_STALE_BALANCE_TIMEOUT_SECONDS": "0"}
    with Running(right) as bot:
        _killed(exchange, began, bot, bot.until(_quoting, "quoting"))
    with Running(off) as bot:
        if off_s > 0:
            told = bot.until(lambda s: _halted(s) == {"balances stale"}, "halted")
        else:
            told = bot.until(lambda s: s.get("sources"), "a cycle")
            error = told["sources"]["balances"]["error"]
            assert "ahead of this clock; is each right?" in error
            assert told["missing"]
        _told_by_name(told, off_s)
        _killed(exchange, began, bot, told)
    if off_s > 0:
        with Running(unlimited) as bot:
            told = bot.until(_quoting, "quoting")
            _told_by_name(told, off_s)
            _killed(exchange, began, bot, told)
    with Running(right) as bot:
        _killed(exchange, began, bot, bot.until(_quoting, "quoting"))


def _quoting(status: dict[str, Any]) -> bool:
    return bool(status.get("live")) and not status["missing"]


def _halted(status: dict[str, Any]) -> set[str]:
    return {halt["reason"] for halt in status.get("halts", ())}


def _told_by_name(status: dict[str, Any], off_s: int) -> None:
    (api,) = (each for each in status["clocks"] if each["clock"] == "api")
    assert api["off"]
    assert abs(api["ahead_ms"] + 1_000 * off_s) < 60_000


def _killed(exchange: LocalExchange, began: datetime, bot: Running, told: dict[str, Any]) -> None:
    """It said no less than the chain would take of all that was accepted since then."""
    for side, executable in _executable(exchange, began).items():
        assert Decimal(told["signed_liability"][side]) >= executable * Decimal("0.9999")
    bot.stop(signal.SIGKILL)


def _executable(exchange: LocalExchange, began: datetime) -> dict[str, int]:
    """By side; nothing of it was filled."""
    with Chain(exchange.rpc_url, exchange.deployment) as chain:
        now_s = chain.now()
    query = """
        SELECT order_id FROM active_orders
        WHERE order_id LIKE %s AND created_at > %s AND expiry > %s
    """
    with psycopg.connect(exchange.admin_database_url) as admin:
        rows = admin.execute(query, (f"mm:{exchange.spot.symbol}:%", began, now_s)).fetchall()
    sides = [order_id.split(":")[2] for (order_id,) in rows]
    return {side: SIZE * sides.count(side) for side in ("buy", "sell")}
