"""Degrading before halting: one side goes, the other stays, and it ends well inside."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.core.decide import Decision, decide
from mm_bot.core.degrade import HalfKnown, half_known
from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Instrument, Side
from mm_bot.core.memory import Accepted, Memory
from mm_bot.core.policy import Policy
from mm_bot.core.quoting import MissingReason
from mm_bot.core.reference import Reference, ReferenceSource
from mm_bot.core.remember import Report
from mm_bot.core.snapshot import BookOrder, Observation, Part
from mm_bot.strategies import founding
from tests.core.builders import (
    FUTURE,
    NOW_MS,
    POLICY,
    REFERENCES,
    RISKS,
    SPOT,
    anchor,
    balances,
    book,
    observation,
    others,
    own_orders,
    running,
    snapshot,
)
from tests.core.decisions import after, decided

LEAST = replace(RISKS, min_base=Size.of(1_000), min_quote=Amount.of(2_000_000), degrade=True)
ON = replace(POLICY, risk=LEAST)


def seen(
    base: str = "10000",
    quote: str = "100000000",
    *,
    block_age_ms: int = 0,
    anchor_age_ms: int = 0,
    memory: Memory | None = None,
    policy: Policy = ON,
) -> Decision:
    held = balances(base, quote, block_ms=NOW_MS - block_age_ms)
    venue = observation(own_orders())
    part = replace(venue.balances, value=held, as_of_ms=NOW_MS - block_age_ms)
    venue = replace(venue, balances=part)
    world = snapshot(venue=venue, quote=anchor(as_of_ms=NOW_MS - anchor_age_ms))
    return decided(world, memory or running(), policy)


def lone(
    *orders: BookOrder,
    last: str | None = "1600",
    age_ms: int = 10_000,
    degraded: tuple[str, ...] = (),
    policy: Policy = ON,
) -> Decision:
    """No anchor and no trade: the book alone, after a whole reference of `last`."""
    venue = observation(own_orders(), shown=book(*orders))
    before = None if last is None else Accepted(price=Price.of(last), at_ms=NOW_MS - age_ms)
    memory = replace(running(), last_reference=before, degraded=degraded)
    return decided(replace(snapshot(venue=venue), anchor=None), memory, policy)


def sides(decision: Decision) -> list[str]:
    return sorted(place.level.side.value for place in decision.plan.places)


def degraded(*names: str) -> Memory:
    """A bot that was so in the last cycle."""
    return replace(running(), degraded=names)


@pytest.mark.parametrize(
    ("base", "quote", "stays"),
    [
        ("1000", "2000000", ["buy", "sell"]),
        ("999.99", "2000000", ["buy"]),
        ("1000", "1999999", ["sell"]),
    ],
)
def test_a_low_balance_takes_away_the_side_that_spends_it(
    base: str, quote: str, stays: list[str]
) -> None:
    """Below its least by whatever; the other side brings it back, and nothing halts."""
    decision = seen(base, quote)
    assert sides(decision) == stays
    assert not decision.halts
    gaps = [gap for gap in decision.missing if gap.reason is MissingReason.DEGRADED]
    assert len(gaps) == 2 - len(stays)
    if gaps and gaps[0].side.value == "sell":
        assert dict(gaps[0].numbers) == {
            "cause": "base balance low",
            "available": "999.99",
            "limit": "1000",
        }


def test_both_low_halt_as_ever_and_so_does_one_where_it_is_off() -> None:
    """The founding halts stay the last step."""
    both = [halt.reason.value for halt in seen("999", "1999999").halts]
    assert both == [
        "available base balance below threshold",
        "available quote balance below threshold",
    ]
    off = replace(POLICY, risk=replace(LEAST, degrade=False))
    assert [h.reason.value for h in seen("999", policy=off).halts] == both[:1]
    assert [h.reason.value for h in seen(quote="1999999", policy=off).halts] == both[1:]


def test_each_least_is_looked_at_by_itself() -> None:
    """Without a least base the quote's still takes the bids away."""
    policy = replace(POLICY, risk=replace(LEAST, min_base=None))
    assert sides(seen("1", "1999999", policy=policy)) == ["sell"]


@pytest.mark.parametrize(
    ("base", "quote", "said"),
    [
        ("999.99", "2000000", "base balance low, so no asks: available 999.99, limit 1000"),
        ("1000", "1999999", "quote balance low, so no bids: available 1999999, limit 2000000"),
    ],
)
def test_what_is_gone_is_said(base: str, quote: str, said: str) -> None:
    """In a sentence with the numbers, for as long as it holds."""
    assert [each.sentence for each in seen(base, quote).quotes.lasting] == [said]


def test_it_ends_a_tenth_above_the_least() -> None:
    """1099 after it was low: still; 1100: both sides."""
    assert sides(seen("1099", memory=degraded("base balance low"))) == ["buy"]
    assert sides(seen("1100", memory=degraded("base balance low"))) == ["buy", "sell"]
    assert sides(seen("1099")) == ["buy", "sell"]


