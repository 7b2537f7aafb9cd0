"""What a decision hands on: to the strategy, to the limits, and to whoever asks what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from mm_bot.core.decide import Decision, decide
from mm_bot.core.exact import Amount, Price
from mm_bot.core.instrument import Side
from mm_bot.core.ledger import Stage
from mm_bot.core.policy import OperatorMode
from mm_bot.core.quoting import Kept, Ladder, Missing, MissingReason, Quotes, SourcePrice, View
from mm_bot.core.reference import ReferenceSource
from mm_bot.core.risk import HaltReason
from mm_bot.core.snapshot import ClockReading, Snapshot
from tests.core.builders import (
    NOW_MS,
    POLICY,
    SPOT,
    anchor,
    book,
    observation,
    open_order,
    others,
    own_orders,
    running,
    snapshot,
    trade,
)
from tests.core.decisions import decided, unread

MID = book(others(Side.BUY, "1590"), others(Side.SELL, "1612"))


@dataclass(frozen=True, slots=True)
class Looking:
    """A strategy that wants nothing and keeps what it was shown."""

    shown: list[View] = field(default_factory=list)
    levels: int = 1
    state_kinds: Mapping[str, type] = field(default_factory=dict)

    def quote(self, view: View, kept: Kept) -> Quotes:
        self.shown.append(view)
        return Quotes(ladder=Ladder())


def shown(seen: Snapshot) -> View:
    looking = Looking()
    decide(seen, running(), POLICY, SPOT, looking)
    return looking.shown[0]


def test_a_strategy_sees_every_price_that_has_a_time() -> None:
    """Each with its source's own time; a source without a price is none, and so is one that nobody
    can say the age of."""
    venue = observation(own_orders(), shown=MID, trades=(trade(1, "1605"),))
    venue = replace(venue, book=replace(venue.book, as_of_ms=NOW_MS - 7))
    seen = snapshot(venue=venue, quote=anchor("1600", as_of_ms=NOW_MS - 9))
    anchored, mid, last = (
        SourcePrice(source=source, price=Price.of(price), at_ms=NOW_MS - age_ms)
        for source, price, age_ms in (
            (ReferenceSource.ANCHOR, 1600, 9),
            (ReferenceSource.BOOK, 1601, 7),
            (ReferenceSource.TRADE, 1605, 0),
        )
    )
    assert shown(seen).prices == (anchored, mid, last)
    untimed = replace(seen, anchor=anchor("1600", as_of_ms=None))
    assert shown(untimed).prices == (mid, last)
    silent = replace(seen, anchor=anchor(None, as_of_ms=NOW_MS))
    assert shown(silent).prices == (mid, last)


def test_quotes_widen_by_what_the_sources_of_the_anchor_disagree() -> None:
    """Only while the anchor is the reference."""
    wide = Decimal(3)
    seen = snapshot(venue=observation(own_orders(), shown=MID))
    for quote, widening in (
        (replace(anchor(), widening_bps=wide), wide),
        (replace(anchor(None), widening_bps=wide), 0),
        (None, 0),
    ):
        assert shown(replace(seen, anchor=quote)).widening_bps == widening


def test_the_age_of_quotes_is_that_of_the_oldest_that_surely_rests() -> None:
    """Not of one whose outcome is unknown, nor of one that was cancelled; of none it is 0."""
    policy = replace(POLICY, risk=replace(POLICY.risk, quote_max_age_ms=60_000))
    old, older, unknown, acked = (
        open_order(Side.BUY, "1596", nonce=i, created_ms=NOW_MS - age_ms, stage=stage)
        for i, (age_ms, stage) in enumerate(
            [
                (60_001, Stage.LIVE),
                (70_000, Stage.LIVE),
                (80_000, Stage.UNKNOWN),
                (90_000, Stage.LIVE),
            ]
        )
    )
    acked = replace(acked, cancel_acked_ms=NOW_MS)
    for known, age_ms in (((old, unknown, acked), 60_001), ((older, old), 70_000)):
        memory = replace(running(*known), orders_read_ms=NOW_MS)
        (halt,) = decided(unread(snapshot()), memory, policy).halts
        assert halt.reason is HaltReason.QUOTE_AGE
        assert dict(halt.numbers)["age_ms"] == str(age_ms)
    memory = replace(running(unknown, acked), orders_read_ms=NOW_MS)
    assert not decided(unread(snapshot()), memory, policy).halts
    none = replace(policy, risk=replace(policy.risk, quote_max_age_ms=0))
    assert not decided(snapshot(), running(), none).halts


def test_the_open_notional_is_the_larger_sides() -> None:
    """Of all that may be live; a cancelled order is not."""
    bids = [open_order(Side.BUY, "1000", "2", nonce=n) for n in (1, 2)]
    ask = open_order(Side.SELL, "1000", "3", nonce=3)
    acked = replace(open_order(Side.SELL, "1000", "9", nonce=4), cancel_acked_ms=NOW_MS)
    for known, worth in (((*bids, ask, acked), 4_000), ((bids[0], ask), 3_000), ((acked,), 0)):
        memory = replace(running(*known), orders_read_ms=NOW_MS)
        assert decided(unread(snapshot()), memory).open_notional == Amount.of(worth)


@pytest.mark.parametrize(
    ("mode", "sides"),
    [
        (OperatorMode.NORMAL, [Side.BUY, Side.SELL]),
        (OperatorMode.BID_ONLY, [Side.BUY]),
        (OperatorMode.PAUSE, []),
    ],
)
def test_a_halt_is_why_each_wanted_side_is_missing(mode: OperatorMode, sides: list[Side]) -> None:
    """A side that the mode does not want is none."""
    halted = decided(replace(snapshot(), kill_switch=True), policy=replace(POLICY, mode=mode))
    assert [(gap.side, gap.reason) for gap in halted.missing] == [
        (side, MissingReason.HALTED) for side in sides
    ]


def refused(*clocks: ClockReading) -> Decision:
    """The bid's slot was refused a moment ago, the ask's cannot be filled for another reason."""
    memory = replace(running(), refused_until_ms={(Side.BUY, 0): NOW_MS + 1})
    crossing = others(Side.BUY, "1610")
    venue = replace(observation(own_orders(), shown=book(crossing)), clocks=clocks)
    return decided(snapshot(venue=venue), memory)


def test_a_refusal_while_clocks_differ_is_told_as_theirs() -> None:
    """With the first clock that is off and by how much; other gaps, and a refusal while all agree,
    keep their reason."""
    agrees, ahead = ClockReading(name="chain", ahead_ms=0), ClockReading(name="api", ahead_ms=9_999)
    (gap,) = (g for g in refused(agrees, ahead).missing if g.side is Side.BUY)
    assert (gap.reason, gap.numbers) == (
        MissingReason.CLOCK_OFF,
        (("clock", "api"), ("ahead_ms", "9999")),
    )
    for clocks in ((), (agrees,)):
        (gap,) = (g for g in refused(*clocks).missing if g.side is Side.BUY)
        assert gap == Missing(side=Side.BUY, index=0, reason=MissingReason.REFUSED_RECENTLY)
    unread_too = unread(snapshot(venue=replace(observation(own_orders()), clocks=(ahead,))))
    memory = replace(running(), orders_read_ms=NOW_MS)
    told = {gap.reason for gap in decided(unread_too, memory).missing}
    assert told == {MissingReason.ORDERS_UNREAD}
