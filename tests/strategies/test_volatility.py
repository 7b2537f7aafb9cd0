"""The half-spread follows what the reference moves, exactly as specified."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_bot.core.exact import plain
from mm_bot.core.quoting import Quotes
from mm_bot.core.reference import ReferenceSource
from mm_bot.strategies.trial import Asked, measure, policy, view
from mm_bot.strategies.volatility import Volatility
from tests.core.builders import LADDER_OF_THREE, POLICY

ON = policy(volatility_spread_mult="1")
PATH = ((0, "1600"), (1, "1600.8"), (2, "1600"), (5, "1601.6"), (6, "1601.6"))
HALF, SIGMA = "mm_bot_half_spread_bps", "mm_bot_volatility_bps_sqrt_s"


def after(path: tuple[tuple[float, str], ...], asked: Asked) -> Quotes:
    quotes = [asked.quote(view(price, at_s=at_s)) for at_s, price in path]
    return quotes[-1]


def sums(asked: Asked) -> tuple[Decimal, Decimal]:
    value = asked.kept.value
    assert value is not None
    state = value["volatility"]
    assert isinstance(state, Volatility)
    found = state.sums["anchor"]
    return found.a, found.b


def test_the_vector_of_the_specification() -> None:
    """A, B, sigma and, once it is warm, the half-spread of the known path."""
    asked = Asked(policy(volatility_spread_mult="1", volatility_half_life_seconds="60"))
    quotes = after(PATH, asked)
    a, b = sums(asked)
    assert str(a).startswith("146.29544680134661")
    assert str(b).startswith("5.86425797765")
    assert measure(quotes, SIGMA) is None
    assert measure(quotes, HALF, "buy") == 75, "cold: the widest"
    found = (a / b).sqrt()
    assert str(found).startswith("4.99469382567")


def test_a_warm_estimate_widens_by_the_horizon() -> None:
    """Alternating 1600, 1600.16 each second is 1 bps a second: over 30 s half is 25 + 5.4773."""
    asked = Asked(ON)
    path = tuple((float(i), "1600" if i % 2 else "1600.16") for i in range(600))
    quotes = after(path, asked)
    sigma = measure(quotes, SIGMA)
    assert sigma == Decimal("1.0000"), "0.99995, quantised outwards"
    half = measure(quotes, HALF, "buy")
    assert half == Decimal("30.4773")
    told = [e.sentence for e in quotes.explanations if e.step == "volatility"]
    assert told == [f"{plain(sigma)} bps/sqrt(s): half-spread 25 -> {half} bps"]


def test_a_constant_price_leaves_the_base() -> None:
    """Nothing moves: half is base, once that is known."""
    asked = Asked(ON)
    quotes = after(tuple((float(i), "1600") for i in range(60)), asked)
    assert measure(quotes, HALF, "sell") == 25


def test_silence_is_wide_again() -> None:
    """Three half-lives without a sample: the widest, not what was known last."""
    asked = Asked(ON)
    after(tuple((float(i), "1600") for i in range(60)), asked)
    gone = asked.quote(view(None, at_s=300))
    assert not gone.ladder.bids
    late = view("1600", at_s=300)
    frozen = asked.quote(replace(late, reference_ms=late.now_ms - 240_000))
    assert measure(frozen, HALF, "buy") == 75


def test_another_source_starts_anew() -> None:
    """The difference between two sources is no return."""
    asked = Asked(ON)
    after(tuple((float(i), "1600") for i in range(60)), asked)
    switched = asked.quote(view("1700", at_s=61, source=ReferenceSource.BOOK))
    assert measure(switched, HALF, "buy") == 75
    back = asked.quote(view("1600", at_s=62))
    assert measure(back, HALF, "buy") == 25


def test_the_sums_survive_a_restart() -> None:
    """A process that starts within the half-life quotes as wide as the one before."""
    asked = Asked(ON)
    path = tuple((float(i), "1600" if i % 2 else "1600.16") for i in range(301))
    before = measure(after(path, asked), SIGMA)
    asked.restart()
    assert measure(asked.quote(view("1600.16", at_s=300)), SIGMA) == before


MOVES = st.lists(st.integers(-50, 50), min_size=40, max_size=60)


@settings(max_examples=40)
@given(MOVES, st.sampled_from(("2", "0.5", "3.7")))
def test_scaling_all_prices_changes_nothing(moves: list[int], scale: str) -> None:
    """Sigma is relative; half stays between base and the widest."""
    plain, scaled = Asked(ON), Asked(ON)
    price, quotes = Decimal(1600), []
    for i, move in enumerate(moves):
        price += Decimal(move) / 100
        for asked, seen in ((plain, price), (scaled, price * Decimal(scale))):
            quotes.append(asked.quote(view(str(seen), at_s=float(i))))
    one, other = (measure(q, SIGMA) for q in quotes[-2:])
    assert one == other
    half = measure(quotes[-1], HALF, "buy")
    assert half is not None
    assert 25 <= half <= 75


def test_trades_are_no_samples() -> None:
    """They bounce between bid and ask: while they are the reference, the widest holds."""
    asked = Asked(ON)
    after(tuple((float(i), "1600") for i in range(60)), asked)
    for i in range(60, 120):
        quotes = asked.quote(view("1600", at_s=i, source=ReferenceSource.TRADE))
    assert measure(quotes, HALF, "buy") == 75


@given(st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_splitting_a_quiet_stretch_keeps_what_was_seen(parts: list[int]) -> None:
    """The squared returns fade alike however often a quiet source is sampled. The seconds do so to
    first order: each step counts its own whole (the formula's rule, not an integral), so that fewer
    samples never make sigma larger than by that."""
    whole, split = Asked(ON), Asked(ON)
    for asked in (whole, split):
        after(((0.0, "1600"), (1.0, "1601.6")), asked)
    at_s = 1
    for part in parts:
        at_s += part
        split.quote(view("1601.6", at_s=at_s))
    whole.quote(view("1601.6", at_s=at_s))
    (a, b), (split_a, split_b) = sums(whole), sums(split)
    assert abs(a - split_a) < Decimal("1e-25")
    assert split_b <= b <= split_b + sum(parts)
    assert b - split_b < Decimal(sum(parts)) ** 2 * Decimal(2).ln() / 60


@settings(max_examples=20)
@given(MOVES)
def test_twice_the_returns_are_twice_the_volatility(moves: list[int]) -> None:
    """And the half-spread is monotone in it. Returns are made of prices, so to 1e-4."""
    found = []
    for times in (1, 2):
        asked, price = Asked(ON), Decimal(1600)
        for i, move in enumerate(moves):
            price *= 1 + Decimal(times * move) / 100_000
            quotes = asked.quote(view(f"{price:.20f}", at_s=float(i)))
        found.append((measure(quotes, SIGMA), measure(quotes, HALF, "buy")))
    (sigma, half), (sigma_of_two, half_of_two) = found
    assert sigma is not None
    assert sigma_of_two is not None
    assert abs(sigma_of_two - 2 * sigma) <= Decimal("0.0002")
    assert half is not None
    assert half_of_two is not None
    assert half <= half_of_two


def test_the_half_spread_of_the_vector() -> None:
    """Sigma 4.9947 over 30 s widens 25 to 52.3571: the sums of the known path, which are warm only
    for a shorter half-life."""
    asked = Asked(policy(volatility_spread_mult="1", volatility_half_life_seconds="60"))
    after(PATH, asked)
    warm = Asked(policy(volatility_spread_mult="1", volatility_half_life_seconds="11"))
    warm.kept = asked.kept
    quotes = warm.quote(view("1601.6", at_s=6))
    assert measure(quotes, SIGMA) == Decimal("4.9947")
    assert [measure(quotes, HALF, side) for side in ("buy", "sell")] == [Decimal("52.3571")] * 2


def test_what_is_warm_and_what_is_too_old() -> None:
    """Half a half-life of seconds is enough, and exactly three of them are not too old."""
    for half_life, warm in (("2", True), ("2.1", False)):
        asked = Asked(policy(volatility_spread_mult="1", volatility_half_life_seconds=half_life))
        quotes = after(((0.0, "1600"), (1.0, "1600")), asked)
        assert (measure(quotes, HALF, "buy") == 25) is warm
    asked = Asked(policy(volatility_spread_mult="1", volatility_half_life_seconds="2"))
    after(((0.0, "1600"), (1.0, "1600")), asked)
    for age_ms, half in ((6_000, 25), (6_001, 75)):
        late = view("1600", at_s=1)
        late = replace(late, now_ms=late.now_ms + age_ms)
        assert measure(asked.quote(late), HALF, "buy") == half


def test_a_sample_is_taken_once_a_second_and_only_of_a_source_that_moved_on() -> None:
    """Neither half a second later nor under the same time of the source."""
    asked = Asked(ON)
    after(((0.0, "1600"), (1.0, "1600.8")), asked)
    known = sums(asked)
    after(((1.5, "1610"), (1.999, "1590")), asked)
    later = view("1590", at_s=9)
    asked.quote(replace(later, reference_ms=later.now_ms - 8_000))
    assert sums(asked) == known
    after(((2.0, "1590"),), asked)
    assert sums(asked) != known


def test_levels_may_scale_with_the_width() -> None:
    """25 to 75 bps: the steps of 20 become 60 with the option, and stay without."""
    for option, second in (("true", "1578.4"), ("false", "1584.8")):
        three = replace(POLICY, quote=LADDER_OF_THREE)
        asked = Asked(policy(three, volatility_spread_mult="1", volatility_scale_levels=option))
        bids = [str(level.price) for level in asked.quote(view()).ladder.bids]
        assert bids[:2] == ["1588", second]


def test_an_earlier_decision_is_made_again_bit_for_bit() -> None:
    """What is seen later changes nothing of it."""
    asked, kept, found = Asked(ON), [], []
    for i in range(80):
        kept.append(asked.kept)
        found.append(asked.quote(view(str(1600 + i % 7), at_s=i)))
    for i in (0, 30, 79):
        asked.kept = kept[i]
        again = asked.quote(view(str(1600 + i % 7), at_s=i))
        assert again.ladder == found[i].ladder
        assert repr(again.kept) == repr(found[i].kept)


@pytest.mark.parametrize("step_s", [-20, 20])
@pytest.mark.parametrize("own_time", [True, False])
def test_a_clock_that_is_set_costs_one_sample(step_s: int, own_time: bool) -> None:
    """Nobody knows how long ago the last one was, so the next begins from its price; the one after
    counts, whether the source tells its own time or that of our read."""
    asked = Asked(ON)
    after(((0.0, "1600"), (1.0, "1600.8")), asked)
    known = sums(asked)
    asked.step_clock(step_s * 1000)
    for at_s, price, counts in ((2, "1700", False), (3, "1700", True)):
        seen = view(price, at_s=at_s + step_s)
        own_ms = view(at_s=at_s).reference_ms
        asked.quote(replace(seen, reference_ms=own_ms) if own_time else seen)
        assert (sums(asked) != known) is counts
    assert sums(asked)[0] < known[0], "the step of the price is no return"