@pytest.mark.parametrize("source", ["balances", "anchor"])
def test_what_grows_old_leaves_the_side_that_reduces(source: str) -> None:
    """Over half of what halts only asks while long; it ends at a quarter; the whole halts."""
    limit_ms = 30_000
    limits = replace(LEAST, balances_max_age_ms=limit_ms, anchor_max_age_ms=limit_ms)
    policy = replace(POLICY, risk=limits)
    name = f"{source} growing old"

    def aged(age_ms: int, memory: Memory | None = None) -> Decision:
        if source == "balances":
            return seen(block_age_ms=age_ms, memory=memory, policy=policy)
        return seen(anchor_age_ms=age_ms, memory=memory, policy=policy)

    assert sides(aged(15_000)) == ["buy", "sell"]
    assert sides(aged(15_001)) == ["sell"]
    assert aged(15_001).degraded == (name,)
    assert sides(aged(7_501, degraded(name))) == ["sell"]
    assert sides(aged(7_500, degraded(name))) == ["buy", "sell"]
    assert [halt.reason.value for halt in aged(30_001).halts] == [
        "balances stale" if source == "balances" else "anchor data stale"
    ]


def test_the_way_back_is_to_the_target() -> None:
    """10,000 of 20,000 wanted: what grows old leaves the bids. At the target it leaves the asks,
    which risk what is there and no more."""
    for target, stays in (("20000", ["buy"]), ("10000", ["sell"]), ("10000.1", ["buy"])):
        limits = replace(LEAST, balances_max_age_ms=30_000, target=Size.of(target))
        policy = replace(POLICY, risk=limits)
        assert sides(seen(block_age_ms=15_001, policy=policy)) == stays


BID, ASK = others(Side.BUY, "1590"), others(Side.SELL, "1610")


@pytest.mark.parametrize(
    ("there", "last", "quoted"),
    [
        (BID, "1600", ("buy", "1586.02")),  # 1590 is lower: a bid of 25 bps below it
        (BID, "1580", ("buy", "1576.05")),
        (ASK, "1600", ("sell", "1614.03")),
        (ASK, "1620", ("sell", "1624.05")),
    ],
)
def test_one_side_of_others_leaves_that_side(
    there: BookOrder, last: str, quoted: tuple[str, str]
) -> None:
    """Bids alone: the price is at least theirs, so ours stays below them and below the last whole
    reference, whatever they say. Nothing halts, and the other side says why it is missing."""
    decision = lone(there, last=last)
    (place,) = decision.plan.places
    assert (place.level.side.value, str(place.level.price)) == quoted
    assert not decision.halts
    (gap,) = (gap for gap in decision.missing if gap.reason is MissingReason.DEGRADED)
    best = "best_bid" if there is BID else "best_ask"
    assert dict(gap.numbers) == {
        "cause": "no asks of others" if there is BID else "no bids of others",
        best: str(there.price),
        "last_reference": last,
        "quoted_around": str(
            min(there.price, Price.of(last)) if there is BID else max(there.price, Price.of(last))
        ),
    }


def test_the_half_is_not_enough_alone() -> None:
    """Without a whole reference before it, or one older than a last trade may be, with dust, with
    nobody there, or where it is off, it halts as founded."""
    halted = ["reference price unavailable"]
    old = REFERENCES.trade_max_age_ms + 1
    off = replace(POLICY, risk=replace(LEAST, degrade=False))
    dust = replace(POLICY, risk=LEAST, reference=replace(REFERENCES, min_size=Size.of(60)))
    for decision in (
        lone(BID, last=None),
        lone(BID, age_ms=old),
        lone(BID, policy=dust),
        lone(),
        lone(BID, policy=off),
    ):
        assert [halt.reason.value for halt in decision.halts] == halted
    assert [halt.reason.value for halt in lone(BID, age_ms=-1).halts] == halted, "not yet said"
    assert not lone(BID, age_ms=old - 1).halts
    assert not lone(BID, age_ms=0).halts


def test_half_a_price_needs_both_reads() -> None:
    """Without the table nobody knows whose an order is, without the book what else is there."""
    venue = observation(own_orders(others=(BID,)), shown=book(BID))
    seen_last = replace(running(), last_reference=Accepted(price=Price.of(1600), at_ms=NOW_MS))
    nothing = Reference(
        price=None, source=ReferenceSource.NONE, candidates=(), local=None, deviation_bps=None
    )

    def found(venue: Observation) -> HalfKnown | None:
        bids = {Side.BUY: (BID,), Side.SELL: ()}
        return half_known(nothing, snapshot(venue=venue), bids, seen_last, ON)

    assert found(venue) == HalfKnown(side=Side.BUY, best=BID.price, last=Price.of(1600))
    assert found(replace(venue, orders=Part(value=None, as_of_ms=None))) is None
    assert found(replace(venue, book=Part(value=None, as_of_ms=None))) is None


