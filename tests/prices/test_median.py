"""Claims about the median and about prices made from other prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Price
from mm_bot.prices.build import build_guarded
from mm_bot.prices.combine import InvertedSource, InvertSpec, MultiplySpec, ProductSource
from mm_bot.prices.expression import parse_expression
from mm_bot.prices.fixed import FixedSpec
from mm_bot.prices.guarded import Guard, Guarded, GuardPolicy
from mm_bot.prices.median import (
    MedianSource,
    MedianSpec,
    Member,
    MemberSpec,
    Vote,
    disagreement_bps,
    weighted_median,
)
from mm_bot.prices.runner import AnchorRunner
from mm_bot.prices.source import AnchorError, Reading, RejectReason
from mm_bot.prices.spec import SourceContext, SourceSpec
from mm_bot.prices.witness import deviation_bps
from tests.prices.support import NOW_MS, OPEN_GUARD, ManualClock, ScriptedSource, reading, run

Script = Sequence[Reading | Exception]
DOWN = AnchorError("inner", RejectReason.TIMEOUT, "no answer in 5 ms")


def read_median(
    scripts: dict[str, Script],
    *,
    quorum: int = 2,
    weights: dict[str, str] | None = None,
    outlier_bps: str = "100",
) -> Reading:
    async def scenario() -> Reading:
        clock = ManualClock()
        members = []
        for name, script in scripts.items():
            guarded = Guarded(
                ScriptedSource(*script), OPEN_GUARD, timeout_ms=5_000, clock=clock, name=name
            )
            runner = AnchorRunner(guarded, interval_ms=0, clock=clock, random=lambda: 0.0)
            weight = Decimal((weights or {}).get(name, "1"))
            members.append(Member(runner=runner, weight=weight, max_age_ms=60_000))
        median = MedianSource(members, quorum=quorum, outlier_bps=Decimal(outlier_bps), clock=clock)
        try:
            return await median.read()
        finally:
            await median.aclose()

    return run(scenario())


def test_the_middle_of_three_and_how_far_they_are_apart() -> None:
    """The widening is the distance of the furthest one, rounded up."""
    got = read_median(
        {"a": [reading("1600")], "b": [reading("1601")], "c": [reading("1604")]}, quorum=3
    )
    assert got.price == Price.of(1601)
    assert got.widening_bps == Decimal("18.74")  # 3 of 1601 is 18.738...
    assert got.used == ("a", "b", "c")
    assert got.refused == ()


def test_an_outlier_is_dropped_and_named() -> None:
    """And no longer counts for the median, the widening or the quorum."""
    script: dict[str, Script] = {
        "a": [reading("1600")],
        "b": [reading("1602")],
        "mad": [reading("3200")],
    }
    got = read_median(script)
    assert got.price == Price.of(1601)
    assert got.used == ("a", "b")
    assert [(e.source, e.refusal) for e in got.refused] == [("mad", RejectReason.OUTLIER)]
    with pytest.raises(AnchorError, match="needs 3; mad: outlier") as caught:
        read_median(script, quorum=3)
    assert caught.value.refusal is RejectReason.NO_QUORUM


def test_members_without_a_fresh_value_are_named_with_their_reason() -> None:
    """A quorum of fresh ones is enough; without one there is no price."""
    script: dict[str, Script] = {
        "a": [reading("1600")],
        "b": [reading("1602")],
        "down": [DOWN],
        "old": [reading("1601", NOW_MS - 60_001)],
    }
    got = read_median(script)
    assert got.used == ("a", "b")
    assert [(e.source, e.refusal) for e in got.refused] == [
        ("down", RejectReason.TIMEOUT),
        ("old", RejectReason.STALE),
    ]
    with pytest.raises(AnchorError, match=r"2 of 4, needs 3; down: timeout.*old: too old"):
        read_median(script, quorum=3)


def test_two_sources_that_contradict_each_other_are_no_price() -> None:
    """Nobody knows which one is right, so neither is taken."""
    with pytest.raises(AnchorError) as caught:
        read_median({"a": [reading("1600")], "b": [reading("2000")]})
    assert caught.value.refusal is RejectReason.NO_QUORUM


def test_weights_move_the_middle() -> None:
    """The source that carries most of the weight is the median."""
    script: dict[str, Script] = {
        "a": [reading("1600")],
        "b": [reading("1601")],
        "c": [reading("1602")],
    }
    assert read_median(script, weights={"c": "5"}).price == Price.of(1602)
    assert read_median(script, weights={"a": "2"}).price == Price.of("1600.5")


def test_the_time_is_that_of_the_quorums_oldest() -> None:
    """Two are needed, so it is as fresh as the second newest."""
    got = read_median(
        {
            "a": [reading("1600", NOW_MS - 1)],
            "b": [reading("1600", NOW_MS - 500)],
            "c": [reading("1600", NOW_MS - 50_000)],
        }
    )
    assert got.as_of_ms == NOW_MS - 500


votes = st.lists(
    st.tuples(st.decimals("1", "2000", places=4), st.integers(1, 9)), min_size=1, max_size=9
).map(
    lambda drawn: [
        Vote(name=str(index), price=Price(price), weight=Decimal(weight), as_of_ms=0, max_age_ms=0)
        for index, (price, weight) in enumerate(drawn)
    ]
)


@given(votes)
def test_the_median_has_half_of_the_weight_on_either_side(drawn: list[Vote]) -> None:
    """Rule 2 and 3: and lies within the prices, and the widening covers all of them."""
    middle = weighted_median(drawn)
    total = sum(vote.weight for vote in drawn)
    assert sum(v.weight for v in drawn if v.price < middle) * 2 <= total
    assert sum(v.weight for v in drawn if v.price > middle) * 2 <= total
    assert min(v.price for v in drawn) <= middle <= max(v.price for v in drawn)
    widest = disagreement_bps(drawn, middle)
    assert all(deviation_bps(v.price, middle) <= widest for v in drawn)


@given(votes)
def test_the_order_of_the_sources_does_not_matter(drawn: list[Vote]) -> None:
    """The same values give the same median."""
    assert weighted_median(list(reversed(drawn))) == weighted_median(drawn)


def fixed(price: str) -> FixedSpec:
    return FixedSpec(price=Price.of(price))


def price_of(spec: SourceSpec) -> Price:
    source = build_guarded(spec, OPEN_GUARD, 1_000, SourceContext(clock=ManualClock()))

    async def scenario() -> Price:
        try:
            return (await source.read()).price
        finally:
            await source.aclose()

    return run(scenario())


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("a", "0.000625"),
        ("invert(a)", "1600"),
        (" invert ( a ) ", "1600"),
        ("multiply(b, c)", "1599.84"),
        ("invert(invert(b))", "1600"),
        ("invert(multiply(a, invert(d)))", "4800"),
        ("multiply(invert(a),multiply(c,c))", "1599.680016"),
    ],
)
def test_expressions_are_computed_as_written(text: str, price: str) -> None:
    """Inner inverses keep 18 decimals: 0.000625 / 3 inverted is 4800, not 4807.69."""
    sources: dict[str, SourceSpec] = {
        "a": fixed("0.000625"),
        "b": fixed("1600"),
        "c": fixed("0.9999"),
        "d": fixed("3"),
    }
    assert price_of(parse_expression(text, sources)) == Price.of(price)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "ends where"),
        ("x", "'x' is no source; there are a"),
        ("invert a", "after the end|no source"),
        ("invert(a", "ends where"),
        ("invert(a))", "after the end"),
        ("invert(a, a)", "',' where '\\)' is due"),
        ("multiply(a)", "'\\)' where ',' is due"),
        ("divide(a, a)", "no operator"),
        ("a + a", "'\\+' at 2"),
        ("invert(" * 20 + "a" + ")" * 20, "nested deeper"),
    ],
)
def test_a_wrong_expression_says_what_would_be_right(text: str, fault: str) -> None:
    """It stops the process with the settings' other faults."""
    with pytest.raises(ValueError, match=fault):
        parse_expression(text, {"a": fixed("1")})


