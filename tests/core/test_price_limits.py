"""The exchange's own limits on prices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.exact import Price, Size
from mm_bot.core.instrument import Level, Side
from mm_bot.core.price_limits import within
from mm_bot.core.quoting import Ladder, MissingReason, Quotes, Reduction
from mm_bot.core.snapshot import PriceLimits
from tests.core.builders import SPOT


def level(side: Side, index: int, price: str) -> Level:
    at, size = Price.of(price), Size.of("10")
    return Level(side=side, index=index, price=at, size=size, notional=SPOT.notional(at, size))


WANTED = Quotes(
    ladder=Ladder(
        bids=(level(Side.BUY, 0, "1605"), level(Side.BUY, 1, "1590"), level(Side.BUY, 2, "1500")),
        asks=(
            level(Side.SELL, 0, "1560"),
            level(Side.SELL, 1, "1612"),
            level(Side.SELL, 2, "1700"),
        ),
    )
)


def test_a_price_is_moved_only_where_that_is_better_for_us() -> None:
    """A bid above the highest price and an ask below the lowest go to the limit, on the grid and
    inside; a bid below the lowest and an ask above the highest are missing with the limit; what
    lies between stays, and the move is explained."""
    limits = PriceLimits(low=Price.of("1570.005"), high=Price.of("1600.009"))
    held = within(WANTED, limits, SPOT)
    assert [(b.index, str(b.price)) for b in held.ladder.bids] == [(0, "1600"), (1, "1590")]
    assert [(a.index, str(a.price)) for a in held.ladder.asks] == [(0, "1570.01")]
    assert held.ladder.bids[0].notional == SPOT.notional(Price.of("1600"), Size.of("10"))
    assert [(m.side, m.index, m.reason) for m in held.ladder.missing] == [
        (Side.BUY, 2, MissingReason.OUTSIDE_PRICE_LIMITS),
        (Side.SELL, 1, MissingReason.OUTSIDE_PRICE_LIMITS),
        (Side.SELL, 2, MissingReason.OUTSIDE_PRICE_LIMITS),
    ]
    assert held.ladder.missing[0].numbers == (("wanted", "1500"), ("lowest", "1570.005"))
    assert [e.sentence for e in held.explanations] == [
        "1605 is beyond what the exchange takes: 1600",
        "1560 is beyond what the exchange takes: 1570.01",
    ]


def test_without_limits_all_stays() -> None:
    """No limits, and half of them, change nothing that they do not name."""
    assert within(WANTED, None, SPOT) is WANTED
    one = within(WANTED, PriceLimits(low=None, high=Price.of("1650")), SPOT)
    assert one.ladder.bids == WANTED.ladder.bids
    assert [a.index for a in one.ladder.asks] == [0, 1]
    assert one.ladder.missing[0].numbers == (("wanted", "1700"), ("highest", "1650"))
    other = within(WANTED, PriceLimits(low=Price.of("1550"), high=None), SPOT)
    assert [b.index for b in other.ladder.bids] == [0, 1]
    assert other.ladder.asks == WANTED.ladder.asks


@pytest.mark.parametrize(
    ("side", "price", "held"),
    [
        (Side.BUY, "1570", "1570"),
        (Side.BUY, "1569.99", None),
        (Side.BUY, "1600", "1600"),
        (Side.BUY, "1600.01", "1600"),
        (Side.SELL, "1600", "1600"),
        (Side.SELL, "1600.01", None),
        (Side.SELL, "1570", "1570"),
        (Side.SELL, "1569.99", "1570"),
    ],
)
def test_the_limits_themselves_are_taken(side: Side, price: str, held: str | None) -> None:
    """Of quotes, and of a forced way out of an inventory; one that is not due yet is none."""
    limits = PriceLimits(low=Price.of(1570), high=Price.of(1600))
    wanted = level(side, 0, price)
    forced = Reduction(side=side, level=wanted, life_ms=1)
    ladder = Ladder(bids=(wanted,)) if side is Side.BUY else Ladder(asks=(wanted,))
    found = within(Quotes(ladder=ladder, reduction=forced), limits, SPOT)
    (quoted,) = found.ladder.side(side) or (None,)
    assert found.reduction is not None
    assert found.reduction.level == quoted
    assert (str(quoted.price) if quoted else None) == held
    assert len(tuple(found.explanations)) == (held not in (None, price))
    waits = replace(forced, level=None)
    assert within(Quotes(ladder=ladder, reduction=waits), limits, SPOT).reduction == waits
