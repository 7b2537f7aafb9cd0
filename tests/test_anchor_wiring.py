"""From settings to anchors: what is built, behind which guards, and what that costs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal

from mm_bot.app.anchors import CHAIN_AHEAD_MS, anchor_config, source_names
from mm_bot.app.pages import bot_metrics
from mm_bot.core.carry import YEAR_MS
from mm_bot.core.exact import Price
from mm_bot.core.instrument import Kind
from mm_bot.core.remember import Report
from mm_bot.prices.build import AnchorConfig, build
from mm_bot.prices.fixed import FixedSpec
from mm_bot.prices.guarded import GuardPolicy
from mm_bot.prices.median import MedianSpec
from mm_bot.prices.oracle import CarrySpec, OracleSpec
from mm_bot.prices.spec import SourceContext
from mm_bot.settings import Settings
from tests.core.builders import SPOT, anchor, running, snapshot
from tests.core.decisions import decided
from tests.observe.metrics_helpers import BUILD, External, parts, telemetry_of
from tests.prices.support import NOW_MS, ManualClock
from tests.settings.test_settings import ZERO_EX, market, settings

FUTURE = replace(market(Kind.FUTURE), expiry_ms=NOW_MS + YEAR_MS)
FEED = "0x" + "ab" * 20
MEDIAN = {
    "MM_ANCHOR_SOURCE_TYPE": "median",
    "MM_ANCHOR_MEDIAN_OF": "oracle*2, fixed",
    "MM_ANCHOR_FIXED_PRICE": "1600",
    "MM_ANCHOR_ORACLE_ADDRESS": FEED,
    "MM_CARRY_RATE_APR": "0.1",
}


def config(s: Settings, *, future: bool = True) -> AnchorConfig:
    """The anchor on a future that has a year left, or on spot."""
    return anchor_config(s.anchor, FUTURE if future else market(), s.poll_interval_ms)


def test_a_spot_source_is_carried_to_a_future_s_expiry_and_no_other() -> None:
    """The feed is carried on a future; nothing is on spot, and what is told for this very market
    is taken as it is."""
    oracle = {"MM_ANCHOR_SOURCE_TYPE": "oracle_carry", "MM_ANCHOR_ORACLE_ADDRESS": FEED}
    s = settings(**oracle, MM_CARRY_RATE_APR="0.1")
    spec = OracleSpec(address=FEED, max_age_ms=14_400_000)
    carried = CarrySpec(of=spec, rate_apr=Decimal("0.1"), expiry_ms=FUTURE.expiry_ms)
    assert config(s).source == carried
    assert config(s, future=False).source == spec
    fixed = settings(MM_ANCHOR_SOURCE_TYPE="fixed", MM_ANCHOR_FIXED_PRICE="1600")
    assert config(fixed).source == FixedSpec(price=Price.of(1600))
    assert config(settings()).source is None


def test_carrying_is_the_services_formula() -> None:
    """1600 at 10 % a year is 1600 e^0.1 a year before the expiry."""

    async def scenario() -> Price | None:
        spec = CarrySpec(
            of=FixedSpec(price=Price.of(1600)),
            rate_apr=Decimal("0.1"),
            expiry_ms=FUTURE.expiry_ms,
        )
        runner = build(replace(config(settings()), source=spec), SourceContext(clock=ManualClock()))
        assert runner is not None
        runner.start()
        quote = await runner.first_reading(1_000)
        await runner.aclose()
        return quote.price

    assert asyncio.run(scenario()) == Price.of("1768.273468921036")


def test_each_member_of_a_median_has_a_guard_of_its_own() -> None:
    """With the age limit, the jump limit and the bounds; the median itself has the bounds alone,
    so that a jump is confirmed once."""
    s = settings(
        **MEDIAN,
        MM_ANCHOR_MIN_PRICE="500",
        MM_ANCHOR_MAX_PRICE="5000",
        MM_ANCHOR_MAX_JUMP_BPS="300",
        MM_ANCHOR_CONFIRMATIONS="4",
        MM_MAX_ANCHOR_DEVIATION_BPS="50",
    )
    built = config(s)
    own = GuardPolicy(
        max_age_ms=60_000,
        max_deviation_bps=Decimal(300),
        hard_jump_bps=Decimal(2000),
        confirmations=4,
        max_ahead_ms=CHAIN_AHEAD_MS,
        low=Price.of(500),
        high=Price.of(5000),
    )
    assert isinstance(built.source, MedianSpec)
    assert [(m.name, m.guard, m.weight) for m in built.source.members] == [
        ("oracle", own, Decimal(2)),
        ("fixed", own, Decimal(1)),
    ]
    assert isinstance(built.source.members[0].source, CarrySpec)
    assert (built.name, built.source.quorum) == ("median", 2)
    assert built.guard == replace(own, max_age_ms=None, max_deviation_bps=None)
    alone = config(settings(MM_ANCHOR_SOURCE_TYPE="fixed", MM_ANCHOR_FIXED_PRICE="1600"))
    assert alone.guard.max_deviation_bps == Decimal(500)


def test_the_labels_are_the_sources_that_are_configured() -> None:
    """Each is there from the first scrape on, with every reason, and no other ever is."""
    assert source_names(settings()) == ()
    assert source_names(settings(**ZERO_EX)) == ("0x",)
    names = source_names(settings(**MEDIAN))
    assert names == ("oracle", "fixed", "median")
    metrics = bot_metrics(BUILD, names)
    telemetry = telemetry_of(metrics)
    telemetry.begin(SPOT, None, External(refused={("oracle", "too old"): 3}))
    made = replace(anchor(), used=("fixed",), widening_bps=Decimal("1.5"))
    for _ in range(2):  # totals, not additions
        telemetry.cycle(decided(snapshot(quote=made)), Report(), running(), {"total": 1.0})
    found = parts(metrics)
    assert found["mm_bot_anchor_source_used", 'source="fixed"'] == 1
    assert found["mm_bot_anchor_source_used", 'source="oracle"'] == 0
    assert found["mm_bot_anchor_widening_bps", ""] == 1.5
    refused = "mm_bot_anchor_refusals_total"
    assert found[refused, 'reason="too old",source="oracle"'] == 3
    assert found[refused, 'reason="no quorum",source="median"'] == 0


def test_starting_up_imports_web_sockets_only_for_coinbase() -> None:
    """No other source, nor the bot around it, needs them."""
    code = """
import sys
import mm_bot.app.run
from mm_bot.prices.spec import SourceContext
from mm_bot.prices.coinbase import CoinbaseSpec
from mm_bot.prices.http import HttpSpec
from mm_bot.prices.pyth import PythSpec
from mm_bot.prices.strails import StrailsSpec
from mm_bot.clock import SystemClock
around = SourceContext(clock=SystemClock())
for spec in (
    HttpSpec(url="http://h", market="M"), StrailsSpec(base_url="http://h"), PythSpec(feed_id="ab")
):
    spec.build(around)
assert "websockets" not in sys.modules
CoinbaseSpec(product_id="USDC-USD").build(around)
assert "websockets" in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
