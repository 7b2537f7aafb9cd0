"""Answers that are read again and again are made anew only where they changed."""

from __future__ import annotations

from functools import partial

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.snapshot import Book, BookOrder, Trade
from mm_bot.io.shapes import Known, Latest
from mm_bot.venues.numo.wire import parse_book, parse_trades
from tests.venues.desk import CNGN, SPOT_MARKET

OWNER = "0x" + "77" * 20
entries = st.fixed_dictionaries(
    {
        "order_id": st.sampled_from(("a", "b", "mm:USDCcNGN-SPOT:buy:7")),
        "owner_address": st.sampled_from((OWNER, "0x" + "88" * 20)),
        "side": st.sampled_from(("buy", "sell")),
        "desired_amount": st.sampled_from(("1000", "2000")),
        "filled_amount": st.sampled_from(("0", "500")),
        "limit_price": st.sampled_from(("0.000625", "0.00062", "NaN")),
    }
)
trades = st.fixed_dictionaries(
    {
        "trade_id": st.integers(1, 4),
        "price": st.sampled_from(("0.000625", "0.00062", "none")),
        "size": st.sampled_from(("1000", "2000")),
        "created_at": st.sampled_from(("2026-11-26T06:00:00Z", "2026-11-26T06:00:01Z")),
        "maker_order_id": st.just("m"),
        "taker_order_id": st.just("t"),
    }
)
HEAD = {"market_presentation": {"market": SPOT_MARKET.symbol}, "asset_address": CNGN}


def orders_of_strangers(found: list[dict[str, str]]) -> list[dict[str, str]]:
    """One of ours whose price is no number is a broken answer, told elsewhere."""
    return [e for e in found if e["owner_address"] != OWNER or e["limit_price"] != "NaN"]


@given(st.lists(st.tuples(st.lists(entries), st.lists(trades)), min_size=2, max_size=4))
def test_an_answer_says_what_it_says_whatever_came_before(
    answers: list[tuple[list[dict[str, str]], list[dict[str, object]]]],
) -> None:
    """Book and trades are the same with what is known of the answer before and without it."""
    book_known, trades_known = Known[BookOrder](), Known[Trade]()
    whole = Latest[Book]()
    for found, traded in [each for answer in answers for each in (answer, answer)]:
        half = orders_of_strangers(found)
        book = orjson.dumps({**HEAD, "bids": half[::2], "asks": half[1::2]})
        told = orjson.dumps({**HEAD, "trades": traded})
        alone = parse_book(book, SPOT_MARKET, OWNER)
        assert whole.made(book, partial(parse_book, book, SPOT_MARKET, OWNER, book_known)) == alone
        assert parse_trades(told, SPOT_MARKET, trades_known) == parse_trades(told, SPOT_MARKET)


def test_an_answer_that_came_before_is_made_once() -> None:
    """And anew where another came in between; what raised was not made."""
    made: list[list[int]] = []
    latest = Latest[int]()

    def make(answer: list[int]) -> int:
        made.append(answer)
        return 1 // answer[0]

    for answer in ([1], [1], [2], [1]):
        assert latest.made(answer, partial(make, list(answer))) == 1 // answer[0]
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            latest.made([0], partial(make, [0]))
    assert latest.made([1], partial(make, [1])) == 1
    assert made == [[1], [2], [1], [0], [0]]


def test_an_entry_that_came_before_is_made_once() -> None:
    """And anew where it changed, or was missing in between."""
    made: list[int] = []
    known = Known[int]()

    def make(entry: dict[str, int]) -> int:
        made.append(entry["n"])
        return entry["n"]

    for answer in ([1], [1], [2], [], [2]):
        known.begin()
        for n in answer:
            assert known.made("name", {"n": n}, make) == n
    assert made == [1, 2, 2]
