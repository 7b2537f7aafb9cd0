"""The whole chain against a published model: Avellaneda-Stoikov 2008, section 3.3, tables 1 and 2.

The paper's own rule, in floats and without a bot, trades the same draws of price and takers as the
bot does through strategy, reconciliation, engine and ledger. Path by path the two earn the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from mm_bot.backtest.engine import Exchange
from mm_bot.backtest.experiment import Account, Experiment
from mm_bot.backtest.generate import BEGINS_NS, Draws, Generated, draw
from mm_bot.backtest.run import run
from mm_bot.backtest.tape import NS_A_MS, Market
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import Kept, Quotes, Strategy, View
from mm_bot.strategies import founding

GAMMA, SIGMA, K, A, STEPS, DT = 0.1, 2.0, 1.5, 140.0, 200, 0.005
STEP_S, TICK, CAP = 10, 0.0001, 1_000
MARKET = Market(symbol="MODEL", base="STOCK", quote="MONEY", tick="0.0001", lot="1")
Widths = Callable[[int], tuple[float, float]]
"""(half-spread, skew for one of inventory) at a step, in units of the price."""
EDGE = math.log(1 + GAMMA / K) / GAMMA


def inventory(step: int) -> tuple[float, float]:
    risk = GAMMA * SIGMA**2 * (1 - step * DT)
    return risk / 2 + EDGE, risk


def symmetric(step: int) -> tuple[float, float]:
    """The average spread of the other, around the mid."""
    return GAMMA * SIGMA**2 / 4 + EDGE, 0.0


def market(seed: int) -> Generated:
    """A model step is ten seconds of tape; its takers come nine seconds after the move."""
    return Generated(
        seed=seed,
        seconds=STEPS * STEP_S,
        step_ms=STEP_S * 1_000,
        price="100",
        sigma=str(SIGMA * math.sqrt(DT / STEP_S)),
        a=str(A * DT / STEP_S),
        k=str(K),
        far="30",
        taker_after_ms=9_000,
    )


def by_the_paper(draws: Draws, widths: Widths) -> tuple[float, int]:
    """(profit, final inventory); quotes on the tick, never better than the rule's."""
    cash, held, mid = 0.0, 0, 0
    for step, mid in enumerate(draws.mid.tolist()):
        half, skew = widths(step)
        centre = mid * TICK - held * skew
        bid = math.floor((centre - half) / TICK + 1e-6)
        ask = math.ceil((centre + half) / TICK - 1e-6)
        sold = mid - draws.sold_to_bids[step] <= bid
        bought = mid + draws.bought_from_asks[step] >= ask
        cash += (ask * bought - bid * sold) * TICK
        held += int(sold) - int(bought)
    return cash + held * mid * TICK, held


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The founding ladder with the width and skew of the moment."""

    policy: Policy
    widths: Widths

    levels = 1
    state_kinds: dict[str, type]

    def quote(self, view: View, kept: Kept) -> Quotes:
        seconds = (view.now_ms - BEGINS_NS // NS_A_MS) / 1_000
        half, skew = self.widths(min(STEPS - 1, int(seconds // STEP_S)))
        price = 100.0 if view.reference is None else float(view.reference.value)
        quote = replace(
            self.policy.quote,
            half_spread_bps=_bps(half / price),
            skew_bps=_bps(skew / price * CAP),
        )
        return founding(replace(self.policy, quote=quote)).quote(view, kept)


def _bps(part: float) -> Decimal:
    return Decimal(f"{part * 10_000:.9f}")


EXPERIMENT = Experiment(
    market=MARKET,
    exchange=Exchange(entry_ms=1, response_ms=1),
    account=Account(quote="1000000"),
    strategy={
        "MM_ORDER_SIZE": "1",
        "MM_INVENTORY_SKEW_BPS": "1",
        "MM_MAX_LONG_INVENTORY": str(CAP),
        "MM_MAX_SHORT_INVENTORY": str(-CAP),
        "MM_POLL_INTERVAL_MS": "4000",
        "MM_MAX_CANCELS_PER_MINUTE": "0",
        "MM_CANCEL_STALE_ORDER_THRESHOLD_BPS": "0",
    },
)


def traded(seed: int, widths: Widths) -> tuple[float, int]:
    """(profit, final inventory) of the bot on that seed."""

    def strategy(policy: Policy) -> Strategy:
        return Model(policy=policy, widths=widths, state_kinds={})

    experiment = replace(EXPERIMENT, generated=market(seed))
    done = run(experiment, experiment.tape(), strategy=strategy)
    return float(done.ledger.worth(done.path.last).value), int(done.ledger.position.value)


@pytest.mark.parametrize("widths", [inventory, symmetric])
@pytest.mark.parametrize("seed", [1])
def test_the_bot_earns_what_the_model_does(seed: int, widths: Widths) -> None:
    """On the same draws, to the cent and with the same inventory at the end."""
    profit, held = by_the_paper(draw(market(seed), MARKET), widths)
    got_profit, got_held = traded(seed, widths)
    assert got_held == held
    assert got_profit == pytest.approx(profit, abs=0.01)


def test_the_rule_on_these_draws_is_the_papers() -> None:
    """400 paths by the rule alone: the paper's profit and inventory for gamma 0.1, within four
    standard errors of the truth (100,000 runs elsewhere)."""
    for widths, mean, std, held_std in (
        (inventory, 64.87, 6.54, 2.93),
        (symmetric, 68.21, 13.44, 8.38),
    ):
        results = [by_the_paper(draw(market(seed), MARKET), widths) for seed in range(400)]
        for values, middle, wide in (
            ([profit for profit, _ in results], mean, std),
            ([float(held) for _, held in results], 0.0, held_std),
        ):
            average = sum(values) / len(values)
            spread = math.sqrt(sum((v - average) ** 2 for v in values) / (len(values) - 1))
            assert abs(average - middle) <= 4 * wide / math.sqrt(len(values))
            assert abs(spread - wide) <= 3.5 * wide / math.sqrt(2 * len(values))
