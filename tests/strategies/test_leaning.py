"""Target skew, size skew, dollars, penny jump, price band and micro-price: each formula's vectors
and properties."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import Quotes, View
from mm_bot.core.reference import ReferenceSource
from mm_bot.core.snapshot import BookOrder
from mm_bot.strategies.micro_price import micro_price
from mm_bot.strategies.size_skew import SIZE_SKEW, factors
from mm_bot.strategies.trial import Asked, best, measure, policy, view
from mm_bot.strategies.usd_levels import size_of
from tests.core.builders import FUTURE, LADDER_OF_THREE, POLICY, SPOT, others

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


@settings(max_examples=50)
@given(st.integers(-500, 1000), st.integers(-900, 1400), st.integers(0, 60))
def test_the_skew_is_antisymmetric_monotone_and_bounded(target: int, held: int, skew: int) -> None:
    """As far below the target as above it, of the room of that side: the same skew the other way;
    more stock never raises a quote, and no shift is above the skew. Bid below ask always."""
    chosen = replace(SKEWED, quote=replace(SKEWED.quote, skew_bps=Decimal(skew)))
    asked = policy(chosen, target_inventory=str(target))
    here, more = (one(asked, view(market=CENTS, base=str(base))) for base in (held, held + 7))
    assert -skew <= here.ladder.skew_bps <= more.ladder.skew_bps <= skew
    room = Fraction(1000 - target if held > target else target + 500)
    share = Fraction((held > target) - (held < target))
    if room > 0:
        share = max(min(Fraction(held - target) / room, Fraction(1)), Fraction(-1))
    assert here.ladder.skew_bps == Decimal(str(round(float(skew * share), 4)))
    for quotes in (here, more):
        for bid, ask in zip(quotes.ladder.bids, quotes.ladder.asks, strict=False):
            assert bid.price < ask.price
    mirrored = policy(
        replace(
            chosen,
            quote=replace(chosen.quote, max_long=Size.of(500), max_short=Size.of(-1000)),
        ),
        target_inventory=str(-target),
    )
    assert (
        one(mirrored, view(market=CENTS, base=str(-held))).ladder.skew_bps == -here.ladder.skew_bps
    )


@pytest.mark.parametrize(
    ("target", "held", "skew_bps"), [("1000", "1001", 15), ("-500", "-501", -15)]
)
def test_without_room_the_skew_is_whole(target: str, held: str, skew_bps: int) -> None:
    """A target at the limit: beyond it there is no fraction to take."""
    quotes = one(policy(SKEWED, target_inventory=target), view(market=CENTS, base=held))
    assert quotes.ladder.skew_bps == skew_bps


def test_a_percentage_is_floored_to_the_lot() -> None:
    """A third of 1,000 and 100 more at 1600: 363.33 of which lots of 10 leave 360."""
    market = replace(SPOT, size_step=Size.of(10), notional_step=None)
    wide = replace(SKEWED, quote=replace(SKEWED.quote, max_long=Size.of(50_000)))
    asked = policy(wide, target_base_pct="33.03")
    quotes = one(asked, view(market=market, base="1000", cash="160000"))
    said = {e.step: e.texts for e in quotes.explanations}["target"]
    assert (said["target"], said["excess"]) == ("360", "640")


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
    """At 1600, half of everything, a range of 200 base: both sides' orders of 100, once."""
    found = divided(base * 1600, cash, 50, 200 * 1600)
    assert found == (Fraction(bid), Fraction(ask))
    quotes = one(policy(size_skew="true"), view(base=str(base), cash=str(cash)))
    said = {e.step: e.texts for e in quotes.explanations}["size_skew"]
    assert (said["bid_factor"], said["ask_factor"]) == (bid, ask)
    for side, factor in ((Side.BUY, bid), (Side.SELL, ask)):
        sizes = [level.size for level in quotes.ladder.side(side)]
        # an ask cannot be of more than there is
        least = Size(
            min(Decimal(factor) * 100, Decimal(base) if side is Side.SELL else Decimal(500))
        )
        assert sizes == ([least] if least.value else [])


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
    # continuous: no jump is larger than the narrower half of the range allows
    whole = base + cash
    left = min(Fraction(reach), Fraction(whole, 2), Fraction(whole * pct, 100) or Fraction(whole))
    assert found[0] - more[0] <= (Fraction(moved) / left if whole else 0)


def test_a_level_without_size_is_missing_for_the_skew() -> None:
    """All in base: no bid, by `size_skew`; the asks have twice their size."""
    quotes = one(policy(size_skew="true"), view(base="10000", cash="1000"))
    (gap,) = quotes.ladder.missing
    assert (gap.side, gap.reason) == (Side.BUY, SIZE_SKEW)
    assert str(quotes.ladder.asks[0].size) == "200"


