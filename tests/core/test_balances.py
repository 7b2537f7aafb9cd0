"""Total, reserved and available: what rests elsewhere is not ours to use, what rests here is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.balances import holdings, reserved
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Size
from mm_bot.core.instrument import Side
from mm_bot.core.orders import OrderStatus, Ownership
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
