"""Views of a small world, the metrics of a bot that lived through it, and the exposition taken
apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mm_bot.app.pages import bot_metrics
from mm_bot.clock import Clock
from mm_bot.core.commands import Outcome, Verdict
from mm_bot.core.exact import Amount, Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import Stage
from mm_bot.core.liability import Signature
from mm_bot.core.plan import Cancel, CancelCategory
from mm_bot.core.policy import OperatorMode
from mm_bot.core.remember import CancelResult, PlaceResult, Report
from mm_bot.observe.log import Level, Log
from mm_bot.observe.metrics import BuildInfo, Metrics
from mm_bot.observe.telemetry import Telemetry
from mm_bot.observe.totals import Totals
from tests.core.builders import (
    NOW_MS,
    POLICY,
    SPOT,
    anchor,
    fill,
    observation,
    open_order,
    own_orders,
    row,
    running,
    snapshot,
)
from tests.core.decisions import decided
from tests.prices.support import ManualClock

BUILD = BuildInfo(
    version="0.1.0", market="USDCcNGN-SPOT", chain_id=8453, subaccount_id=10, dry_run=False
)
SAMPLE = re.compile(
    r"^([a-zA-Z_:][a-zA-Z0-9_:]*)"
    r'(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*",?)*)\})?'
    r" (-?[0-9.eE+-]+|NaN|\+Inf|-Inf)$"
)
OLD = Signature(
    side=Side.BUY, left=Size.of(250), notional=Amount.of(400_000), expiry_ms=NOW_MS + 300_000
)
TIMINGS_MS = {"observe": 10.0, "act": 5.0, "total": 20.0, "event_to_order": 30.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """What the bootstrap source counts."""

    refreshes: int = 3
    failures: int = 1
    refused: Mapping[tuple[str, str], int] = field(
        default_factory=lambda: {("fixed", "too old"): 2}
    )


def new_metrics() -> Metrics:
    return bot_metrics(BUILD, ("fixed", "pyth"))


def telemetry_of(metrics: Metrics, clock: Clock | None = None) -> Telemetry:
    """One that logs nothing, whose cycles end at the times that `clock` is set to."""
    log = Log(level=Level.CRITICAL)
    telemetry = Telemetry(metrics=metrics, log=log, totals=Totals(0.0), clock=clock)
    telemetry.begin(SPOT, External())
    return telemetry


def parts(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Sample name and label text to value."""
    samples = {}
    for line in metrics.render().decode().splitlines():
        if not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, f"no sample: {line!r}"
            key = (match[1], match[2] or "")
            assert key not in samples, f"twice: {key}"
            samples[key] = float(match[3])
    return samples


def exercise(metrics: Metrics) -> Telemetry:
    """Three cycles, a second apart: two bids rest and no ask; two fills are seen, cancels and a
    place are sent; then the kill switch halts, trades are not read and an ask is unknown."""
    clock = ManualClock()
    telemetry = telemetry_of(metrics, clock)
    metrics.ready = lambda: True
    bids = (
        open_order(Side.BUY, "1599.5", "100", nonce=1, created_ms=NOW_MS - 3_000),
        open_order(Side.BUY, "1598", "50", nonce=2),
    )
    rows = tuple(row(c.side, str(c.price), str(c.size), nonce=c.nonce) for c in bids)
    memory = replace(
        running(*bids),
        last_quote_update_ms=NOW_MS + 500,
        inventory=Size.of("-3"),
        signatures={"old": OLD},
        fill_totals=FillTotals(cursor=1_000, realised=Amount.of("12.5")),
    )
    external = replace(anchor("1601", as_of_ms=NOW_MS - 3_000), source="pyth")
    quiet = decided(snapshot(own_orders(*rows), external=external), memory)
    telemetry.cycle(quiet, Report(), memory, {"total": 20.0})

    sold = (
        fill(1_001, Side.SELL, "1604", "2.5"),
        replace(fill(1_002, Side.SELL, "1604", "1"), completes_order=True),
    )
    orders = own_orders(*rows, fills=sold, newest_trade_id=1_002)
    seen = snapshot(orders, now_ms=NOW_MS + 1_000, external=external)
    filled = decided(seen, memory)
    clock.at_ms += 1_000
    telemetry.cycle(filled, _report(), memory, dict(TIMINGS_MS))

    unknown = open_order(Side.SELL, "1605", "7", nonce=3, stage=Stage.UNKNOWN)
    memory = replace(memory, open_orders=(*bids, unknown), fill_totals=filled.fill_totals)
    venue = observation(orders, at_ms=NOW_MS + 2_000)
    trades = replace(venue.trades, as_of_ms=NOW_MS + 1_900, error="down")
    seen = snapshot(
        venue=replace(venue, trades=trades),
        now_ms=NOW_MS + 2_000,
        quote=anchor(),
        external=external,
        kill_switch=True,
    )
    last = decided(seen, memory, replace(POLICY, mode=OperatorMode.BID_ONLY))
    clock.at_ms += 1_000
    telemetry.cycle(last, Report(), memory, {"total": 2.0})
    return telemetry


def _report() -> Report:
    """Two accepted cancels, and a place whose outcome nobody knows."""
    cancels = tuple(
        CancelResult(
            cancel=Cancel(
                order_id=f"o{nonce}",
                nonce=nonce,
                category=CancelCategory.REPLACE_DRIVEN,
                reason="price",
            ),
            outcome=Outcome(verdict=Verdict.ACCEPTED),
            sent_ms=NOW_MS,
            done_ms=NOW_MS,
        )
        for nonce in (8, 9)
    )
    signed = open_order(Side.SELL, "1605", "7", nonce=3, stage=Stage.UNKNOWN).signed
    assert signed is not None
    place = PlaceResult(
        signed=signed,
        level=None,
        replaces=None,
        outcome=Outcome(verdict=Verdict.UNKNOWN),
        sent_ms=NOW_MS,
    )
    return Report(cancels=cancels, places=(place,))
