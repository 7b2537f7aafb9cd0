"""Orders are paired with slots in price order, with the best total fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Price
from mm_bot.core.instrument import Level, Side
from mm_bot.core.ledger import OpenOrder
from mm_bot.core.pairing import by_table, pair
from tests.core.builders import level, open_order

prices = st.lists(st.integers(1500, 1600), max_size=5, unique=True).map(
    lambda found: sorted(found, reverse=True)
)


def _close(levels: Sequence[Level], orders: Sequence[OpenOrder]) -> list[list[int]]:
    return [[2 * (abs(o.price - w.price) <= Price.of(1)) for o in orders] for w in levels]


@given(prices, prices)
def test_every_order_has_one_slot_or_is_surplus(wanted: list[int], held: list[int]) -> None:
    """No order is paired twice or lost, no slot stays empty while an order is surplus."""
    levels = [level(Side.BUY, str(p), index=i) for i, p in enumerate(wanted)]
    orders = [open_order(Side.BUY, str(p), nonce=i) for i, p in enumerate(held)]
    pairs, surplus = pair(levels, orders, _close)
    ids = [c.order_id for c in (*pairs.values(), *surplus)]
    assert sorted(ids) == sorted(c.order_id for c in orders)
    assert len(pairs) == min(len(levels), len(orders))


@given(prices, st.integers(0, 4))
def test_a_lost_order_moves_no_other(wanted: list[int], lost: int) -> None:
    """Where one order of a fitting ladder is gone, every other one keeps its own slot."""
    spaced = [1600 - 10 * i for i in range(len(wanted))]
    levels = [level(Side.BUY, str(p), index=i) for i, p in enumerate(spaced)]
    orders = [open_order(Side.BUY, str(p), nonce=i) for i, p in enumerate(spaced) if i != lost]
    pairs, surplus = pair(levels, orders, _close)
    assert not surplus
    assert all(order.nonce == index for index, order in pairs.items())


def alignments(worth: list[list[int]]) -> Iterator[dict[int, int]]:
    """Every way to pair rows with columns that fit, in their order."""
    if not worth:
        yield {}
        return
    *above, last = worth
    for pairs in alignments(above):
        yield pairs
        for column in range(max(pairs.values(), default=-1) + 1, len(last)):
            if last[column]:
                yield pairs | {len(above): column}


@given(st.integers(0, 4).flatmap(lambda n: st.lists(
    st.lists(st.sampled_from((0, 1, 2)), min_size=n, max_size=n), max_size=4
)))  # fmt: skip
def test_the_table_finds_the_best_of_all_alignments(worth: list[list[int]]) -> None:
    """No other has a larger sum."""

    def total(pairs: dict[int, int]) -> int:
        return sum(worth[i][j] for i, j in pairs.items())

    found = by_table(worth, len(worth[0]) if worth else 0)
    every = list(alignments(worth))
    assert found in every
    assert total(found) == max(map(total, every))


@pytest.mark.parametrize("worth", [[[1, 1, 1]], [[1], [1]], [[1, 1], [1, 1], [1, 1]]])
def test_of_equal_alignments_the_best_levels_have_the_best_orders(worth: list[list[int]]) -> None:
    """The first with the first, the second with the second."""
    assert by_table(worth, len(worth[0])) == {i: i for i in range(min(len(worth), len(worth[0])))}


@pytest.mark.parametrize("sizes", [("1", "1.5", "2.25"), ("1", "1.5", "0.7"), ("1", "1", "1")])
def test_orders_of_one_price_go_where_their_size_belongs(sizes: tuple[str, ...]) -> None:
    """Three levels moved behind one taker: in whatever order they were sent, nothing is swapped."""
    levels = [level(Side.BUY, "1600", size, index=i) for i, size in enumerate(sizes)]
    for sent in permutations(sizes):
        orders = [open_order(Side.BUY, "1600", size, nonce=i) for i, size in enumerate(sent)]
        pairs, surplus = pair(levels, orders, _close)
        assert not surplus
        assert [str(pairs[i].size) for i in range(3)] == list(sizes)
