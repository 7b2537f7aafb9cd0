"""One file of a user's own quotes on all four exchanges."""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from integration_harness.conformance.__main__ import LIMITS, VENUES, driver_of
from integration_harness.conformance.case import Case
from integration_harness.conformance.driver import Driver
from integration_harness.conformance.numo import NumoDriver
from integration_harness.stack.supervisor import Supervisor
from integration_harness.stack.up import LocalExchange

OWN = '''"""Bids half as far again as what is set, asks twice as far."""

from dataclasses import dataclass, replace
from decimal import Decimal

from mm_bot.core.instrument import Side
from mm_bot.core.quoting import Strategy
from mm_bot.strategies import founding
from mm_bot.strategies.draft import Step
from mm_bot.strategies.options import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Lopsided(Step):
    name = "lopsided"

    def shape(self, view, draft, state):
        times = {Side.BUY: Decimal("1.5"), Side.SELL: Decimal(2)}
        half = {side: bps * times[side] for side, bps in draft.half_bps.items()}
        return replace(draft, half_bps=half).says(self.name, "lopsided")


def Mine(policy) -> Strategy:
    return founding(policy, (Place.WIDTH, Lopsided()))
'''


@pytest.fixture(params=tuple(VENUES))
def driver(request: pytest.FixtureRequest, exchange: LocalExchange) -> Iterator[Driver]:
    made = NumoDriver(exchange) if request.param == "numo" else driver_of(request.param)
    yield made
    made.close()


def test_the_same_file_quotes_everywhere(driver: Driver, tmp_path: Path) -> None:
    """`MM_STRATEGY` names a file that knows no exchange: on each a process rests its two prices,
    15 bps below the source's and 20 above, to the tick, replaces them, and stops with proof."""
    (tmp_path / "desk_quotes.py").write_text(OWN)
    with Supervisor("mm-bot-strategy-") as supervisor:
        driver.begin()
        case = Case(driver, supervisor, "one_strategy", 1, LIMITS)
        try:
            bot = case.bot(
                MM_STRATEGY="desk_quotes:Mine",
                PYTHONPATH=os.pathsep.join((str(tmp_path), str(Path(__file__).parents[2]))),
                MM_HALF_SPREAD_BPS="10",
                MM_INVENTORY_SKEW_BPS="0",
                MM_CANCEL_ON_SHUTDOWN="true",
            )
            resting = case.quoted(bot).values()
            far = {
                each.side: (each.price - driver.price) / driver.price * 10_000 for each in resting
            }
            assert far["buy"].quantize(Decimal(1)) == -15, far
            assert far["sell"].quantize(Decimal(1)) == 20, far
            case.requoted(bot)
            assert bot.stop() == 0, bot.log_tail()
            assert not case.mine()
            case.finish()
        finally:
            case.close()
