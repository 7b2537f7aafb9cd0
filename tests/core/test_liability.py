"""Every unexpired signature counts, cancelled or not, with what is left of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Size
from mm_bot.core.instrument import Side
from mm_bot.core.liability import Signature, outstanding, updated
from mm_bot.core.orders import OrderStatus
from tests.core.builders import NOW_MS, row


@given(st.sampled_from(OrderStatus), st.integers(-400_000, 400_000))
def test_a_signature_counts_until_it_expires(status: OrderStatus, age_ms: int) -> None:
    """Invariant 1: whatever its row says, it counts while it may execute on chain."""
    signed = row(Side.BUY, "1600", "100", status=status, created_ms=NOW_MS - age_ms)
    known = updated({}, [signed], {}, NOW_MS)
    alive = signed.expiry_ms // 1000 >= NOW_MS // 1000
    said = outstanding(known, Side.BUY)
    assert said == Size.of(100) if alive else said in (Size.of(0), Size.of(100))
    assert outstanding(known, Side.SELL) == Size.of(0)


def test_it_counts_with_what_is_left() -> None:
    """Invariant 2: a fill read later lowers it, and a filled order costs nothing."""
    first = updated({}, [row(Side.SELL, "1600", "100")], {}, NOW_MS)
    second = updated(first, [row(Side.SELL, "1600", "30")], {}, NOW_MS)
    assert outstanding(second, Side.SELL) == Size.of(30)
    assert not updated(second, [row(Side.SELL, "1600", "0")], {}, NOW_MS)


def test_an_unread_order_counts_in_full() -> None:
    """An order whose outcome is unknown counts from the moment it was signed."""
    known = {"a": Signature(Side.BUY, Size.of(7), NOW_MS + 1)}
    assert outstanding(updated(known, [], {}, NOW_MS), Side.BUY) == Size.of(7)
    assert not updated(known, [], {}, NOW_MS + 2_000)
