"""Target skew, size skew, dollars, penny jump, price band and micro-price: each formula's vectors
and properties."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import Quotes, View
from mm_bot.core.reference import ReferenceSource
from mm_bot.core.snapshot import BookOrder
from mm_bot.strategies.micro_price import micro_price
from mm_bot.strategies.size_skew import SIZE_SKEW, factors
from tests.core.builders import FUTURE, LADDER_OF_THREE, POLICY, others
from tests.strategies.views import Asked, best, policy, view

CENTS = replace(FUTURE, price_tick=Price.of("0.01"))
SKEWED = replace(
    POLICY,
    quote=replace(
        POLICY.quote, skew_bps=Decimal(15), max_long=Size.of(1000), max_short=Size.of(-500)
    ),
)


def one(with_policy: Policy, seen: View) -> Quotes:
    return Asked(with_policy).quote(seen)


@pytest.mark.parametrize(
    ("held", "skew_bps"),
    [
        ("100", "0"),
        ("550", "7.5"),
        ("1000", "15"),
        ("5000", "15"),
        ("-200", "-7.5"),
        ("-500", "-15"),
    ],
)
def test_the_skew_is_by_the_excess_over_the_target(held: str, skew_bps: str) -> None:
    """With a target of 100: nothing at it, all of it at either limit, by the room of that side."""
    quotes = one(policy(SKEWED, target_inventory="100"), view(market=CENTS, base=held))
    assert quotes.ladder.skew_bps == Decimal(skew_bps)


@given(st.integers(-700, 1200))
def test_a_target_equal_to_the_stock_gives_the_plain_ladder(held: int) -> None:
    """T = I: the prices are those without any skew."""
    inside = max(-500, min(held, 1000))
    plain = replace(POLICY, quote=replace(SKEWED.quote, skew_bps=Decimal(0)))
    skewed = one(policy(SKEWED, target_inventory=str(inside)), view(market=CENTS, base=str(inside)))
    flat = one(plain, view(market=CENTS, base=str(inside)))
    assert skewed.ladder.bids == flat.ladder.bids
    assert skewed.ladder.asks == flat.ladder.asks


def test_a_percentage_of_the_whole_is_a_target() -> None:
    """Half of 10,000 USDC and as much cNGN: the target is the stock, and there is no skew."""
    wide = replace(SKEWED, quote=replace(SKEWED.quote, max_long=Size.of(50_000)))
    quotes = one(policy(wide, target_base_pct="50"), view(base="10000", cash="16000000"))
    assert quotes.ladder.skew_bps == 0


@pytest.mark.parametrize(
    ("base", "cash", "bid", "ask"),
    [
        (10000, 16_000_000, "1", "1"),
        (10100, 15_840_000, "0.5", "1.5"),
        (9900, 16_160_000, "1.5", "0.5"),
        (0, 16_000_000, "2", "0"),
        (10300, 15_520_000, "0", "2"),
    ],
)
def test_the_size_factors_of_the_specification(base: int, cash: int, bid: str, ask: str) -> None:
    """At 1600, half of everything, a range of 200 base."""
    found = divided(base * 1600, cash, 50, 200 * 1600)
    assert found == (Fraction(bid), Fraction(ask))


def divided(base: int, cash: int, pct: int, reach: int) -> tuple[Fraction, Fraction]:
    bid, ask, per = factors(*(Decimal(each) for each in (base, cash, pct, reach)))
    return Fraction(bid) / Fraction(per), Fraction(ask) / Fraction(per)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 100), st.integers(1, 10**9))
def test_both_size_factors_add_up_and_fall_with_the_stock(
    base: int, cash: int, pct: int, reach: int
) -> None:
    """bid + ask is 2 (or both 0 with nothing owned), and more stock never means larger bids."""
    found = divided(base, cash, pct, reach)
    assert sum(found) == (2 if base + cash else 0)
    assert 0 <= found[0] <= 2
    moved = min(cash, 1000)
    more = divided(base + moved, cash - moved, pct, reach)
    assert more[0] <= found[0]


def test_a_level_without_size_is_missing_for_the_skew() -> None:
    """All in base: no bid, by `size_skew`; the asks have twice their size."""
    quotes = one(policy(size_skew="true"), view(base="10000", cash="1000"))
    (gap,) = quotes.ladder.missing
    assert (gap.side, gap.reason) == (Side.BUY, SIZE_SKEW)
    assert str(quotes.ladder.asks[0].size) == "200"


def test_dollars_are_sizes_on_spot_and_contracts_on_a_future() -> None:
    """250 USD: 250 USDC; of a contract of 10,000 USD 0.025."""
    spot = one(policy(level_size_usd="250"), view())
    future = one(policy(level_size_usd="250"), view(market=FUTURE, base="0"))
    assert str(spot.ladder.bids[0].size) == "250"
    assert str(future.ladder.bids[0].size) == "0.025"


def test_where_the_base_is_no_dollar_each_side_has_its_own_price() -> None:
    """1,000 USD of a coin around 100: more of it bid than asked."""
    coin = replace(FUTURE, base="ETH", quote="USDC", multiplier=Decimal(1), price_tick=Price.of(1))
    quotes = one(policy(level_size_usd="1000"), view(market=coin, reference="100", base="0"))
    assert str(quotes.ladder.bids[0].size) == "10.101"
    assert str(quotes.ladder.asks[0].size) == "9.9"


def jumped(*orders: BookOrder, **options: str) -> tuple[str, str]:
    return best(one(policy(penny_jump="true", **options), view(others=orders)))


def test_width_that_buys_nothing_is_taken_back() -> None:
    """Others at 1590 and 1610: one tick before them is enough instead of 1596 and 1604."""
    assert jumped(others(Side.BUY, "1590"), others(Side.SELL, "1610")) == ("1590.01", "1609.99")


def test_it_is_never_more_aggressive_and_passes_dust_over() -> None:
    """Others ahead of the model change nothing; up to the depth they are dust."""
    assert jumped(others(Side.BUY, "1598"), others(Side.SELL, "1602")) == ("1596", "1604")
    assert jumped() == ("1596", "1604")
    dusty = others(Side.BUY, "1595", "1"), others(Side.BUY, "1580", "60")
    assert jumped(*dusty, penny_jump_depth="50")[0] == "1580.01"
    assert jumped(others(Side.BUY, "1595.99")) == ("1596", "1604"), "a tick is not worth it"


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 30))
def test_two_such_bots_come_to_rest(first: int, second: int, below: int) -> None:
    """Each sees the other's bid beside a third one's: after a few turns nobody moves."""
    models = [
        replace(POLICY, quote=replace(POLICY.quote, half_spread_bps=Decimal(h)))
        for h in (first, second)
    ]
    bots = [Asked(policy(model, penny_jump="true")) for model in models]
    bids = [best(Asked(model).quote(view()))[0] for model in models]
    third = min(Decimal(bid) for bid in bids) - Decimal(below) / 100
    seen: list[tuple[str, ...]] = []
    for turn in range(80):
        me, other = turn % 2, (turn + 1) % 2
        rivals = sorted((bids[other], str(third)), key=Decimal, reverse=True)
        asked = view(others=[others(Side.BUY, price) for price in rivals])
        bids[me] = best(bots[me].quote(asked))[0]
        seen.append(tuple(bids))
    assert len(set(seen[-4:])) == 1


def test_outer_levels_keep_their_distance() -> None:
    """The whole side steps back together."""
    three = replace(POLICY, quote=LADDER_OF_THREE)
    quotes = one(policy(three, penny_jump="true"), view(others=(others(Side.BUY, "1590"),)))
    assert [str(x.price) for x in quotes.ladder.bids] == ["1590.01", "1586.81", "1583.61"]


def test_no_bid_above_the_ceiling_and_no_ask_below_the_floor() -> None:
    """1596 and 1604 around 1600 with a ceiling of 1595.5 and a floor of 1604.5."""
    quotes = one(policy(price_ceiling="1595.5", price_floor="1604.5"), view())
    assert best(quotes) == ("1595.5", "1604.5")


def test_the_micro_price_of_the_specification() -> None:
    """300 bid at 1599 and 100 asked at 1601 are worth 1600.5; equal sizes the mid."""
    bid, ask = Price.of(1599), Price.of(1601)
    assert str(micro_price(bid, Size.of(300), ask, Size.of(100))) == "1600.5"
    assert str(micro_price(bid, Size.of(7), ask, Size.of(7))) == "1600"


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**4))
def test_a_micro_price_is_between_the_two(bid_size: int, ask_size: int, apart: int) -> None:
    """b < w < a, whatever the sizes."""
    bid, ask = Price.of(1000), Price.of(1000 + apart)
    assert bid < micro_price(bid, Size.of(bid_size), ask, Size.of(ask_size)) < ask


def test_one_large_order_moves_it_by_the_cap_and_small_ones_count_for_nothing() -> None:
    """The mid of 1600 leans by 2 bps at most; an order below one of ours is passed over."""
    orders = (others(Side.BUY, "1599", "90000"), others(Side.SELL, "1601", "100"))
    crumbs = (others(Side.BUY, "1599.5", "1"), *orders)
    # sizes here are whole cNGN: an order of 100 has a little less
    short = (orders[0], others(Side.SELL, "1601", "99.9995"))
    on = policy(micro_price_max_shift_bps="2")
    for seen in (orders, crumbs, short):
        quotes = one(on, view(others=seen, source=ReferenceSource.BOOK))
        said = {e.step: e.texts for e in quotes.explanations}["micro_price"]
        assert said["price"] == "1600.32"
    anchored = one(on, view(others=orders))
    assert "micro_price" not in {e.step for e in anchored.explanations}