def test_nothing_is_learned_from_half_a_price() -> None:
    """The last whole reference stays what it was; a strategy's statistics see none."""
    decision = lone(BID)
    memory = after(
        decision,
        Report(),
        replace(running(), last_reference=Accepted(price=Price.of(1600), at_ms=1)),
    )
    assert memory.last_reference == Accepted(price=Price.of(1600), at_ms=1)
    whole = after(lone(BID, ASK), Report(), running())
    assert whole.last_reference == Accepted(price=Price.of(1600), at_ms=NOW_MS)


def test_the_other_side_comes_back_with_a_tenth_more_than_the_least_size() -> None:
    """Needed are 50: asks of 54.9 make a mid and no ask of ours after there were none, 55 do; in a
    book that was whole 50 are enough."""
    policy = replace(POLICY, risk=LEAST, reference=replace(REFERENCES, min_size=Size.of(50)))
    gone = ("no asks of others",)
    thin, well = others(Side.SELL, "1610", "54.9"), others(Side.SELL, "1610", "55")
    assert sides(lone(BID, thin, degraded=gone, policy=policy)) == ["buy"]
    assert lone(BID, thin, degraded=gone, policy=policy).degraded == gone
    assert sides(lone(BID, well, degraded=gone, policy=policy)) == ["buy", "sell"]
    assert sides(lone(BID, thin, policy=policy)) == ["buy", "sell"]


@pytest.mark.parametrize(
    ("low", "high", "stays"),
    [
        (None, None, ["buy", "sell"]),
        ("100", None, ["sell"]),
        (None, "5000", ["buy"]),
        ("100", "5000", ["buy", "sell"]),
    ],
)
def test_a_missing_bound_leaves_the_side_that_the_other_one_guards(
    low: str | None, high: str | None, stays: list[str]
) -> None:
    """Of a local price; an anchor is not anybody's to move."""
    lowest = None if low is None else Price.of(low)
    highest = None if high is None else Price.of(high)
    bounded = replace(REFERENCES, low=lowest, high=highest)
    policy = replace(POLICY, risk=LEAST, reference=bounded)
    decision = lone(BID, ASK, policy=policy)
    assert sides(decision) == stays
    assert sides(seen(policy=policy)) == ["buy", "sell"]
    remedy = {"sell": "MM_ANCHOR_MAX_PRICE", "buy": "MM_ANCHOR_MIN_PRICE"}.get("".join(stays))
    told = [dict(gap.numbers) for gap in decision.missing]
    assert [numbers["set"] for numbers in told] == ([remedy] if remedy else [])


def quote_seen(
    age_ms: int, *, base: str = "10000", market: Instrument = SPOT, name: str = "", on: bool = True
) -> Decision:
    """The base was read just now, the quote's balance so long ago."""
    held = replace(balances(base, "100000000"), quote_as_of_ms=NOW_MS - age_ms)
    venue = observation(own_orders())
    venue = replace(venue, balances=replace(venue.balances, value=held, as_of_ms=NOW_MS))
    limits = replace(LEAST, degrade=on, balances_max_age_ms=30_000, min_base=None, min_quote=None)
    policy = replace(POLICY, risk=limits)
    memory = degraded(name) if name else running()
    return decide(snapshot(venue=venue), memory, policy, market, founding(policy))


def test_an_old_balance_of_the_quote_alone_takes_away_what_spends_it() -> None:
    """On spot the bids, over half of what halts and without an end: the base, which the asks spend
    and which is the inventory, is fresh. It ends at a quarter. Where it is off it halts as founded.
    """
    old = "quote balance growing old"
    assert sides(quote_seen(15_000)) == ["buy", "sell"]
    decision = quote_seen(15_001)
    assert (sides(decision), decision.degraded) == (["sell"], (old,))
    (gap,) = (gap for gap in decision.missing if gap.reason is MissingReason.DEGRADED)
    assert dict(gap.numbers) == {"cause": old, "age_ms": "15001", "limit_ms": "30000"}
    assert sides(quote_seen(3_600_000)) == ["sell"]
    assert not quote_seen(3_600_000).halts
    assert sides(quote_seen(7_501, name=old)) == ["sell"]
    assert sides(quote_seen(7_500, name=old)) == ["buy", "sell"]
    assert [halt.reason.value for halt in quote_seen(30_001, on=False).halts] == ["balances stale"]
    assert not quote_seen(30_000, on=False).halts


@pytest.mark.parametrize(
    ("position", "placed"),
    [("250", [("sell", "100")]), ("-40", [("buy", "40")]), ("0", []), ("0.00001", [])],
)
def test_of_margined_orders_what_closes_the_position_stays(
    position: str, placed: list[tuple[str, str]]
) -> None:
    """What opens one spends the balance that nobody knows; and what closes more than there is
    opens the other way."""
    decision = quote_seen(15_001, base=position, market=FUTURE)
    found = [(p.level.side.value, str(p.level.size)) for p in decision.plan.places]
    assert found == placed
    assert {gap.side.value for gap in decision.missing} == {"buy", "sell"} - {s for s, _ in placed}
    causes = 2 if position == "0" else 1  # where nothing is to close, both sides would open
    assert decision.degraded == ("quote balance growing old",) * causes
