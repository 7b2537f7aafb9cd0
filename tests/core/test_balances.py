"""Total, reserved and available: what rests elsewhere is not ours to use, what rests here is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.balances import holdings, reserved
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Size
from mm_bot.core.instrument import Side
from mm_bot.core.orders import OrderStatus, Ownership
from mm_bot.core.settlement import Pending
from mm_bot.core.snapshot import Reserved
from tests.core.builders import FUTURE, SPOT, balances, row


def test_a_spot_bid_reserves_cngn_and_an_ask_usdc() -> None:
    """Bid: size x price of quote. Ask: size of base."""
    assert reserved(SPOT, [row(Side.BUY, "1600", "100")]) == Reserved(quote=Amount.of(160_000))
    assert reserved(SPOT, [row(Side.SELL, "1600", "100")]) == Reserved(base=Size.of(100))


def test_a_future_reserves_margin_on_either_side() -> None:
    """Size x contract size x margin rate of cash, and never a base."""
    for side in Side:
        rows = [row(side, "1600", size, market=FUTURE) for size in ("1.5", "0.5")]
        held = reserved(FUTURE, rows)
        assert held == Reserved(quote=Amount.of(4_000))


def test_what_our_own_orders_reserve_is_free_for_their_replacements() -> None:
    """Managed rows count as reserved and stay available; protected and stray rows do not."""
    rows = (
        row(Side.SELL, "1604", "100"),
        row(Side.SELL, "1610", "30", order_id="manual:2", ownership=Ownership.PROTECTED, nonce=2),
        row(Side.SELL, "1611", "7", nonce=3, status=OrderStatus.CANCELLED),
    )
    seen = holdings(SPOT, balances("1000", "0"), Reserved(base=Size.of(20)), rows)
    assert seen.base_reserved == Size.of(150)
    assert seen.base_available == Size.of(950)


@given(st.integers(-1_000, 1_000), st.integers(0, 2_000))
def test_available_is_never_negative(total: int, elsewhere: int) -> None:
    """Whatever rests elsewhere, available is max(0, total - reserved)."""
    held = Reserved(base=Size.of(elsewhere), quote=Amount.of(elsewhere))
    seen = holdings(SPOT, balances(str(total), str(total)), held, ())
    assert seen.base_available == max(Size.of(total - elsewhere), NO_SIZE)
    assert seen.quote_available == max(Amount.of(total - elsewhere), NO_AMOUNT)


def test_each_balance_is_taken_apart() -> None:
    """Total, what all orders reserve of it, what replacements of ours may use and what is free for
    orders elsewhere; fills that it may lack have used up what they cost and brought nothing."""
    rows = (
        row(Side.BUY, "1600", "10", nonce=1),
        row(Side.BUY, "1500", "20", order_id="by-hand", ownership=Ownership.PROTECTED, nonce=2),
        row(Side.SELL, "1700", "3", nonce=3),
        row(Side.SELL, "1700", "5", order_id="other", ownership=Ownership.AMBIGUOUS, nonce=4),
    )
    elsewhere = Reserved(base=Size.of(7), quote=Amount.of(1_000))
    lacks = Pending(bought=Size.of(2), bought_for=Amount.of(3_200), sold=Size.of(4))
    seen = holdings(SPOT, balances("100", "100000"), elsewhere, rows, lacks)
    assert (seen.base_total, seen.quote_total) == (Size.of(100), Amount.of(100_000))
    assert (seen.base_reserved, seen.quote_reserved) == (Size.of(15), Amount.of(47_000))
    assert (seen.base_unreserved, seen.quote_unreserved) == (Size.of(85), Amount.of(53_000))
    assert (seen.base_available, seen.quote_available) == (Size.of(84), Amount.of(65_800))
    assert (seen.base_lowest, seen.base_highest) == (Size.of(96), Size.of(102))
    poor = holdings(SPOT, balances("14", "46999"), elsewhere, rows)
    assert (poor.base_unreserved, poor.quote_unreserved) == (NO_SIZE, NO_AMOUNT)
    margined = holdings(FUTURE, balances("100", "100000"), Reserved(), (), lacks)
    assert margined.quote_available == Amount.of(100_000), "a contract costs margin, not its worth"
