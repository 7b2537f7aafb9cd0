"""How a run quoted and what it held, against numbers worked out by hand."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from math import log
from pathlib import Path

import pytest

from mm_bot.backtest import metrics
from mm_bot.backtest.__main__ import main
from mm_bot.backtest.experiment import Uptime
from mm_bot.backtest.quality import half_life_s
from mm_bot.backtest.run import run
from tests.backtest.tapes import CALM, SOLD, tape, with_variables

MARKET = tape(*CALM[:2], (5, SOLD, 990, 2), CALM[2])
"""A minute in which a taker leaves 3 of our bid of 5."""


def test_the_half_life_of_a_returning_inventory_is_found() -> None:
    """Of a first-order autoregression that halves in 30 s, within a tenth; none of a walk's trend,
    nor of what never moves."""
    random_ = random.Random(1)
    keep = 0.5 ** (1 / 30)
    held = [0.0]
    for _ in range(200_000):
        held.append(keep * held[-1] + random_.gauss(0, 1))
    times = [1_000 * i for i in range(len(held))]
    assert half_life_s(times, held) == pytest.approx(30, rel=0.1)
    halves = [1.0, -0.5, 0.25, -0.125]
    assert half_life_s([0, 1_000, 2_000, 3_000], halves) is None
    assert half_life_s([0, 1_000, 2_000], [3.0, 3.0, 3.0]) is None
    assert half_life_s([0, 1_000, 2_000, 3_000], [8, 4, 2, 1]) == pytest.approx(
        log(2) / log(_by_hand([8, 4, 2, 1])), abs=1e-3
    )


def _by_hand(held: list[float]) -> float:
    mean = sum(held) / len(held)
    away = [each - mean for each in held]
    return sum(a * a for a in away[:-1]) / sum(a * b for a, b in pairwise(away))


def test_uptime_asks_for_a_distance_and_a_size() -> None:
    """Quotes of 5 at 100 bps: never within 50 bps; within 100 always but for the start; a bid that
    was filled to 3, where 5 may be held, counts for an uptime of 4 only until then."""
    bounded = with_variables(MM_MAX_LONG_INVENTORY="5")

    def uptime(bps: int, size: str) -> tuple[float, float]:
        done = run(replace(bounded, uptime=Uptime(bps=bps, size=size)), MARKET)
        told = metrics.result(done)["quoting"]
        return told["uptime_bid"], told["uptime_ask"]

    assert uptime(50, "0") == (0, 0)
    bid, ask = uptime(100, "0")
    assert bid > 0.9
    assert ask > 0.9
    whole_bid, whole_ask = uptime(100, "4")
    assert whole_ask == ask
    assert 0 < whole_bid < 0.2
    assert uptime(100, "6") == (0, 0)


def test_daily_returns_are_of_the_capital(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The profit of each UTC day by what [account] began with; they sum to the total."""
    experiment, file = tmp_path / "x.toml", tmp_path / "returns.csv"
    experiment.write_text(
        '[tape.generate]\nseconds = 172800\nstep_ms = 600000\ntaker_after_ms = 100000\na = "0.01"\n'
        '[account]\nquote = "2000"\n'
        '[market]\nsymbol = "M"\nbase = "B"\nquote = "Q"\ntick = "0.001"\nlot = "1"\n'
        '[strategy]\nMM_ORDER_SIZE = "1"\nMM_POLL_INTERVAL_MS = "600000"\n'
        'MM_ORDER_EXPIRY_SECONDS = "86400"\n'
    )
    assert main(["run", str(experiment), "--returns-csv", str(file), "--json"]) == 0
    header, *days = file.read_text().splitlines()
    assert header == "date,return,profit"
    assert [day.split(",")[0] for day in days] == ["2026-01-01", "2026-01-02"]
    for day in days:
        _, part, profit = day.split(",")
        assert float(part) == pytest.approx(float(profit) / 2_000, abs=1e-12)
    assert capsys.readouterr().out
