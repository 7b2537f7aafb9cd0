"""Faults of the exchange in a backtest: each does what it says, and the books still agree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.backtest import metrics
from mm_bot.backtest.generate import BEGINS_NS
from mm_bot.backtest.run import Run, run
from mm_bot.backtest.tape import NS_A_MS, NS_A_SECOND
from mm_bot.backtest.weather import Weather
from mm_bot.errors import SettingsError
from tests.backtest.tapes import BOUGHT, BY_HAND, CALM, SHORT, SOLD, tape

TAKERS = tuple((2 + 2 * n, (SOLD, BOUGHT)[n % 2], (980, 1_020)[n % 2], 9.0) for n in range(28))
MARKET = tape(*CALM[:2], *TAKERS, CALM[2])
"""Every two seconds a taker goes through one of our quotes."""


def traded(weather: Weather) -> Run:
    return run(replace(BY_HAND, weather=weather), MARKET)


def test_without_weather_every_taker_fills_us() -> None:
    """What the faults below are measured against."""
    assert len(traded(Weather()).ledger.fills) == len(TAKERS)


@pytest.mark.parametrize(
    ("weather", "outcomes"),
    [
        (Weather(looks_fail=1), set()),
        (Weather(places_refused=1), {"place refused"}),
        (Weather(commands_lost=1), {"place unknown"}),
        (Weather(outages_per_hour=3_600, outage_seconds=3_600), {"cancel unknown"}),
    ],
    ids=["looks", "refused", "lost", "outage"],
)
def test_what_never_arrives_is_never_filled(weather: Weather, outcomes: set[str]) -> None:
    """With a chance of 1 nothing of ours rests, and the bot knows of each command what it may."""
    done = traded(weather)
    late = [fill for fill in done.ledger.fills if fill.at_ns > BEGINS_NS + 8 * NS_A_SECOND]
    assert late == []
    assert set(done.recorder.outcomes) <= {"place accepted", *outcomes}
    assert outcomes <= set(done.recorder.outcomes)


def test_an_order_whose_answer_is_lost_is_found_and_filled_once() -> None:
    """Each place and cancel arrives and no answer comes: the bot finds its orders on the table, and
    every fill is in its books once."""
    done = traded(Weather(answers_lost=1, timeout_ms=300))
    assert set(done.recorder.outcomes) <= {"place unknown", "cancel unknown"}
    assert len(done.ledger.fills) > len(TAKERS) / 2
    assert done.recorder.totals.buys + done.recorder.totals.sells == len(done.ledger.fills)


def test_while_the_executor_fails_nothing_trades() -> None:
    """Fills stand outside of its times alone, and a quote goes on resting through them."""
    weather = Weather(executor_failures_per_hour=240, executor_failure_seconds=8)
    left = weather.without_failed_trades(MARKET)
    gone = len(MARKET.events) - len(left.events)
    done = traded(weather)
    assert 4 < gone < len(TAKERS)
    assert len(done.ledger.fills) == len(TAKERS) - gone
    assert metrics.result(done)["quoting"]["uptime_bid"] == 0  # quotes of 100 bps
    assert done.recorder.samples[-1].bid is not None


def test_a_storm_repeats_and_sees_no_future() -> None:
    """All faults together: the same bytes twice, the same books, and what was before a cut is as
    on the whole tape."""
    storm = Weather(
        looks_fail=0.1,
        places_refused=0.1,
        commands_lost=0.1,
        answers_lost=0.1,
        timeout_ms=700,
        outages_per_hour=200,
        outage_seconds=2,
        executor_failures_per_hour=200,
        executor_failure_seconds=3,
    )
    market, experiment = SHORT.tape(), replace(SHORT, weather=storm)
    whole, again = run(experiment, market), run(experiment, market)
    assert metrics.text(metrics.result(whole)) == metrics.text(metrics.result(again))
    assert "With faults of the exchange: looks fail 0.1" in str(metrics.result(whole)["warnings"])
    cut_ns = market.begins_ns + 30 * NS_A_SECOND
    cut = run(experiment, market.until(cut_ns))
    before = [fill for fill in whole.ledger.fills if fill.at_ns < cut_ns - 100 * NS_A_MS]
    assert len(before) >= 3
    assert cut.ledger.fills[: len(before)] == before


def test_a_chance_is_between_0_and_1() -> None:
    """What is none is named, with its range."""
    with pytest.raises(SettingsError, match=r"looks_fail 5: a chance, 0 to 1"):
        Weather(looks_fail=5)
    with pytest.raises(SettingsError, match="outage_seconds -1: not below 0"):
        Weather(outage_seconds=-1)
