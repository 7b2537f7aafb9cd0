"""The touch: best prices of what the plan cannot move."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core import ledger, reference
from mm_bot.core.exact import NO_AMOUNT, NO_SIZE, Amount, Size
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import Ended, Ending, OpenOrder, Stage, Tracked
from mm_bot.core.orders import Ownership, RestingOrder
from mm_bot.core.snapshot import Snapshot
from mm_bot.core.touch import Touch, touch, unmanaged_resting
from tests.core.builders import (
    NOW_MS,
    REFERENCES,
    book,
    observation,
    open_order,
    others,
    own_orders,
    row,
    snapshot,
)

STRANGERS = (others(Side.BUY, "1596"), others(Side.SELL, "1604"), others(Side.SELL, "1603", "40"))
MINE = others(Side.BUY, "1598", order_id="mine", ours=True)


def seen(*held: str) -> Snapshot:
    """A book of strangers and of one bid of our owner; the matcher holds those of `held`."""
    shown = book(*(each for each in (*STRANGERS, MINE) if each.order_id not in held))
    away = tuple(each for each in (*STRANGERS, MINE) if each.order_id in held)
    return snapshot(venue=observation(own_orders(others=away), shown=shown))


def ledger_of(
    *known: OpenOrder, unmanaged: tuple[RestingOrder, ...] = (), ended: tuple[Ended, ...] = ()
) -> Tracked:
    return Tracked(open_orders=known, ended=ended, unmanaged=unmanaged)


def looked(at: Snapshot, tracked: Tracked | None = None, min_size: str = "0") -> Touch:
    policy = replace(REFERENCES, min_size=Size.of(min_size))
    return touch(at, reference.others(at.venue), tracked or ledger_of(), policy)


def told(found: Touch) -> tuple[dict[str, str], dict[str, str]]:
    def by_side(prices: dict[Side, object]) -> dict[str, str]:
        return {side.value: str(price) for side, price in prices.items()}

    return by_side(dict(found.every)), by_side(dict(found.firm))


def test_of_strangers_size_counts_and_of_ours_every_order() -> None:
    """The best that adds up to the least size; ours at whatever size, unless they are managed."""
    alone = {"buy": "1598", "sell": "1603"}
    assert told(looked(seen())) == (alone, alone)
    assert told(looked(seen(), min_size="41"))[0] == {"buy": "1598", "sell": "1604"}
    assert told(looked(seen(), min_size="91"))[0] == {"buy": "1598"}
    managed = replace(open_order(Side.BUY, "1598"), order_id="mine")
    without = {"buy": "1596", "sell": "1603"}
    assert told(looked(seen(), ledger_of(managed)))[0] == without
    gone = Ended(order=managed, ending=Ending.FILLED)
    assert told(looked(seen(), ledger_of(ended=(gone,))))[0] == without
    strays = (
        row(Side.BUY, "1597", ownership=Ownership.PROTECTED),
        row(Side.SELL, "1602", ownership=Ownership.PROTECTED),
    )
    assert told(looked(seen(), ledger_of(managed, unmanaged=strays)))[0] == {
        "buy": "1597", "sell": "1602"
    }  # fmt: skip
    better = (row(Side.BUY, "1595"), row(Side.SELL, "1605"))
    assert told(looked(seen(), ledger_of(unmanaged=better)))[0] == alone


def test_what_the_matcher_holds_is_there_and_a_book_that_failed_is_not() -> None:
    """Rows show what the book leaves out for a moment; a book of before says nothing of ours."""
    assert told(looked(seen("mine")))[0] == {"buy": "1598", "sell": "1603"}
    down = seen()
    venue = replace(down.venue, book=replace(down.venue.book, error="down"))
    assert told(looked(replace(down, venue=venue)))[0].get("buy") != "1598"
    venue = replace(down.venue, book=replace(down.venue.book, value=None))
    assert told(looked(replace(down, venue=venue))) == ({}, {})
    venue = replace(down.venue, orders=replace(down.venue.orders, value=None))
    assert told(looked(replace(down, venue=venue)))[0] == {"buy": "1598", "sell": "1603"}


QUOTE = open_order(Side.BUY, "1603")
"""A bid that the ask at 1603 would fill."""


@pytest.mark.parametrize(
    ("quotes", "sell"),
    [
        ((QUOTE,), "1604"),
        ((replace(QUOTE, stage=Stage.ACCEPTED),), "1604"),
        ((open_order(Side.BUY, "1602.99"),), "1603"),
        ((open_order(Side.BUY, "1602", nonce=2), QUOTE), "1604"),
        ((open_order(Side.BUY, "1604"),), None),
        ((replace(QUOTE, stage=Stage.UNKNOWN),), "1603"),
        ((replace(QUOTE, cancel_acked_ms=NOW_MS),), "1603"),
        ((replace(QUOTE, side=Side.SELL),), "1603"),
        ((), "1603"),
    ],
)
def test_an_order_about_to_fill_a_quote_of_ours_does_not_move_it(
    quotes: tuple[OpenOrder, ...], sell: str | None
) -> None:
    """Of a quote that rests, by what was read or answered, and meets it: the firm touch leaves the
    order out, the other has it."""
    every, firm = told(looked(seen(), ledger_of(*quotes)))
    assert every == {"buy": "1598", "sell": "1603"}
    assert firm.get("sell") == sell
    assert firm["buy"] == "1598"


def test_what_rests_unmanaged_adds_up_by_side() -> None:
    """Size and worth."""
    rows = (row(Side.BUY, "1500", "10"), row(Side.BUY, "1000", "5"), row(Side.SELL, "1700", "1"))
    assert unmanaged_resting(ledger_of(unmanaged=rows)) == {
        Side.BUY: (Size.of(15), Amount.of(20_000)),
        Side.SELL: (Size.of(1), Amount.of(1_700)),
    }
    tracked = ledger.track((), snapshot().venue.orders, NOW_MS, NOW_MS)
    assert unmanaged_resting(tracked) == dict.fromkeys(Side, (NO_SIZE, NO_AMOUNT))
