"""A real process whose clock differs from the exchange's: it says so, by name, and when it ends."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from integration_harness.api_proxy import ApiProxy
from integration_harness.stack.up import LocalExchange
from tests.process.running import Running


@pytest.mark.parametrize("ahead_s", [20, -3600])
def test_a_clock_that_differs_is_told_and_that_it_agrees_again(
    exchange: LocalExchange, tmp_path: Path, ahead_s: int
) -> None:
    """In the log once, in the status for as long as it lasts; quoting goes on."""
    api = ApiProxy(exchange.api_url)
    api.start()
    environment = {
        **exchange.bot_environment(exchange.spot.symbol),
        "MM_API_BASE_URL": api.url,
        "MM_STATE_FILE": str(tmp_path / "state.json"),
        "MM_CANCEL_ON_SHUTDOWN": "true",
        "MM_POLL_INTERVAL_MS": "50",
        "MM_MAX_LONG_INVENTORY": "1000000",
        "MM_MAX_SHORT_INVENTORY": "-1000000",
        "MM_ANCHOR_SOURCE_TYPE": "fixed",
        "MM_ANCHOR_FIXED_PRICE": "1600",
    }
    try:
        with Running(environment) as bot:
            assert not [c for c in bot.until_ready()["clocks"] if c["off"]]
            api.clock_ahead_seconds = ahead_s
            told = bot.until(lambda s: _off_by_ms(s, ahead_s * 1000) <= 1_500, "told")
            assert told["clocks"][0]["clock"] == "api"
            assert told["ready"]
            api.clock_ahead_seconds = 0
            bot.until(lambda s: not [c for c in s["clocks"] if c["off"]], "agreeing")
            bot.stop()
            assert bot.output.count("clock.off") == bot.output.count("clock.agrees") == 1
    finally:
        api.close()


def _off_by_ms(status: dict[str, Any], ahead_ms: int) -> float:
    """How far the error that the first clock is said to have is from the true one; without end
    where none is said."""
    first = status["clocks"][0]
    return abs(first["ahead_ms"] - ahead_ms) if first["off"] else math.inf