def product(
    left: Reading | Exception, right: Reading | Exception, max_age_ms: int | None = 60_000
) -> ProductSource:
    sides = (ScriptedSource(left), ScriptedSource(right))
    return ProductSource(*sides, max_age_ms=max_age_ms, clock=ManualClock())


def test_a_combined_price_is_as_old_as_its_oldest_part() -> None:
    """Where only one side tells a time, it is that one's."""

    async def as_of(left: int | None, right: int | None) -> int | None:
        return (await product(reading("2", left), reading("2", right)).read()).as_of_ms

    assert run(as_of(5, 3)) == 3
    assert run(as_of(None, 3)) == 3
    assert run(as_of(None, None)) is None


HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("feed_age_ms", "other_age_ms", "age_ms", "limit_ms"),
    [
        (HOUR_MS, 1_000, 1_000, 60_000),
        (4 * HOUR_MS - 30_000, 1_000, 4 * HOUR_MS - 30_000, 4 * HOUR_MS),
        (4 * HOUR_MS + 1, 1_000, 4 * HOUR_MS + 1, 4 * HOUR_MS),
        (HOUR_MS, 60_001, 60_001, 60_000),
        (HOUR_MS, None, HOUR_MS, 4 * HOUR_MS),
    ],
)
def test_a_combined_price_has_the_limit_of_the_part_that_is_stale_first(
    feed_age_ms: int, other_age_ms: int | None, age_ms: int, limit_ms: int
) -> None:
    """A feed that may be four hours old times data that may be a minute old: no time is moved,
    and the guard refuses the product as soon as either part is too old, with that part's numbers.
    A side that tells no time is as new as the read."""
    feed = replace(reading("2", NOW_MS - feed_age_ms), max_age_ms=4 * HOUR_MS)
    other = reading("3", None if other_age_ms is None else NOW_MS - other_age_ms)
    if other_age_ms is None:  # it would be fresh for a minute, the feed for hours
        other = replace(other, max_age_ms=5 * HOUR_MS)
    got = run(product(feed, other).read())
    assert (got.as_of_ms, got.max_age_ms) == (NOW_MS - age_ms, limit_ms)
    guard = Guard("p", GuardPolicy(max_age_ms=60_000, max_deviation_bps=None))
    if age_ms <= limit_ms:
        assert guard.admit(got, read_ms=NOW_MS, now_ms=NOW_MS).price == Price.of(6)
        return
    with pytest.raises(AnchorError, match=f"too old: {age_ms} ms, limit {limit_ms} ms"):
        guard.admit(got, read_ms=NOW_MS, now_ms=NOW_MS)


