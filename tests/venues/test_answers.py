"""What adapters tell alike of fills."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.exact import Size
from mm_bot.core.instrument import Side
from mm_bot.core.snapshot import Fill, Trade
from mm_bot.venues.answers import ALIKE_MS, OWN_TRADES_KEPT, completing, own_trades
from tests.core.builders import fill, row, trade

ORDER = row(Side.BUY, "1600", "10")


def filled(number: int, size: str) -> Fill:
    return replace(fill(number, Side.BUY, "1600", size), order_id=ORDER.order_id)


def public_trade(number: int, price: str, size: str, at_ms: int) -> Trade:
    return replace(trade(number, price), size=Size.of(size), at_ms=at_ms)


@pytest.mark.parametrize(
    ("left", "sizes", "completes"),
    [
        ("0", ("4", "6"), [False, True]),
        ("0", ("6",), [True]),  # the fills before it are not among them
        ("10", ("4", "6"), [False, True]),  # the order was read before either
        ("5", ("5",), [False]),
    ],
)
def test_the_newest_fill_of_a_filled_order_completes_it(
    left: str, sizes: tuple[str, ...], completes: list[bool]
) -> None:
    """One fill an order, in whatever sequence they come; where neither the order nor its fills say
    that all of it is filled, none."""
    fills = [filled(number, size) for number, size in enumerate(sizes)]
    seen = replace(ORDER, size=Size.of(left))
    assert [each.completes_order for each in completing(fills[::-1], [seen])] == completes


def test_of_an_order_that_is_not_shown_nothing_is_told() -> None:
    """Its fills come back as they are."""
    fills = (filled(1, "10"),)
    assert completing(fills, ()) == fills


def test_own_trades_are_remembered_the_newest_of_them() -> None:
    """A read that brings none forgets none, and they do not grow for ever. A public trade under a
    name of its own is told by its price, size and time."""
    known = own_trades((), [filled(number, "1") for number in range(OWN_TRADES_KEPT)], ())
    assert own_trades(known, (), ()) == known
    mine = filled(OWN_TRADES_KEPT, "2")
    late = mine.at_ms + ALIKE_MS
    public = (
        public_trade(9_001, "1600", "2", late),
        public_trade(9_002, "1600", "2", late + 1),
        public_trade(9_003, "1601", "2", late),
        public_trade(9_004, "1600", "3", late),
    )
    more = own_trades(known, [mine], public)
    assert more == frozenset([*range(2, OWN_TRADES_KEPT + 1), 9_001])
