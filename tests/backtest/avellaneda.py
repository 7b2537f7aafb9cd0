"""The whole chain against a published model: Avellaneda-Stoikov 2008, section 3.3, tables 1 and 2.

The paper's own rule, in floats and without a bot, trades the same draws of price and takers as the
bot does through strategy, reconciliation, engine and ledger. `python -m tests.backtest.avellaneda
--paths 1000` lets the bot trade so many paths of each row and prints the tables (an hour of two
cores); what was traded is kept in a file and gone on with.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from mm_bot.backtest.engine import Exchange
from mm_bot.backtest.experiment import Account, Experiment
from mm_bot.backtest.generate import BEGINS_NS, Draws, Generated, draw
from mm_bot.backtest.run import run
from mm_bot.backtest.tape import NS_A_MS, Market
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import Kept, Quotes, Strategy, View
from mm_bot.strategies import founding

SIGMA, K, A, STEPS, DT = 2.0, 1.5, 140.0, 200, 0.005
STEP_S, TICK, CAP = 10, 0.0001, 1_000
MARKET = Market(symbol="MODEL", base="STOCK", quote="MONEY", tick="0.0001", lot="1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the tables: what 100,000 runs elsewhere gave of profit and final inventory."""

    gamma: float
    leans: bool
    """Whether it leans by its inventory; else the other's average spread around the mid."""
    profit: float
    profit_std: float
    held_std: float

    def widths(self, step: int) -> tuple[float, float]:
        """(half-spread, skew for one of inventory) at a step, in units of the price."""
        risk = self.gamma * SIGMA**2
        edge = math.log(1 + self.gamma / K) / self.gamma
        left = 1 - step * DT
        return (risk * left / 2 + edge, risk * left) if self.leans else (risk / 4 + edge, 0.0)


ROWS = tuple(
    Row(gamma=gamma, leans=leans, profit=profit, profit_std=std, held_std=held)
    for gamma, leans, profit, std, held in (
        (0.1, True, 64.87, 6.54, 2.93),
        (0.1, False, 68.21, 13.44, 8.38),
        (0.01, True, 68.38, 8.94, 5.21),
        (0.01, False, 68.67, 13.68, 8.70),
        (1.0, True, 31.45, 4.83, 1.64),
        (1.0, False, 43.84, 10.82, 5.19),
    )
)
NAMES = [f"{row.gamma:g} {'inventory' if row.leans else 'symmetric'}" for row in ROWS]


def market(seed: int) -> Generated:
    """A model step is ten seconds of tape; its takers come nine seconds after the move, a look of
    the bot lies in between. They come for quotes beyond the mid too, as the model's do."""
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
        least_depth="-25",
    )


def by_the_paper(draws: Draws, row: Row) -> tuple[float, int]:
    """(profit, final inventory); quotes on the tick, never better than the rule's."""
    cash, held, mid = 0.0, 0, 0
    steps = zip(
        draws.mid.tolist(),
        draws.sold_to_bids.tolist(),
        draws.bought_from_asks.tolist(),
        map(row.widths, range(STEPS)),
        strict=True,
    )
    for mid, down, up, (half, skew) in steps:
        centre = mid * TICK - held * skew
        bid = math.floor((centre - half) / TICK + 1e-6)
        ask = math.ceil((centre + half) / TICK - 1e-6)
        sold, bought = mid - down <= bid, mid + up >= ask
        cash += (ask * bought - bid * sold) * TICK
        held += int(sold) - int(bought)
    return cash + held * mid * TICK, held


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The founding ladder with the width and skew of the moment."""

    policy: Policy
    row: Row

    levels = 1
    state_kinds: dict[str, type]

    def quote(self, view: View, kept: Kept) -> Quotes:
        seconds = (view.now_ms - BEGINS_NS // NS_A_MS) / 1_000
        half, skew = self.row.widths(min(STEPS - 1, int(seconds // STEP_S)))
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
        "MM_POLL_INTERVAL_MS": "8000",
        "MM_MAX_CANCELS_PER_MINUTE": "0",
        "MM_CANCEL_STALE_ORDER_THRESHOLD_BPS": "0",
    },
)


def traded(seed: int, row: Row) -> tuple[float, int]:
    """(profit, final inventory) of the bot on that seed."""

    def strategy(policy: Policy) -> Strategy:
        return Model(policy=policy, row=row, state_kinds={})

    experiment = replace(EXPERIMENT, generated=market(seed))
    done = run(experiment, experiment.tape(), strategy=strategy)
    return float(done.ledger.worth(done.path.last).value), int(done.ledger.position.value)


def pair(task: tuple[int, int]) -> tuple[int, int, list[float]]:
    """(row, seed, profit and final inventory of the bot and of the rule)."""
    number, seed = task
    row = ROWS[number]
    return number, seed, [*traded(seed, row), *by_the_paper(draw(market(seed), MARKET), row)]


def moments(values: Sequence[float]) -> tuple[float, float]:
    """(mean, standard deviation)."""
    average = sum(values) / len(values)
    return average, math.sqrt(sum((v - average) ** 2 for v in values) / (len(values) - 1))


def within(row: Row, results: Sequence[tuple[float, float]]) -> bool:
    """Whether these profits and inventories are a sample of the row's: mean and spread within four
    and three and a half standard errors of the truth."""
    for values, middle, wide in (
        ([profit for profit, _ in results], row.profit, row.profit_std),
        ([held for _, held in results], 0.0, row.held_std),
    ):
        average, spread = moments(values)
        far = abs(average - middle) > 4 * wide / math.sqrt(len(values))
        if far or abs(spread - wide) > 3.5 * wide / math.sqrt(2 * len(values)):
            return False
    return True


def table(known: dict[str, list[float]]) -> list[str]:
    """A line a row: what is published, and what the bot and the rule made of the same draws."""
    told = [
        "row                paths  equal  bot: profit    std  q std   rule: profit    std  q std"
    ]
    for number, name in enumerate(NAMES):
        made = [four for key, four in known.items() if key.startswith(f"{number} ")]
        if len(made) < 2:
            continue
        equal = sum(abs(bot - rule) < 0.01 and q == p for bot, q, rule, p in made)
        told.append(
            f"{name:<17} {len(made):6} {equal:6}"
            + "".join(
                "  {:12.2f} {:6.2f} {:6.2f}".format(
                    *moments([four[at] for four in made]),
                    moments([four[at + 1] for four in made])[1],
                )
                for at in (0, 2)
            )
            + ("" if within(ROWS[number], [(f[0], f[1]) for f in made]) else "  NOT the table's")
        )
    return told


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.backtest.avellaneda")
    parser.add_argument("--paths", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("avellaneda.jsonl"), metavar="FILE")
    given = parser.parse_args()
    known: dict[str, list[float]] = {}
    if given.keep.exists():
        known = dict(json.loads(line) for line in given.keep.read_text().splitlines())
    tasks = [(n, seed) for seed in range(given.paths) for n in range(len(ROWS))]
    tasks = [(n, seed) for n, seed in tasks if f"{n} {seed}" not in known]
    with ProcessPoolExecutor(given.workers) as pool, given.keep.open("a") as kept:
        for done, (number, seed, made) in enumerate(pool.map(pair, tasks, chunksize=6), start=1):
            known[f"{number} {seed}"] = made
            print(json.dumps([f"{number} {seed}", made]), file=kept, flush=True)
            if done % 300 == 0:
                print(f"{done} of {len(tasks)}", file=sys.stderr)
    print("\n".join(table(known)))


if __name__ == "__main__":
    main()
