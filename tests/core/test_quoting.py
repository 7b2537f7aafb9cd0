"""What the bounds of a side leave."""

from __future__ import annotations

from decimal import Decimal

from mm_bot.core.exact import Price, Size
from mm_bot.core.quoting import Bound, MissingReason, fit
from tests.core.builders import SPOT


def test_a_bound_that_leaves_just_enough_cuts_nothing() -> None:
    """It is told as what cut the size only where it did."""
    bound = Bound(reason=MissingReason.INVENTORY_LIMIT, left=Decimal(100))
    price = Price.of(1600)
    assert fit(SPOT, [bound], price, Size.of(100)) == (Size.of(100), None)
    cut, binding = fit(SPOT, [bound], price, Size.of(101))
    assert cut <= Size.of(100)
    assert binding is bound
