"""What of the strategy's settings cannot be set together: refused, and both variables are named."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Instrument
from mm_bot.core.policy import Policy
from mm_bot.settings.market_fit import market_faults
from tests.core.builders import FUTURE, POLICY, SPOT
from tests.settings.test_settings import fault, settings

HARD = {"MM_HARD_LONG_INVENTORY": "2000"}
GLFT = {"MM_STRATEGY": "glft", "MM_MODEL_SIGMA": "1", "MM_MODEL_K": "1", "MM_MODEL_A": "1"}
CONTRADICTIONS = [
    ({"MM_HARD_LONG_INVENTORY": "1000"}, "MM_MAX_LONG_INVENTORY"),
    ({"MM_HARD_SHORT_INVENTORY": "-1000"}, "MM_MAX_SHORT_INVENTORY"),
    ({"MM_HARD_LONG_INVENTORY": "500", "MM_MAX_NET_INVENTORY": "500"}, "MM_MAX_NET_INVENTORY"),
    ({"MM_FORCED_REDUCTION": "true"}, "MM_HARD_LONG_INVENTORY"),
    ({"MM_SHOCK_CALM_BPS": "200", "MM_SHOCK_BPS": "200"}, "MM_SHOCK_BPS"),
    ({"MM_MAX_HALF_SPREAD_BPS": "24"}, "MM_HALF_SPREAD_BPS"),
    (
        {
            "MM_VOLATILITY_SAMPLE_SECONDS": "3",
            "MM_VOLATILITY_HALF_LIFE_SECONDS": "1",
            "MM_VOLATILITY_SPREAD_MULT": "1",
        },
        "MM_VOLATILITY_HALF_LIFE_SECONDS",
    ),
    (
        {
            "MM_SURGE_WINDOW_SECONDS": "600",
            "MM_SURGE_BASE_SECONDS": "600",
            "MM_SURGE_FACTOR": "3",
        },
        "MM_SURGE_BASE_SECONDS",
    ),
    ({"MM_MAX_DAILY_LOSS_USD": "5", "MM_MAX_DAILY_LOSS": "5000"}, "MM_MAX_DAILY_LOSS"),
    ({"MM_TARGET_INVENTORY": "1001"}, "MM_MAX_LONG_INVENTORY"),
    ({"MM_TARGET_BASE_PCT": "50", "MM_TARGET_INVENTORY": "5"}, "MM_TARGET_INVENTORY"),
    (
        {
            "MM_SIZE_SKEW_TARGET_PCT": "40",
            "MM_SIZE_SKEW": "true",
            "MM_TARGET_BASE_PCT": "50",
        },
        "MM_TARGET_BASE_PCT",
    ),
    ({"MM_SIZE_SHAPE_FACTOR": "0.5", "MM_SIZE_SKEW": "true"}, "MM_SIZE_SKEW"),
    ({"MM_PRICE_FLOOR": "1600", "MM_PRICE_CEILING": "1600"}, "MM_PRICE_CEILING"),
    ({"MM_PRICE_CEILING": "99"}, "MM_ANCHOR_MIN_PRICE"),
    ({"MM_PRICE_FLOOR": "100001"}, "MM_ANCHOR_MAX_PRICE"),
    ({"MM_HANGING_CANCEL_BPS": "25", "MM_HANGING_ORDERS": "true"}, "MM_HALF_SPREAD_BPS"),
    ({"MM_ADOPT_SIZE_TOLERANCE": "100"}, "MM_ORDER_SIZE"),
    (
        {
            "MM_ADOPT_SIZE_TOLERANCE": "25",
            "MM_QUOTE_LEVELS": "3",
            "MM_LEVEL_SPREAD_STEP_BPS": "5",
            "MM_LEVEL_SIZE_MULT": "0.5",
        },
        "MM_LEVEL_SIZE_MULT",
    ),
    (
        {"MM_MODEL_MIN_HALF_SPREAD_BPS": "31", "MM_MAX_HALF_SPREAD_BPS": "30", **GLFT},
        "MM_MAX_HALF_SPREAD_BPS",
    ),
    ({"MM_MODEL_SIGMA": "0", **{k: v for k, v in GLFT.items() if "SIGMA" not in k}}, "MM_STRATEGY"),
]


@pytest.mark.parametrize(("changes", "other"), CONTRADICTIONS)
def test_what_contradicts_is_refused_with_both_names(changes: dict[str, str], other: str) -> None:
    """The first variable cannot stay as it is; the text says which other one stands against it."""
    told = fault(**changes)
    assert told.startswith(next(iter(changes)))
    assert other in told.split(" ", 1)[1]


JUST_INSIDE = {
    "MM_HARD_LONG_INVENTORY": "1000.1",
    "MM_HARD_SHORT_INVENTORY": "-1000.1",
    "MM_FORCED_REDUCTION": "true",
    "MM_SHOCK_BPS": "50.1",
    "MM_MAX_HALF_SPREAD_BPS": "25",
    "MM_VOLATILITY_SPREAD_MULT": "1",
    "MM_TARGET_INVENTORY": "1000",
    "MM_PRICE_CEILING": "1600",
    "MM_PRICE_FLOOR": "1599.99",
    "MM_HANGING_ORDERS": "true",
    "MM_HANGING_CANCEL_BPS": "25.1",
    "MM_ADOPT_SIZE_TOLERANCE": "99.9",
    "MM_INVENTORY_SKEW_BPS": "25",
}


def test_what_is_just_inside_is_taken_without_a_word() -> None:
    """Each of them a little further is a fault or a warning above and below."""
    assert not settings(**JUST_INSIDE).warnings


def test_a_skew_beyond_the_half_spread_is_said() -> None:
    """It is allowed, up to the wall; with a model both numbers are the model's."""
    (told,) = settings(MM_INVENTORY_SKEW_BPS="25.1").warnings
    assert told.startswith("MM_INVENTORY_SKEW_BPS is above MM_HALF_SPREAD_BPS, 25.1 and 25: ")
    assert not settings(MM_INVENTORY_SKEW_BPS="25.1", **GLFT).warnings


