"""The models against their papers: published vectors, limits, and the tables of 2008."""

from __future__ import annotations

import statistics
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from math import exp, sqrt
from random import Random

import pytest

from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Kind, Margin
from mm_bot.core.policy import QuotePolicy
from mm_bot.core.quoting import Kept
from mm_bot.strategies import founding
from mm_bot.strategies.draft import Step
from mm_bot.strategies.models import ModelQuotes, avellaneda_stoikov, glft
from mm_bot.strategies.options import Place
from mm_bot.strategies.trial import Asked, measure, policy, view
from tests.core.builders import FUTURE, POLICY, QUOTES

CAPPED = str(POLICY.quote.max_long), str(POLICY.quote.max_long + POLICY.quote.max_long)
GLFT = {
    "a": Decimal("2.986162360812285"),
    "k": Decimal("0.04235741115084049"),
    "sigma": Decimal("10.69"),
}


def test_the_published_glft_vector() -> None:
    """Half-spread and skew of the tutorial, to all digits of a double."""
    half, skew = glft(gamma=Decimal("0.05"), **GLFT)
    assert float(half) == pytest.approx(20.47208533844371, rel=1e-14)
    assert float(skew) == pytest.approx(9.76326865029227, rel=1e-14)


def test_without_aversion_the_width_is_one_over_k() -> None:
    """The limit gamma -> 0 of both models."""
    k = Decimal("1.5")
    tiny = Decimal("1e-12")
    for gamma in (Decimal(0), tiny):
        half, _ = glft(gamma=gamma, sigma=Decimal(2), k=k, a=Decimal(140))
        assert float(half) == pytest.approx(1 / 1.5, rel=1e-5)
        half, _ = avellaneda_stoikov(gamma=gamma, sigma=Decimal(2), k=k, tau_s=Decimal(1))
        assert float(half) == pytest.approx(1 / 1.5, rel=1e-5)
    _, skew = glft(gamma=tiny, sigma=Decimal(2), k=k, a=Decimal(140))
    assert float(skew) == pytest.approx(2 * sqrt(1e-12 * exp(1) / (2 * 140 * 1.5)), rel=1e-5)
    _, risk = avellaneda_stoikov(gamma=Decimal("0.1"), sigma=Decimal(2), k=k, tau_s=Decimal("0.5"))
    assert risk == Decimal("0.2"), "gamma sigma^2 (T - t)"


def test_a_model_is_chosen_by_name_and_explains_itself() -> None:
    """MM_STRATEGY=glft: the width is the model's, both quotes lean by the excess, `why` says so."""
    chosen = policy(model_sigma="0.5", model_k="0.5", model_a="1", model_gamma="0.01")
    quotes = Asked(replace(chosen, strategy="glft")).quote(view(base="300"))
    (said,) = (e.sentence for e in quotes.explanations if e.step == "model")
    assert said.startswith("glft: half-spread ")
    half, skew = glft(gamma=Decimal("0.01"), sigma=Decimal("0.5"), k=Decimal("0.5"), a=Decimal(1))
    middle = (quotes.ladder.bids[0].price + quotes.ladder.asks[0].price).value / 2
    assert abs(middle - (1600 - 3 * skew)) < Decimal("0.02")
    apart = (quotes.ladder.asks[0].price - quotes.ladder.bids[0].price).value
    assert abs(apart - 2 * half) < Decimal("0.03")


@pytest.mark.parametrize(
    ("bounds", "half"),
    [({"model_min_half_spread_bps": "40"}, 40), ({"max_half_spread_bps": "28"}, 28)],
)
def test_the_width_of_a_model_is_held_between_its_bounds(bounds: dict[str, str], half: int) -> None:
    """28.7119 bps by the model: not below the one, not above the other. Its excess is clamped to
    the inventory limits."""
    chosen = policy(model_sigma="0.3", model_k="0.2", model_a="0.5", **bounds)
    quotes = Asked(replace(chosen, strategy="glft")).quote(view(base="300"))
    assert measure(quotes, "mm_bot_half_spread_bps", "buy") == half
    far = [Asked(replace(chosen, strategy="glft")).quote(view(base=held)) for held in CAPPED]
    assert far[0].ladder.skew_bps == far[1].ladder.skew_bps


def test_width_and_skew_of_a_model_can_be_scaled() -> None:
    """Twice the one, half the other: 28.7119 bps and what an excess of three orders leans by."""
    chosen = policy(model_sigma="0.3", model_k="0.2", model_a="0.5")
    scaled = policy(
        replace(chosen, strategy="glft"),
        **{name.removeprefix("MM_").lower(): text for name, text in chosen.options.items()},
        model_half_spread_mult="2",
        model_skew_mult="0.5",
    )
    one, other = (
        Asked(replace(each, strategy="glft")).quote(view(base="300")) for each in (chosen, scaled)
    )
    halves = [measure(quotes, "mm_bot_half_spread_bps", "buy") for quotes in (one, other)]
    assert halves == [Decimal("28.7119"), Decimal("57.4237")]
    assert abs(other.ladder.skew_bps * 2 - one.ladder.skew_bps) <= Decimal("0.0006")
    assert one.ladder.skew_bps > 0