def test_a_larger_factor_passes_no_bound() -> None:
    """Twice 100 wanted, 130 of room: 130."""
    near = replace(POLICY, quote=replace(POLICY.quote, max_long=Size.of(130)))
    quotes = one(policy(near, size_skew="true"), view(base="0", cash="16000000"))
    assert [str(level.size) for level in quotes.ladder.bids] == ["130"]


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
    for price in (None, Price.of(0), Price.of(-100)):
        assert size_of(Decimal(1000), coin, price) is None, "it takes a price to tell"


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


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(158_000, 162_000), st.integers(1, 90)), max_size=6),
    st.integers(0, 120),
    st.integers(1, 4),
)
def test_it_gives_back_width_and_nothing_else(
    seen: list[tuple[int, int]], depth: int, ticks: int
) -> None:
    """Bids at or below the model's and a tick above others' at most, asks likewise; one that moved
    gained at least the ticks it must; alone it is the model."""
    orders = [
        others(Side.BUY if cents < 160_000 else Side.SELL, str(Decimal(cents) / 100), str(size))
        for cents, size in seen
        if cents != 160_000
    ]
    orders.sort(key=lambda o: o.side.best_first(o.price))
    on = policy(penny_jump="true", penny_jump_depth=str(depth), penny_jump_min_ticks=str(ticks))
    quotes = one(on, view(others=orders))
    tick, model = Decimal("0.01"), {Side.BUY: Decimal(1596), Side.SELL: Decimal(1604)}
    for side in Side:
        total, top = Decimal(0), None
        for order in (o for o in orders if o.side is side):
            total += order.size.value
            if total > depth:
                top = order.price.value
                break
        price = quotes.ladder.side(side)[0].price.value
        back = (model[side] - price) * side.sign
        gain = Decimal(0) if top is None else (model[side] - top) * side.sign - tick
        assert back == (gain if gain >= ticks * tick else 0)


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


@pytest.mark.parametrize(
    ("held", "bid", "ask"),
    [
        ("10000", "60.65", "100"),
        ("9800", "100", "100"),
        ("9700", "100", "77.88"),
        ("15000", "0", "100"),
    ],
)
def test_the_growing_side_shrinks_by_the_excess(held: str, bid: str, ask: str) -> None:
    """exp(-0.25 q) with q in orders of 100 over 9,800, floored to 0.0001; what it leaves nothing of
    is missing for the skew."""
    asked = policy(size_shape_factor="0.25", target_inventory="9800")
    quotes = one(asked, view(market=replace(SPOT, notional_step=None), base=held))
    found = {s: [str(x.size) for x in quotes.ladder.side(s)] or ["0"] for s in Side}
    assert found == {Side.BUY: [bid], Side.SELL: [ask]}
    assert {gap.reason for gap in quotes.ladder.missing} == ({SIZE_SKEW} if bid == "0" else set())


@given(st.lists(st.tuples(*[st.integers(1, 4), st.integers(1, 9)] * 2), min_size=2, max_size=6))
def test_the_order_flow_is_the_formula_of_its_paper(looks: list[tuple[int, int, int, int]]) -> None:
    """Summed over the window, others' best orders alone; mirrored books give the other sign, and a
    book without a side begins anew."""
    asked, other = (Asked(policy(order_flow_seconds="5")) for _ in range(2))
    expected: list[tuple[int, int]] = []
    before: tuple[int, int, int, int] | None = None
    for at_s, (below, bids, above, asks) in enumerate(looks):
        for bot, (b, qb, a, qa) in (
            (asked, (below, bids, above, asks)),
            (other, (above, asks, below, bids)),
        ):
            seen = (
                others(Side.BUY, str(1600 - b), str(qb)),
                others(Side.SELL, str(1600 + a), str(qa)),
            )
            quotes = bot.quote(view(at_s=at_s, others=seen))
            told = measure(quotes, "mm_bot_order_flow_imbalance")
            if bot is asked:
                if before is not None:
                    pb, qb0, pa, qa0 = before
                    e = qb * (b <= pb) - qb0 * (b >= pb) - qa * (a <= pa) + qa0 * (a >= pa)
                    expected.append((at_s, e))
                mine = told
        before = (below, bids, above, asks)
        assert mine == sum(e for at, e in expected if at_s - at < 5)
        assert told == -mine
    quotes = asked.quote(view(at_s=99, others=(others(Side.BUY, "1599"),)))
    assert measure(quotes, "mm_bot_order_flow_imbalance") is None
