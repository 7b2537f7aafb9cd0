"""Whose an order is by its id, and which states are live."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.instrument import Side
from mm_bot.core.orders import OrderId, OrderStatus, Ownership, classify
from tests.core.builders import row

MARKET = "USDCcNGN-SPOT"
PREFIXES = ("validation:", "test:", "smoke:", "manual:")


@given(st.sampled_from(Side), st.integers(0, 2**256 - 1))
def test_an_id_reads_back(side: Side, nonce: int) -> None:
    """Every id of the convention is taken apart into what it was made of."""
    made = OrderId(MARKET, side, nonce)
    assert OrderId.parse(str(made)) == made


def test_a_nonce_has_no_more_digits_than_256_bits() -> None:
    """78 of them; an id is anybody's to choose, and so is its length."""
    longest = OrderId(MARKET, Side.BUY, 10**78 - 1)
    assert OrderId.parse(str(longest)) == longest
    for nonce in (str(10**78), "-7", "+7", "7.0", "seven", "٧", ""):
        assert OrderId.parse(f"mm:{MARKET}:buy:{nonce}") is None


@given(st.text() | st.from_regex(r"mm:\w{0,2}:(buy|sell|bid):-?\d{1,3}", fullmatch=True))
def test_any_text_is_an_id_or_none(text: str) -> None:
    """A parsed id always prints as the very text it was read from."""
    parsed = OrderId.parse(text)
    assert parsed is None or str(parsed) == text


@pytest.mark.parametrize(
    ("order_id", "expected"),
    [
        (f"mm:{MARKET}:buy:7", Ownership.MANAGED),
        (f"mm:{MARKET}:sell:7", Ownership.MALFORMED),
        (f"mm:{MARKET}:buy:8", Ownership.MALFORMED),
        (f"mm:{MARKET}:buy:07", Ownership.MALFORMED),
        (f"mm:{MARKET}:buy:٧", Ownership.MALFORMED),
        (f"mm:{MARKET}:buy:" + "9" * 5_000, Ownership.MALFORMED),
        (f"mm:{MARKET}:buy:-7", Ownership.MALFORMED),
        (f"mm:{MARKET}:buy:7:", Ownership.MALFORMED),
        ("mm::buy:7", Ownership.MALFORMED),
        (f"x:mm:{MARKET}:buy:7", Ownership.AMBIGUOUS),
        (f"mm:{MARKET}:bid:7", Ownership.MALFORMED),
        (f"mm:{MARKET}:buy", Ownership.MALFORMED),
        ("mm:OTHER:buy:7", Ownership.WRONG_MARKET),
        ("web-7", Ownership.AMBIGUOUS),
        ("", Ownership.AMBIGUOUS),
        ("manual:7", Ownership.PROTECTED),
        ("validation:mm:x", Ownership.PROTECTED),
    ],
)
def test_whose_an_own_row_is(order_id: str, expected: Ownership) -> None:
    """Only an id of this market that agrees with its row's side and nonce is managed."""
    assert classify(order_id, Side.BUY, 7, MARKET, PREFIXES) is expected


def test_protection_wins_over_the_convention() -> None:
    """An operator may protect even ids of the bot's own convention."""
    assert classify(f"mm:{MARKET}:buy:7", Side.BUY, 7, MARKET, ("mm:",)) is Ownership.PROTECTED


def test_matching_is_live() -> None:
    """Exactly `active` and `matching` are live."""
    live = {OrderStatus.ACTIVE, OrderStatus.MATCHING}
    assert {s for s in OrderStatus if s.live} == live
    assert {s for s in OrderStatus if row(Side.BUY, "1596", status=s).live} == live
