"""The bot in the engine against a published model: what it earns is what the paper's rule does."""

from __future__ import annotations

import pytest

from mm_bot.backtest.generate import draw
from tests.backtest.avellaneda import MARKET, NAMES, ROWS, Row, by_the_paper, market, traded, within


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_the_bot_earns_what_the_model_does(row: Row) -> None:
    """On the same draws, to the cent and with the same inventory at the end."""
    seed = ROWS.index(row) + 1
    profit, held = by_the_paper(draw(market(seed), MARKET), row)
    got_profit, got_held = traded(seed, row)
    assert got_held == held
    assert got_profit == pytest.approx(profit, abs=0.01)


def test_the_rule_on_these_draws_is_the_papers() -> None:
    """1000 paths by the rule alone, each row: mean and spread of profit and inventory."""
    draws = [draw(market(seed), MARKET) for seed in range(1_000)]
    for row in ROWS:
        assert within(row, [by_the_paper(each, row) for each in draws]), row
