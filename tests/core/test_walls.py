"""What a quote may not reach beside strangers: own orders that the plan cannot move."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.exact import Size
from mm_bot.core.instrument import Side
from mm_bot.core.reference import ReferenceSource
from mm_bot.core.snapshot import Snapshot
from tests.core.builders import POLICY, anchor, book, observation, others, own_orders, snapshot
from tests.core.decisions import decided

ELSEWHERE = others(Side.SELL, "1595", ours=True)
"""An ask of our owner's other subaccount, where our bid would take it."""
listed_or_held = pytest.mark.parametrize("held", [False, True], ids=["listed", "matching"])


def _seen(held: bool) -> Snapshot:
    """The book lists it, or leaves it out while the matcher holds it: then its row shows it."""
    bid = others(Side.BUY, "1590")
    shown = book(bid) if held else book(bid, ELSEWHERE)
    orders = own_orders(others=(ELSEWHERE,) if held else ())
    return snapshot(venue=observation(orders, shown=shown))


@listed_or_held
def test_no_bid_reaches_an_own_order_of_another_subaccount(held: bool) -> None:
    """It would trade with ourselves."""
    assert [str(level.price) for level in decided(_seen(held)).ladder.bids] == ["1594.99"]


@listed_or_held
def test_it_makes_no_reference(held: bool) -> None:
    """It counts as ours, so a bid of others and this ask have no mid."""
    found = {c.source: c.why_not for c in decided(_seen(held)).reference.candidates}
    assert found[ReferenceSource.BOOK] == "no ask of others"


SIZED = replace(POLICY, reference=replace(POLICY.reference, min_size=Size.of(10)))


@pytest.mark.parametrize(
    ("size", "bid"), [("9.999", "1596"), ("10", "1594.99")], ids=["less", "enough"]
)
def test_only_size_is_a_wall(size: str, bid: str) -> None:
    """Less than the least size is simply taken, at its better price; so much is stepped behind."""
    shown = book(others(Side.SELL, "1595", size), others(Side.SELL, "1700"))
    seen = snapshot(venue=observation(own_orders(), shown=shown), quote=anchor("1600"))
    assert [str(level.price) for level in decided(seen, policy=SIZED).ladder.bids] == [bid]


def test_an_own_order_is_a_wall_whatever_its_size() -> None:
    """It would trade with ourselves, however little."""
    small = replace(ELSEWHERE, size=Size.of("0.001"))
    seen = snapshot(venue=observation(own_orders(), shown=book(small)))
    assert [str(level.price) for level in decided(seen, policy=SIZED).ladder.bids] == ["1594.99"]
