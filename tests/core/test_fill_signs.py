"""The lower signs of fills: what an order lost, what the stream shows, how the inventory moved."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from mm_bot.core.decide import Decision
from mm_bot.core.exact import Size
from mm_bot.core.fill_signs import Signs, disagreements, signs
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import Stage
from mm_bot.core.memory import Memory
from mm_bot.core.orders import OrderId, OrderStatus, RestingOrder
from mm_bot.core.snapshot import Fill, Part, Trade
from tests.core.builders import (
    SPOT,
    balances,
    fill,
    observation,
    open_order,
    own_orders,
    row,
    running,
    snapshot,
    trade,
)
from tests.core.decisions import decided, unread

BID, ASK = open_order(Side.BUY, "1600", nonce=1), open_order(Side.SELL, "1604", nonce=2)
RESTING = (row(Side.BUY, "1600", nonce=1), row(Side.SELL, "1604", nonce=2))
KNOWN = replace(running(BID, ASK), fill_totals=replace(running().fill_totals, cursor=0))
FIRST = -1
"""The newest trade before any was seen."""


def saw(
    *rows: RestingOrder,
    fills: tuple[Fill, ...] = (),
    trades: tuple[Trade, ...] = (),
    base: str = "10000",
    memory: Memory = KNOWN,
) -> Decision:
    read = own_orders(*rows, fills=fills)
    venue = observation(read, trades=trades, holdings=balances(base))
    return decided(snapshot(venue=venue), memory)


def told(decision: Decision, memory: Memory = KNOWN, newest_trade: int = FIRST) -> Signs:
    return signs(memory, decision, SPOT, newest_trade)


def test_the_state_of_an_order_tells_once_what_it_lost() -> None:
    """A live order with less left, or filled, is a sign of its side; one that rests as it did, was
    never read as live, was cancelled or was not read is none."""
    bid, ask = RESTING
    half = replace(bid, size=Size.of(50), notional=SPOT.notional(bid.price, Size.of(50)))
    filled = replace(ask, status=OrderStatus.FILLED)
    assert told(saw(bid, ask)) == Counter()
    assert told(saw(half, ask)) == {("order_state", Side.BUY): 1}
    assert told(saw(bid, filled)) == {("order_state", Side.SELL): 1}
    assert told(saw(half, filled)) == {("order_state", Side.BUY): 1, ("order_state", Side.SELL): 1}
    assert told(saw(bid, replace(ask, status=OrderStatus.CANCELLED))) == Counter()
    assert told(saw(bid)) == Counter()
    accepted = running(replace(BID, stage=Stage.ACCEPTED))
    assert told(saw(half, memory=accepted), accepted) == Counter()
    assert told(decided(unread(snapshot()), KNOWN)) == Counter()


def test_an_order_named_by_nobodys_convention_has_no_side_to_tell() -> None:
    """The side of a sign is what the id says, and an id that says none is left out."""
    memory = running(replace(BID, order_id="by-hand"))
    filled = replace(RESTING[0], order_id="by-hand", status=OrderStatus.FILLED)
    assert told(saw(filled, memory=memory), memory) == Counter()


def test_the_stream_tells_each_new_trade_of_ours_on_either_side_of_it() -> None:
    """As maker and as taker, in this market alone, and only of trades newer than the last seen;
    before any was seen all of them are old."""
    buy, sell = BID.order_id, ASK.order_id
    elsewhere = str(OrderId("OTHER-SPOT", Side.BUY, 1))
    stream = (
        replace(trade(9, "1600"), maker_order_id=buy, taker_order_id="other"),
        replace(trade(8, "1600"), maker_order_id=elsewhere, taker_order_id=sell),
        replace(trade(7, "1600"), maker_order_id=sell, taker_order_id=buy),
        replace(trade(1, "1600"), maker_order_id=buy, taker_order_id="other"),
    )
    seen = saw(*RESTING, trades=stream)
    by_newest = {newest: told(seen, newest_trade=newest) for newest in (FIRST, 0, 1, 7, 8, 9)}
    counts = {
        newest: (found["trade_stream", Side.BUY], found["trade_stream", Side.SELL])
        for newest, found in by_newest.items()
    }
    assert counts == {FIRST: (0, 0), 0: (3, 2), 1: (2, 2), 7: (1, 1), 8: (1, 0), 9: (0, 0)}
    venue = replace(seen.snapshot.venue, trades=Part(value=None, as_of_ms=None, error="down"))
    down = decided(replace(seen.snapshot, venue=venue), KNOWN)
    assert told(down, newest_trade=0) == Counter()


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        ("100", "101", {("inventory_delta", Side.BUY): 1}),
        ("100", "99.5", {("inventory_delta", Side.SELL): 1}),
        ("-1", "-0.5", {("inventory_delta", Side.BUY): 1}),
        ("100", "100", {}),
        (None, "100", {}),
    ],
)
def test_the_inventory_tells_which_way_it_moved(
    before: str | None, now: str, moved: dict[tuple[str, Side], int]
) -> None:
    """Once a cycle, however far; never before there is one to compare with."""
    memory = replace(KNOWN, inventory=None if before is None else Size.of(before))
    seen = saw(*RESTING, base=now, memory=memory)
    assert told(seen, memory) == moved
    part = replace(seen.snapshot.venue.balances, value=None)
    unknown = replace(seen.snapshot, venue=replace(seen.snapshot.venue, balances=part))
    assert told(decided(unknown, memory), memory) == Counter()


def test_an_order_that_lost_more_or_less_than_its_fills_say_is_named() -> None:
    """Both numbers, in what the exchange counts orders in; where it tells orders and fills at two
    moments, a difference says nothing."""
    bid, ask = RESTING
    half = replace(bid, size=Size.of(50), notional=SPOT.notional(bid.price, Size.of(50)))
    filled = replace(ask, status=OrderStatus.FILLED)
    twice = (
        fill(1, Side.BUY, "1600", "30", order_id=bid.order_id),
        fill(2, Side.BUY, "1600", "20", order_id=bid.order_id),
    )
    whole = fill(3, Side.SELL, "1604", "100", order_id=ask.order_id)
    assert disagreements(KNOWN, saw(half, filled, fills=(*twice, whole)), SPOT) == ()
    late = saw(half, filled, fills=twice[:1])
    assert disagreements(KNOWN, late, SPOT) == (
        f"{bid.order_id}: its row lost 80000, its fills say 48000",
        f"{ask.order_id}: its row lost 160400, its fills say 0",
    )
    apart = replace(SPOT, capabilities=replace(SPOT.capabilities, fills_with_orders=False))
    assert disagreements(KNOWN, late, apart) == ()
