"""Ready means that what is wanted rests, or its reason is told."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.quoting import Hanging
from mm_bot.core.remember import Report
from mm_bot.observe.explain import explain
from mm_bot.observe.health import Health
from mm_bot.observe.log import Level, Log
from mm_bot.observe.telemetry import Telemetry
from mm_bot.observe.totals import Totals
from tests.core.builders import NOW_MS, SPOT, open_order, own_orders, row, running, snapshot
from tests.core.decisions import REFUSED, after, decided, sent
from tests.observe.metrics_helpers import External, new_metrics, parts
from tests.prices.support import ManualClock

LIMIT_MS = 30_000


class Watched:
    """Health of a bot in one market, by a clock that is set by hand."""

    def __init__(self, market: Instrument, log: Log | None = None) -> None:
        self.clock, self.metrics = ManualClock(), new_metrics()
        totals, log = Totals(0.0), log or Log(level=Level.CRITICAL)
        self.telemetry = Telemetry(metrics=self.metrics, log=log, totals=totals, clock=self.clock)
        self.telemetry.begin(market, External())
        self.health = Health(
            self.telemetry,
            totals,
            self.clock,
            cycle_overdue_ms=10 * LIMIT_MS,
            missing_quote_timeout_ms=LIMIT_MS,
        )


def test_a_market_past_its_end_is_not_ready_at_once() -> None:
    """Nothing can rest there, and that is the reason."""
    watched = Watched(replace(SPOT, expiry_ms=NOW_MS))
    decision = decided()
    watched.telemetry.cycle(decision, Report(), after(decision, Report()), {"total": 1.0})
    assert watched.health.reasons() == ["the market has expired"]


def test_a_hanging_order_is_told_as_one_and_why_is_the_last_decision() -> None:
    """Of the live orders the one that the strategy keeps beside the ladder; before the first cycle
    there is nothing to explain."""
    watched = Watched(SPOT)
    assert watched.health.why() == {}
    asks = [open_order(Side.SELL, price, nonce=n) for n, price in ((2, "1604"), (3, "1610"))]
    rows = own_orders(row(Side.SELL, "1604", nonce=2), row(Side.SELL, "1610", nonce=3))
    decision = decided(snapshot(rows), running(*asks))
    hanging = Hanging(stay=frozenset({asks[1].order_id}))
    decision = replace(decision, quotes=replace(decision.quotes, hanging=hanging))
    memory = after(decision, Report(), running(*asks))
    watched.telemetry.cycle(decision, Report(), memory, {"total": 1.0})
    live = watched.health.status()["live"]
    assert isinstance(live, list)
    assert [(o["price"], o["hangs"]) for o in live] == [("1604", False), ("1610", True)]
    told = watched.health.why()["bid"]
    assert isinstance(told, list)
    last = explain(decision, Side.BUY)[-1]
    assert told[-1] == {"step": "verdict", "says": last.says, "numbers": {}}


def test_a_side_refused_again_and_again_is_not_ready_after_the_limit_and_says_why() -> None:
    """Until the limit the reason stands in `missing`, after it in what `/readyz` says."""
    watched = Watched(SPOT)
    first = decided()
    memory = after(first, sent(first, REFUSED))
    soon = decided(snapshot(now_ms=NOW_MS + 1), memory)
    for _ in range(2):
        watched.telemetry.cycle(soon, Report(), memory, {"total": 1.0})
        assert watched.health.reasons() == []
        watched.clock.at_ms += LIMIT_MS
    watched.telemetry.cycle(soon, Report(), memory, {"total": 1.0})
    assert watched.health.reasons() == [
        f"{side} missing for {2 * LIMIT_MS} ms, limit {LIMIT_MS} ms: refused_recently"
        for side in ("bid", "ask")
    ]


def test_an_order_that_nobody_cancels_is_not_ready_after_the_limit() -> None:
    """It rests where something else should: told by its name until it is gone or fits again."""
    watched = Watched(SPOT)
    stale = replace(open_order(Side.BUY, "1500"), cancels=3, next_cancel_ms=NOW_MS + 60_000)
    memory = running(stale, open_order(Side.SELL, "1604", nonce=2))
    rows = own_orders(row(Side.BUY, "1500"), row(Side.SELL, "1604", nonce=2))
    decision = decided(snapshot(rows), memory)
    memory = after(decision, Report(), memory)
    for _ in range(2):
        watched.telemetry.cycle(decision, Report(), memory, {"total": 1.0})
        assert watched.health.reasons() == []
        watched.clock.at_ms += LIMIT_MS
    watched.telemetry.cycle(decision, Report(), memory, {"total": 1.0})
    told = f"{stale.order_id} not cancelled for {2 * LIMIT_MS} ms, limit {LIMIT_MS} ms"
    assert watched.health.reasons() == [told]
    memory = replace(memory, open_orders=memory.open_orders[1:])
    gone = decided(snapshot(own_orders(row(Side.SELL, "1604", nonce=2))), memory)
    watched.telemetry.cycle(gone, Report(), after(gone, Report(), memory), {"total": 1.0})
    assert told not in watched.health.reasons()


def test_what_wakes_the_loop_is_told_in_status_metric_and_log() -> None:
    """Each change once in the log, a loss as a warning; the others say what holds now."""
    stream = StringIO()
    watched = Watched(SPOT, Log(level=Level.INFO, as_json=True, stream=stream))
    for source, why in (("listen", ""), ("poll", "LISTEN ended: gone"), ("poll", "still so")):
        watched.telemetry.hears(source, why)
        assert watched.health.status()["events"] == {"source": source, "why": why}
        exported = parts(watched.metrics)
        for each in ("listen", "socket", "poll"):
            name = ("mm_bot_events_source", f'source="{each}"')
            assert exported[name] == (each == source)
    assert "blocks" not in watched.health.status(), "nobody follows them"
    for source, why in (("subscription", ""), ("poll", "the node ended the WebSocket")):
        watched.telemetry.hears_blocks(source, why)
        assert watched.health.status()["blocks"] == {"source": source, "why": why}
        exported = parts(watched.metrics)
        for each in ("subscription", "poll"):
            assert exported["mm_bot_blocks_source", f'source="{each}"'] == (each == source)
    for why in ("", "timeout"):
        watched.telemetry.hears_prices("pyth:eaa020c6", why)
        shown = {"pyth:eaa020c6": {"up": not why, "why": why}}
        assert watched.health.status()["price_streams"] == shown
        up = parts(watched.metrics)["mm_bot_price_stream_up", 'stream="pyth:eaa020c6"']
        assert up == (not why)
    *lines, up_again, lost = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (up_again["level"], up_again["up"]) == ("info", True)
    assert (lost["level"], lost["stream"], lost["why"]) == ("warning", "pyth:eaa020c6", "timeout")
    assert [(each["event"], each["level"], each["source"], each["why"]) for each in lines] == [
        ("events", "info", "listen", None),
        ("events", "warning", "poll", "LISTEN ended: gone"),
        ("blocks", "info", "subscription", None),
        ("blocks", "warning", "poll", "the node ended the WebSocket"),
    ]
