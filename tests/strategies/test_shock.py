"""A shock takes the quotes away, and calm at the new level brings them back."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_bot.core.reference import ReferenceSource
from mm_bot.strategies.trial import Asked, halts, measure, policy, seen, view
from tests.core.builders import NOW_MS

ON = policy(shock_bps="200")
SHOCK = ["price shock"]


def states(path: list[tuple[float, str | None]], asked: Asked | None = None) -> list[bool]:
    asked = asked or Asked(ON)
    return [bool(asked.quote(view(price, at_s=at_s)).halts) for at_s, price in path]


@pytest.mark.parametrize(("price", "trips"), [("1632", False), ("1632.01", True), ("1568", False)])
def test_more_than_two_percent_within_ten_seconds(price: str, trips: bool) -> None:
    """Exactly 2 % does not trip, a tick more does, both ways."""
    assert states([(0, "1600"), (5, price)]) == [False, trips]


def test_a_slow_move_is_no_shock() -> None:
    """2.25 % in 12 seconds: no two moments within the window are 2 % apart."""
    assert not any(states([(i, str(1600 + 3 * i)) for i in range(13)]))


@given(st.integers(101, 900), st.booleans())
def test_a_step_resumes_after_exactly_the_pause(bps: int, down: bool) -> None:
    """A step of any size that then stays flat: quoting again after 30 s, at the new level."""
    size = bps + 200
    new = str(1600 * (10_000 - size if down else 10_000 + size) / 10_000)
    path: list[tuple[float, str | None]] = [(0, "1600"), (1, "1600")]
    path += [(2 + i, new) for i in range(32)]
    found = states(path)
    assert found == [False, False, *[True] * 30, False, False]


def test_no_calm_no_quotes() -> None:
    """A price that swings by 0.6 % never resumes; exactly 0.5 % does not either."""
    for other in ("1659.9", "1658.25"):
        path: list[tuple[float, str | None]] = [(0, "1600")]
        path += [(1 + i, "1650" if i % 2 else other) for i in range(200)]
        assert all(states(path)[1:])


def test_a_fresh_shock_extends_the_pause() -> None:
    """The second step counts its own 30 seconds."""
    path: list[tuple[float, str | None]] = [(0, "1600"), (1, "1650")]
    path += [(2 + i, "1650") for i in range(9)] + [(11 + i, "1700") for i in range(32)]
    found = states(path)
    assert found.count(True) == 40
    assert not found[-1]


def test_a_missing_source_neither_trips_nor_resumes() -> None:
    """Without a price the pause goes on, and two samples are needed to end it."""
    path: list[tuple[float, str | None]] = [(0, "1600"), (1, "1650"), (2, None), (40, None)]
    path += [(41, "1650")]
    assert states(path) == [False, True, True, True, True]


def test_a_restart_keeps_the_pause() -> None:
    """The end of the pause is durable; the window is not needed for it."""
    asked = Asked(ON)
    states([(0, "1600"), (1, "1650")], asked)
    asked.restart()
    quotes = asked.quote(view("1650", at_s=2))
    assert halts(quotes) == SHOCK
    assert measure(quotes, "mm_bot_guard_active", "shock", "buy") == 1
    assert not any(states([(2 + i, "1650") for i in range(1, 40)], asked)[30:])


def test_a_clock_that_went_back_does_not_shorten_it() -> None:
    """A second shock under an earlier clock leaves the later end."""
    asked = Asked(ON)
    states([(100, "1600"), (101, "1650")], asked)
    asked.quote(view("1650", at_s=50))
    assert halts(asked.quote(view("1650", at_s=102))) == SHOCK


def stood_still(asked: Asked, path: list[tuple[float, float]], price: str = "1650") -> list[bool]:
    """(when, the source's own time) of each cycle."""
    found = []
    for at_s, source_s in path:
        at_ms = NOW_MS + round(source_s * 1000)
        here = seen(ReferenceSource.ANCHOR, price, at_ms)
        asked_with = replace(view(price, at_s=at_s), reference_ms=at_ms, prices=(here,))
        found.append(bool(asked.quote(asked_with).halts))
    return found


def test_a_source_that_stands_still_does_not_resume() -> None:
    """Answered in every second with the time of the shock: one sample, so no calm is known. Once it
    speaks again it must be calm for a whole pause."""
    asked = Asked(ON)
    states([(0, "1600"), (1, "1650")], asked)
    assert all(stood_still(asked, [(1.0 + i, 1.0) for i in range(100)]))
    spoke = stood_still(asked, [(101.0 + i, 100.0 + i) for i in range(31)])
    assert spoke == [True] * 30 + [False]


def test_a_feed_that_only_tells_moves_trips_by_one_of_them() -> None:
    """Its reading of 60 seconds ago was the price until now; one that was too old to use for longer
    than the window is compared with nothing."""
    asked = Asked(ON)
    assert not any(stood_still(asked, [(float(i), 0.0) for i in range(60)], "1600"))
    assert stood_still(asked, [(60.0, 59.5)], "1650") == [True]
    asked = Asked(ON)
    stood_still(asked, [(float(i), 0.0) for i in range(50)], "1600")
    asked.quote(replace(view("1600", at_s=59), prices=()))
    assert stood_still(asked, [(60.0, 60.0)], "1650") == [False]


def test_any_source_may_trip_and_the_chosen_one_must_be_calm() -> None:
    """The anchor is chosen and stands at 1600; others' mid goes from 1600 to 1650, each compared
    with itself alone: 1690 beside 1600 is no shock. A trade of our own is none either."""
    asked = Asked(ON)

    def both(at_s: float, other: str, source: ReferenceSource = ReferenceSource.BOOK) -> list[str]:
        chosen = view("1600", at_s=at_s)
        beside = seen(source, other, chosen.now_ms)
        return halts(asked.quote(replace(chosen, prices=(*chosen.prices, beside))))

    assert both(0, "1690") == []
    own = ReferenceSource.OWN_TRADE
    assert [both(at, price, own) for at, price in ((1, "1690"), (2, "1800"))] == [[], []]
    assert both(3, "1650") == SHOCK
    tripped = asked.quote(view("1600", at_s=4)).halts[0]
    assert dict(tripped.numbers) == {
        "source": "book",
        "moved_bps": "236.6864",
        "limit_bps": "200",
        "calm_in_ms": "29000",
    }
    assert all(both(4 + i, "1650") == SHOCK for i in range(1, 29))
    assert both(33, "1650") == []


def test_a_saved_end_of_another_time_is_refused_with_its_cause() -> None:
    """A day and a pause ahead is believed, a clock may go back by that; more is not, and the pause
    begins anew."""
    for ahead_ms, refused in ((86_430_000, False), (86_430_001, True)):
        asked = Asked(ON)
        asked.kept = replace(asked.kept, saved={"shock": NOW_MS + ahead_ms})
        (halt,) = asked.quote(view("1600")).halts
        assert ("refused" in dict(halt.numbers)) is refused
        assert dict(halt.numbers)["calm_in_ms"] == ("30000" if refused else str(ahead_ms))


def by_the_specification(path: list[tuple[float, str | None]]) -> list[bool]:
    """Section 2 word by word, of one source that is heard at whole seconds."""
    window: list[tuple[float, Fraction]] = []
    until: float | None = None
    found = []
    for at_s, text in path:
        now = Fraction(text or 0)
        recent = [price for s, price in window if at_s - s <= 10]
        if any(abs(now - price) * 10_000 > 200 * price for price in recent):
            until, window = max(until or 0, at_s + 30), [(at_s, now)]
        else:
            window.append((at_s, now))
            if until is not None and at_s >= until:
                last = [price for s, price in window if at_s - s <= 30]
                calm = (max(last) - min(last)) * 10_000 < 50 * min(last)
                until = None if calm and len(last) > 1 else at_s + 30
                window = [(at_s, now)] if until is None else window
        found.append(until is not None)
    return found


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(1, 25), st.sampled_from((0, 1, -3, 5, -9, 31, -32, 33, -40, 70))),
        min_size=5,
        max_size=12,
    ),
    st.sampled_from((0, 0, 2, 9)),
)
def test_every_path_is_judged_as_specified(moves: list[tuple[int, int]], swing: int) -> None:
    """Steps of up to 4 %, each held for a while, still or swinging."""
    price, at_s, path = 1600, 0, [(0.0, "1600")]
    for seconds, move in moves:
        price += move
        for _ in range(seconds):
            at_s += 1
            path.append((float(at_s), str(price + swing * (at_s % 2))))
    asked_for: list[tuple[float, str | None]] = [*path]
    assert states(asked_for) == by_the_specification(asked_for)


@pytest.mark.parametrize("step_s", [-20, 20, -3_600, 3_600])
@pytest.mark.parametrize("own_time", [True, False])
def test_a_clock_that_is_set_makes_no_source_deaf(step_s: int, own_time: bool) -> None:
    """Whether it tells its own time or that of our read: a jump in the next second trips, and what
    it told before is no news."""
    asked = Asked(ON)
    stood_still(asked, [(float(i), float(i)) for i in range(6)], "1600")
    asked.step_clock(step_s * 1000)
    before_s = 5.0 if own_time else 5.0 + step_s
    assert stood_still(asked, [(5.5 + step_s, 5.0)], "1600") == [False]
    assert stood_still(asked, [(6.0 + step_s, before_s + 1)]) == [True]
