"""One market of a fake exchange, a bot on it, and takers: `make demo VENUE=derive`, or `coinbase`.

A line a second says what rests, what was filled and what is held; at the end the bot is stopped,
and its books must be the exchange's. Exit codes: 0 where it quoted, was filled and agrees, and
nothing is left; 1 where not, with every reason.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Final

from integration_harness import checks
from integration_harness.conformance.case import SIDES, Case
from integration_harness.conformance.driver import Driver
from integration_harness.stack.supervisor import Supervisor
from integration_harness.waiting import Limits

_TAKES_A_SECOND: Final = 2
_STEP_BPS: Final = 8
_LIMITS: Final = Limits(timeout_seconds=60.0, poll_seconds=0.05)


def main(made: Callable[[], Driver]) -> int:
    """On the exchange of that driver."""
    parser = argparse.ArgumentParser(prog="python -m integration_harness.demo.VENUE")
    parser.add_argument("--seconds", type=float, default=20.0, help="end after so long")
    parser.add_argument("--seed", type=int, default=7, help="of prices and takers")
    arguments = parser.parse_args()
    driver = made()
    with Supervisor("mm-bot-demo-") as supervisor:
        driver.begin()
        case = Case(driver, supervisor, "demo", arguments.seed, _LIMITS)
        try:
            faults = _played(case, arguments.seconds, random.Random(arguments.seed))
        finally:
            case.close()
            driver.close()
    for fault in faults:
        print(fault)
    print("the books agree" if not faults else f"{len(faults)} faults")
    return 1 if faults else 0


def _played(case: Case, seconds: float, chance: random.Random) -> list[str]:
    """Prices walk, takers take, a line a second tells it; what is wrong after a graceful stop."""
    driver = case.driver
    bot = case.bot(MM_CANCEL_ON_SHUTDOWN="true", MM_HALF_SPREAD_BPS="10")
    case.quoted(bot)
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at and bot.running:
        for _ in range(_TAKES_A_SECOND):
            case.move_price(chance.randint(-_STEP_BPS, _STEP_BPS))
            driver.take(chance.choice(SIDES), Decimal(chance.randint(1, 4)) / 10)
            time.sleep(1 / _TAKES_A_SECOND)
        print(_line(driver), flush=True)
    code, fills = bot.stop(), driver.fills()
    wrong = checks.totals_fault(bot.state().get("books", {}), fills)
    found = {
        f"the stop ended with {code}\n{bot.log_tail()}": code != 0,
        f"orders are left: {case.mine()}": bool(case.mine()),
        "nothing was filled": not fills,
        f"{wrong}": wrong is not None,
    }
    return [fault for fault, is_so in found.items() if is_so]


def _line(driver: Driver) -> str:
    prices = " / ".join(str(each.price) for each in sorted(driver.live(), key=lambda o: o.price))
    signed = (size if side == "buy" else -size for side, size in driver.fills())
    held = sum(signed, Fraction(0))
    count = len(driver.fills())
    return f"{driver.symbol} {prices or 'no quotes'}, {count} fills, holds {float(held):g}"