@pytest.mark.parametrize(
    ("changes", "name", "switch"),
    [
        ({"MM_SHOCK_WINDOW_SECONDS": "4"}, "MM_SHOCK_WINDOW_SECONDS", "MM_SHOCK_BPS"),
        ({"MM_SHOCK_PAUSE_SECONDS": "4"}, "MM_SHOCK_PAUSE_SECONDS", "MM_SHOCK_BPS"),
        (
            {"MM_VOLATILITY_HALF_LIFE_SECONDS": "1"},
            "MM_VOLATILITY_HALF_LIFE_SECONDS",
            "MM_VOLATILITY_SPREAD_MULT",
        ),
    ],
)
def test_what_looks_back_less_far_than_to_the_cycle_before_is_said(
    changes: dict[str, str], name: str, switch: str
) -> None:
    """Cycles 5 s apart; 3 half-lives of 1.7 s are enough, and 5 s are."""
    on = {"MM_SHOCK_BPS": "200", "MM_VOLATILITY_SPREAD_MULT": "1"}
    on |= {"MM_POLL_INTERVAL_MS": "5000", "MM_SHOCK_WINDOW_SECONDS": "5"}
    on |= {"MM_SHOCK_PAUSE_SECONDS": "5", "MM_VOLATILITY_HALF_LIFE_SECONDS": "2"}
    assert not settings(**on).warnings
    (told,) = settings(**on | changes).warnings
    assert told.startswith(f"{name} with MM_POLL_INTERVAL_MS=5000: ")
    assert f"{switch} " in told


@pytest.mark.parametrize(
    "name", ["MM_SHOCK_PAUSE_SECONDS", "MM_MODEL_GAMMA", "MM_MAX_HALF_SPREAD_BPS"]
)
def test_what_nothing_reads_is_said(name: str) -> None:
    """An option whose feature is off does nothing."""
    assert settings(**{name: "31"}).warnings == (f"{name} is set, and nothing that is on uses it",)


INSIDE = replace(
    POLICY,
    quote=replace(POLICY.quote, order_size=Size.of(10), max_notional_per_side=Amount.of(1000)),
    risk=replace(POLICY.risk, max_signed_liability=Amount.of(10_000_000)),
    reference=replace(POLICY.reference, low=Price.of(100)),
)
ETHER = replace(
    SPOT, symbol="ETH-USD", base="ETH", quote="USD", notional_step=None, size_step=Size.of("0.001")
)
TINY = replace(INSIDE.quote, order_size=Size.of("0.0009"))
POOR = replace(INSIDE.quote, max_notional_per_side=Amount.of("999.9"))
MEAN = replace(INSIDE.risk, max_signed_liability=Amount.of("9999999.9"))


@pytest.mark.parametrize(
    ("outside", "other"),
    [
        (replace(INSIDE, quote=TINY), "0.001, the smallest order of"),
        (replace(INSIDE, quote=POOR), "MM_ANCHOR_MIN_PRICE=100"),
        (replace(INSIDE, risk=MEAN), "MM_ORDER_SIZE=10"),
    ],
)
def test_what_no_order_can_fit_on_the_market_is_refused(outside: Policy, other: str) -> None:
    """Contracts of 10,000 and a thousandth of one at least, at 100 or more: 1,000 are worth the
    smallest order, ten million an order of ten."""
    assert not list(market_faults(INSIDE, FUTURE))
    assert not list(market_faults(replace(INSIDE, risk=POLICY.risk), SPOT))
    (told,) = market_faults(outside, FUTURE)
    assert other in told
    dollars = replace(outside, options={"MM_LEVEL_SIZE_USD": "10"})
    assert not list(market_faults(dollars, FUTURE))


@pytest.mark.parametrize(
    ("usd", "market", "says"),
    [
        ("9.99", FUTURE, "MM_LEVEL_SIZE_USD=9.99 is below 0.001, the smallest order of"),
        ("0.000009", SPOT, "worth less than 1 cNGN, the smallest order of USDCcNGN-SPOT, even at "),
        ("0.099", ETHER, "MM_LEVEL_SIZE_USD=0.099 is below 0.001, the smallest order of ETH"),
    ],
)
def test_dollars_that_never_make_an_order_are_refused(
    usd: str, market: Instrument, says: str
) -> None:
    """A contract is 10,000 dollars; spot counts whole cNGN, at 100,000 at most; elsewhere the price
    decides, 100 at least. A little more passes."""
    bounded = replace(INSIDE, reference=replace(INSIDE.reference, high=Price.of(100_000)))
    (told,) = market_faults(replace(bounded, options={"MM_LEVEL_SIZE_USD": usd}), market)
    assert says in told
    enough = str(Decimal(usd) * Decimal("1.12"))
    assert not list(market_faults(replace(bounded, options={"MM_LEVEL_SIZE_USD": enough}), market))


def test_a_percentage_of_what_is_owned_is_refused_on_a_future() -> None:
    """It would quote without any skew there."""
    half = replace(INSIDE, options={"MM_TARGET_BASE_PCT": "50"})
    assert not list(market_faults(half, SPOT))
    (told,) = market_faults(half, FUTURE)
    assert told.startswith("MM_TARGET_BASE_PCT is for spot alone, and MM_MARKET_SYMBOL=")
    assert told.endswith("give MM_TARGET_INVENTORY")