def test_an_answer_that_a_cache_gave_is_as_old_in_a_product() -> None:
    """An hour in a cache is an hour, whatever the other side says."""
    cached = Reading(price=Price.of(2), as_of_ms=None, age_ms=HOUR_MS)
    got = run(product(cached, reading("3", NOW_MS)).read())
    assert (got.as_of_ms, got.age_ms, got.max_age_ms) == (None, HOUR_MS, 60_000)


def test_a_part_that_goes_back_in_time_is_refused_in_a_product() -> None:
    """Two backends of the feed, one a round behind: older than accepted, though the other part is
    the one that is stale first; and a part that becomes the first to be stale is no step back."""
    guard = Guard("p", GuardPolicy(max_age_ms=60_000, max_deviation_bps=None))

    def admit(feed_left_ms: int, other_at_ms: int) -> Reading:
        feed = replace(reading("2", NOW_MS - 4 * HOUR_MS + feed_left_ms), max_age_ms=4 * HOUR_MS)
        got = run(product(feed, reading("3", other_at_ms)).read())
        return guard.admit(got, read_ms=NOW_MS, now_ms=NOW_MS)

    assert admit(50_000, NOW_MS - 20_000).max_age_ms == 60_000  # the other: 40 s are left
    assert admit(50_000, NOW_MS).max_age_ms == 4 * HOUR_MS  # the feed: 50 s are left
    with pytest.raises(AnchorError, match="older than accepted: by 10000 ms"):
        admit(40_000, NOW_MS)


def test_a_part_that_fails_fails_the_whole() -> None:
    """With the part's own reason; zero has no inverse."""
    with pytest.raises(AnchorError, match="no answer in 5 ms"):
        run(product(reading("2"), DOWN).read())
    with pytest.raises(AnchorError) as caught:
        run(InvertedSource(ScriptedSource(reading("0"))).read())
    assert caught.value.refusal is RejectReason.NOT_POSITIVE


def test_a_median_is_built_from_its_description() -> None:
    """Members of any kind, also expressions, each behind its own guard."""
    guard = GuardPolicy(max_age_ms=60_000, max_deviation_bps=None, high=Price.of(10_000))
    members = (
        MemberSpec(name="one", source=fixed("1600"), guard=guard),
        MemberSpec(name="two", source=InvertSpec(of=fixed("0.000625")), guard=guard),
        MemberSpec(
            name="three",
            source=MultiplySpec(left=fixed("1600"), right=fixed("1600")),
            guard=guard,
        ),
    )
    spec = MedianSpec(
        members=members, quorum=2, outlier_bps=Decimal(50), interval_ms=1_000, timeout_ms=1_000
    )

    async def scenario() -> Reading:
        source = spec.build(SourceContext(clock=ManualClock()))
        try:
            return await source.read()
        finally:
            await source.aclose()

    got = run(scenario())
    assert got.price == Price.of(1600)
    assert got.used == ("one", "two")
    assert [(e.source, e.refusal) for e in got.refused] == [("three", RejectReason.IMPLAUSIBLE)]
