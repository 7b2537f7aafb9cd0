"""Who is hit withdraws, who reduces stays, and markouts say how much it cost."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_bot.core.instrument import Side
from mm_bot.core.quoting import Quotes, View
from mm_bot.core.reference import ReferenceSource
from mm_bot.core.snapshot import Fill
from mm_bot.strategies.adverse import ADVERSE_SELECTION, Adverse
from mm_bot.strategies.trial import Asked, measure, policy, view
from tests.core.builders import NOW_MS, fill

RUN = policy(run_orders="5")


def filled(
    side: Side,
    at_s: float,
    order: int,
    *,
    size: str = "10",
    price: str = "1596",
    maker: bool = True,
) -> Fill:
    made = fill(order, side, price, size, order_id=f"order-{side.value}-{order}")
    return replace(made, at_ms=NOW_MS + round(at_s * 1000), is_maker=maker)


def at(at_s: float, *fills: Fill, price: str = "1600") -> View:
    return replace(view(price, at_s=at_s), fills=fills)


def quoted(quotes: Quotes) -> set[Side]:
    return {side for side in Side if quotes.ladder.side(side)}


def run(asked: Asked, side: Side, gap_s: float, orders: Iterable[int]) -> list[Quotes]:
    return [
        asked.quote(at(i * gap_s, filled(side, i * gap_s, order))) for i, order in enumerate(orders)
    ]


@pytest.mark.parametrize("side", Side)
def test_a_run_withdraws_the_side_that_is_hit(side: Side) -> None:
    """Five orders in a row within a minute: that side goes for 15 s, the other stays."""
    asked = Asked(RUN)
    *before, last = run(asked, side, 10, range(5))
    assert all(quoted(q) == set(Side) for q in before)
    assert quoted(last) == {side.opposite}
    (gap,) = (m for m in last.ladder.missing if m.side is side)
    assert gap.reason is ADVERSE_SELECTION
    assert gap.numbers[0] == ("cause", "run of 5 orders")
    assert measure(last, "mm_bot_guard_active", "adverse_selection", side.value) == 1
    assert quoted(asked.quote(at(54.9))) == {side.opposite}
    assert quoted(asked.quote(at(55))) == set(Side)


def test_a_slow_run_is_none() -> None:
    """Five sells in a row over a quiet afternoon stop nothing."""
    assert all(quoted(q) == set(Side) for q in run(Asked(RUN), Side.SELL, 20, range(12)))


@given(st.permutations([0, 0, 0, 1, 1, 2, 2, 2]))
def test_partial_fills_of_an_order_count_once(orders: list[int]) -> None:
    """Eight fills of three orders are no run of five, in whatever order they come."""
    assert all(quoted(q) == set(Side) for q in run(Asked(RUN), Side.BUY, 1, orders))


def test_the_other_side_and_our_own_takes_break_no_run_and_make_none() -> None:
    """A fill of the other side begins the count anew; a take of ours is not a hit."""
    asked = Asked(RUN)
    sides = [Side.BUY] * 4 + [Side.SELL] + [Side.BUY] * 4
    found = [asked.quote(at(i, filled(side, i, i))) for i, side in enumerate(sides)]
    assert all(quoted(q) == set(Side) for q in found)
    taken = asked.quote(at(9, filled(Side.BUY, 9, 9, maker=False)))
    assert quoted(taken) == set(Side)
    assert quoted(asked.quote(at(10, filled(Side.BUY, 10, 10)))) == {Side.SELL}


@pytest.mark.parametrize(
    ("size", "orders", "surges"),
    [("30", 6, False), ("31", 6, True), ("99", 5, True), ("99", 4, False)],
)
def test_a_surge_is_many_times_the_usual_rate(size: str, orders: int, surges: bool) -> None:
    """600 s with 600 bought: over 30 in 10 s is more than three times as much a second. Of fewer
    than five orders nobody can say what is usual."""
    asked = Asked(policy(surge_factor="3"))
    for i in range(6 - orders, 6):
        asked.quote(at(i * 100, filled(Side.BUY, i * 100, i, size="100")))
    quotes = asked.quote(at(605, filled(Side.BUY, 605, 99, size=size)))
    assert (quoted(quotes) == {Side.SELL}) is surges


def test_toxic_markouts_withdraw_or_widen() -> None:
    """Ten fills after each of which the price falls by 20 bps in 5 s."""
    for options, sides in (({}, {Side.SELL}), ({"toxic_widen_bps": "30"}, set(Side))):
        asked = Asked(policy(toxic_markout_bps="10", **options))
        quotes = asked.quote(at(0))
        for i in range(10):
            begin = i * 20.0
            asked.quote(at(begin, filled(Side.BUY, begin, i, price="1600")))
            asked.quote(at(begin + 4.5, price="1596.8"))
            quotes = asked.quote(at(begin + 5, price="1596.8"))
        assert quoted(quotes) == sides
        assert measure(quotes, "mm_bot_markout_bps", "buy", "5") == -20
        half = measure(quotes, "mm_bot_half_spread_bps", "buy")
        assert half == (55 if options else 25)


def test_a_markout_without_a_fresh_reference_is_unknown() -> None:
    """Nothing seen within half of the horizon, or another source since: no number, not zero."""
    asked = Asked(policy(markouts="true"))
    asked.quote(at(0, filled(Side.SELL, 0, 1, price="1604")))
    late = asked.quote(at(2))
    assert measure(late, "mm_bot_markout_bps", "sell", "1") is None
    asked.quote(at(4))
    known = asked.quote(at(6, price="1610"))
    assert measure(known, "mm_bot_markout_bps", "sell", "5") is not None
    assert measure(known, "mm_bot_markouts_unknown", "sell") == 1
    book = replace(at(20), source=ReferenceSource.BOOK)
    elsewhere = asked.quote(replace(book, now_ms=NOW_MS + 30_000, reference_ms=NOW_MS + 29_000))
    assert measure(elsewhere, "mm_bot_markout_bps", "sell", "30") is None
    assert measure(elsewhere, "mm_bot_markouts_unknown", "sell") == 2


def test_markouts_are_weighted_by_size() -> None:
    """10 at +25 bps and 30 at -25 bps are -12.5 bps."""
    asked = Asked(policy(markouts="true"))
    asked.quote(
        at(
            0,
            filled(Side.SELL, 0, 1, size="10", price="1604"),
            filled(Side.SELL, 0, 2, size="30", price="1596"),
        )
    )
    quotes = asked.quote(at(1))
    mean = measure(quotes, "mm_bot_markout_bps", "sell", "1")
    assert mean is not None
    good, bad = Decimal(4) / 1604, Decimal(-4) / 1596
    assert abs(mean - (10 * good + 30 * bad) / 40 * 10_000) < Decimal("1e-20")


def test_on_a_mid_without_drift_nothing_is_given_back() -> None:
    """After 200 fills 25 bps away from a mid that may as well rise as fall, each markout is the
    spread captured, within four standard errors of its horizon."""
    draw, mid, now_s = random.Random(20081), 1600.0, 0.0
    asked, fills = Asked(policy(markouts="true")), 200
    for i in range(fills):
        side = Side.BUY if i % 2 else Side.SELL
        price = f"{mid * (1 - side.sign * 0.0025):.4f}"
        quotes = asked.quote(
            at(now_s, filled(side, now_s, i, price=price, size="1"), price=f"{mid:.4f}")
        )
        for wait_s in (1, 4, 25, 130, 140):
            now_s, mid = now_s + wait_s, mid + draw.choice((-0.16, 0.16)) * wait_s**0.5
            quotes = asked.quote(at(now_s, price=f"{mid:.4f}"))
    for side, horizon_s in product(Side, (1, 5, 30, 300)):
        mean = measure(quotes, "mm_bot_markout_bps", side.value, str(horizon_s))
        assert mean is not None
        assert abs(mean - 25) < 4 * Decimal(horizon_s).sqrt() / Decimal(fills / 2).sqrt()


def test_the_toxic_mean_fades_by_half_in_twenty_fills() -> None:
    """-30 bps each and ten of them known is toxic, nine are not; then fills that gain 10: the mean
    is by weights of 2^(-n/20) until it is -10 or above."""
    asked, moved, found = Asked(policy(toxic_markout_bps="10", toxic_pause_seconds="1")), [], []
    for i in range(26):
        begin, bps = i * 20.0, -30 if i < 10 else 10
        asked.quote(at(begin, filled(Side.BUY, begin, i, price="1600", size="10")))
        after = asked.quote(at(begin + 5, price=str(1600 + Decimal(bps) * 16 / 100)))
        found.append(quoted(after) == {Side.SELL})
        moved.append(bps)
    for n, hit in enumerate(found, start=1):
        weights = [0.5 ** ((n - 1 - k) / 20) for k in range(n)]
        mean = sum(w * m for w, m in zip(weights, moved, strict=False)) / sum(weights)
        assert hit is (n >= 10 and mean < -10), n
    assert found.count(True) == 8, "a plain mean would have ten"


def test_a_further_trigger_restarts_the_pause() -> None:
    """A sixth hit ten seconds later: 15 s from there."""
    asked = Asked(RUN)
    run(asked, Side.BUY, 1, range(5))
    asked.quote(at(14, filled(Side.BUY, 14, 5)))
    assert quoted(asked.quote(at(28.9))) == {Side.SELL}
    assert quoted(asked.quote(at(29))) == set(Side)


GUARDED = policy(run_orders="3", surge_factor="3", surge_base_seconds="60", toxic_markout_bps="5")


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from((*Side, None)), st.integers(1, 40), st.integers(-20, 20)),
        min_size=20,
        max_size=40,
    )
)
def test_mirrored_sides_mirror_the_guard(
    path: list[tuple[Side | None, int, int]],
) -> None:
    """Every fill on the other side and every move the other way: the other side withdraws."""
    one, other, moved = Asked(GUARDED), Asked(GUARDED), 0
    for i, (side, size, move) in enumerate(path):
        moved += move
        sides = []
        for asked, sign in ((one, 1), (other, -1)):
            hit = side if side is None or sign > 0 else side.opposite
            price = str(1600 + Decimal(sign * moved) / 10)
            fills = [] if hit is None else [filled(hit, i * 2, i, size=str(size), price="1600")]
            sides.append(quoted(asked.quote(at(i * 2, *fills, price=price))))
        assert sides[0] == {side.opposite for side in sides[1]}


def test_what_is_remembered_of_fills_is_bounded() -> None:
    """Of 2,100 at once the oldest hundred are forgotten, and the markouts of each are unknown."""
    asked = Asked(policy(markouts="true"))
    quotes = asked.quote(at(0, *(filled(Side.BUY, 0, i) for i in range(2_100))))
    assert measure(quotes, "mm_bot_markouts_unknown", "buy") == 400
    assert asked.kept.value is not None
    state = asked.kept.value["adverse_selection"]
    assert isinstance(state, Adverse)
    assert len(state.hits.fills) == 2_000