S0, SIGMA, DT, K, A, STEPS, RUNS = 100.0, 2.0, 0.005, 1.5, 140.0, 200, 1000
MARKET = replace(
    FUTURE,
    kind=Kind.PERPETUAL,
    margin=Margin.BASE,
    multiplier=Decimal(1),
    margin_rate=Decimal(0),
    price_tick=Price.of("0.0001"),
    expiry_ms=None,
    size_step=Size.of(1),
)
PAPER: QuotePolicy = replace(
    QUOTES, order_size=Size.of(1), max_long=Size.of(1000), max_short=Size.of(-1000)
)


class Quoting:
    """The real quoting code at each time of the paper's horizon, asked once for each stock held:
    its distances from the mid are the same at every mid, to a tick of a hundredth of a cent."""

    def __init__(self, gamma: str, *, by_inventory: bool) -> None:
        self._gamma, self._by_inventory = Decimal(gamma), by_inventory
        self.quotes = lru_cache(maxsize=None)(self._quotes)
        self.strategy = lru_cache(maxsize=None)(self._strategy)

    def _strategy(self, step: int) -> Step:
        left = Decimal(1) - Decimal(step) * Decimal(str(DT))
        half, risk = avellaneda_stoikov(
            gamma=self._gamma,
            sigma=Decimal(2),
            k=Decimal("1.5"),
            tau_s=left if self._by_inventory else Decimal("0.5"),
        )
        if not self._by_inventory:  # the average spread of the horizon, around the mid
            half, risk = self._average(), Decimal(0)
        return ModelQuotes(
            model="paper",
            widths=(half, risk),
            order_size=PAPER.order_size,
            max_long=PAPER.max_long,
            max_short=PAPER.max_short,
        )

    def _average(self) -> Decimal:
        gamma = self._gamma
        edge = (1 + gamma / Decimal("1.5")).ln() / gamma
        return gamma + edge  # gamma sigma^2 T / 2 is 2 gamma, half of it gamma

    def _quotes(self, step: int, held: int) -> tuple[float, float]:
        seen = view("100", market=MARKET, base=str(held), cash="1000000")
        policy_of_paper = replace(POLICY, quote=PAPER)
        pipeline = founding(policy_of_paper, (Place.SHIFT, self.strategy(step)))
        ladder = pipeline.quote(seen, Kept()).ladder
        return S0 - float(ladder.bids[0].price.value), float(ladder.asks[0].price.value) - S0


def runs(gamma: str, *, by_inventory: bool) -> tuple[list[float], list[int]]:
    """Profit and final inventory of each run of the paper's section 3.3."""
    quoting = Quoting(gamma, by_inventory=by_inventory)
    random = Random(f"{gamma} {by_inventory}")
    profits, inventories = [], []
    for _ in range(RUNS):
        cash, held, moves = 0.0, 0, 0
        for step in range(STEPS):
            mid = S0 + moves * SIGMA * sqrt(DT)
            below, above = quoting.quotes(step, held)
            sold = random.random() < min(1.0, A * exp(-K * above) * DT)
            bought = random.random() < min(1.0, A * exp(-K * below) * DT)
            cash += sold * (mid + above) - bought * (mid - below)
            held += bought - sold
            moves += 1 if random.random() < 0.5 else -1
        profits.append(cash + held * (S0 + moves * SIGMA * sqrt(DT)))
        inventories.append(held)
    return profits, inventories


@pytest.mark.parametrize(
    ("gamma", "inventory", "symmetric"),
    [
        ("0.1", (64.87, 6.54, 2.93), (68.21, 13.44, 8.38)),
        ("0.01", (68.38, 8.94, 5.21), (68.67, 13.68, 8.70)),
        ("1", (31.45, 4.83, 1.64), (43.84, 10.82, 5.19)),
    ],
)
def test_the_tables_of_avellaneda_and_stoikov(
    gamma: str, inventory: tuple[float, ...], symmetric: tuple[float, ...]
) -> None:
    """Mean and spread of the profit of 1,000 runs and the spread of what is held at the end are the
    paper's within chance, and leaning by the inventory keeps it smaller."""
    spreads = []
    for by_inventory, (mean, std, std_held) in ((True, inventory), (False, symmetric)):
        profits, held = runs(gamma, by_inventory=by_inventory)
        assert abs(statistics.mean(profits) - mean) < 4 * std / sqrt(RUNS)
        assert abs(statistics.stdev(profits) - std) < 3.5 * std / sqrt(2 * RUNS)
        spreads.append(statistics.stdev(held))
        assert abs(spreads[-1] - std_held) < 3.5 * std_held / sqrt(2 * RUNS)
    assert spreads[0] < spreads[1]
