"""What a quote may not reach beside strangers: own orders that the plan cannot move."""

from __future__ import annotations

import pytest

from mm_bot.core.instrument import Side
from mm_bot.core.reference import ReferenceSource
from mm_bot.core.snapshot import Snapshot
from tests.core.builders import book, observation, others, own_orders, snapshot
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
