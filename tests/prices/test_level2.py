"""Claims about the level-2 book, against a model."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Price
from mm_bot.prices.level2 import Level2Book
from mm_bot.prices.source import AnchorError
from tests.prices.streams import update

prices = st.integers(1, 40)
changes = st.lists(st.tuples(st.sampled_from(["bid", "offer"]), prices, st.integers(0, 2)))


@given(st.lists(changes, max_size=8))
def test_the_book_is_that_of_a_simple_model(messages: list[list[tuple[str, int, int]]]) -> None:
    """Whatever the updates: best of the levels whose last quantity was not 0."""
    book, model = Level2Book("c", "P"), {"bid": dict[int, int](), "offer": dict[int, int]()}
    for sequence, message in enumerate(messages):
        if sequence == 0:
            model = {"bid": {}, "offer": {}}
        for side, price, quantity in message:
            model[side][price] = quantity
        updates = [update(side, str(price), str(quantity)) for side, price, quantity in message]
        kind = "update" if sequence else "snapshot"
        event = {"type": kind, "product_id": "P", "updates": updates}
        text = {"channel": "l2_data", "sequence_num": sequence + 7, "events": [event]}
        book.take(json.loads(json.dumps(text)))
    bids, offers = ([p for p, q in model[side].items() if q] for side in ("bid", "offer"))
    if not messages:
        assert book.reading() is None
    elif not bids or not offers:
        with pytest.raises(AnchorError, match="one-sided"):
            book.reading()
    elif max(bids) >= min(offers):
        with pytest.raises(AnchorError, match="crossed"):
            book.reading()
    else:
        reading = book.reading()
        assert reading is not None
        assert reading.price == Price((Decimal(max(bids)) + Decimal(min(offers))) / 2)
