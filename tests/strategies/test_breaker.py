"""What trading lost today stops it, and a restart grants no new budget."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Amount, Size
from mm_bot.core.fills import FillTotals, count
from mm_bot.core.instrument import Side
from mm_bot.core.quoting import Quotes
from mm_bot.strategies.trial import Asked, halts, measure, policy, view
from tests.core.builders import NOW_MS, SPOT, fill

DAY_S = 86_400
ON = policy(max_daily_loss="1000")


def bought(size: str, price: str) -> FillTotals:
    """Totals that bought so much, and nothing else."""
    worth = Amount.of(Decimal(size) * Decimal(price))
    return FillTotals(position=Size.of(size), cash=-worth, cost=worth)


def test_a_loss_trips_a_gain_and_a_deposit_do_not() -> None:
    """100 USDC bought at 1600 and worth 10 less each: 1,000 lost. A deposit changes nothing."""
    asked = Asked(ON)
    assert not asked.quote(view("1600", base="0")).halts
    held = bought("100", "1600")
    assert not asked.quote(view("1600", at_s=1, base="5000", fill_totals=held)).halts
    assert not asked.quote(view("1590.01", at_s=2, base="200", fill_totals=held)).halts
    quotes = asked.quote(view("1590", at_s=3, base="200", fill_totals=held))
    assert measure(quotes, "mm_bot_daily_pnl") == -1000
    assert halts(quotes) == ["breaker cooldown"]


def test_the_loss_holds_until_the_next_day() -> None:
    """After the cooldown the loss is still there; a new day has a new budget."""
    asked = Asked(ON)
    held = bought("200", "1600")
    asked.quote(view("1600", base="0"))
    path = [(1, "1590"), (200, "1590"), (302, "1590"), (900, "1600")]
    found = [halts(asked.quote(view(p, at_s=s, base="200", fill_totals=held))) for s, p in path]
    assert found == [["breaker cooldown"]] * 2 + [["daily loss limit"]] * 2
    tomorrow = asked.quote(view("1590", at_s=DAY_S, base="200", fill_totals=held))
    assert not tomorrow.halts
    assert measure(tomorrow, "mm_bot_daily_pnl") == 0


def test_with_cooldown_it_resumes_with_a_new_budget_a_few_times() -> None:
    """Two trips a day: the second one holds until the next."""
    asked = Asked(policy(max_daily_loss="1000", breaker_resume="cooldown", breaker_max_trips="2"))
    held, at_s, price = bought("200", "1600"), 0, 1600
    asked.quote(view("1600", base="0"))
    found = []
    for _ in range(3):
        at_s, price = at_s + 1, price - 10
        found.append(
            bool(asked.quote(view(str(price), at_s=at_s, base="200", fill_totals=held)).halts)
        )
        at_s += 301
        found.append(
            bool(asked.quote(view(str(price), at_s=at_s, base="200", fill_totals=held)).halts)
        )
    assert found == [True, False, True, True, True, True]


@given(
    st.lists(
        st.tuples(
            st.sampled_from((1, 60, 300, 301, 40_000)),
            st.integers(1560, 1640),
            st.integers(-50, 50),
        ),
        min_size=2,
        max_size=12,
    ),
    st.sets(st.integers(0, 11), max_size=3),
    st.sampled_from(("next_day", "cooldown")),
)
def test_a_restart_at_any_point_changes_no_halt(
    path: list[tuple[int, int, int]], restarts: set[int], resume: str
) -> None:
    """The same world with and without restarts, over days too: the same halts in every cycle."""
    chosen = policy(max_daily_loss="1000", breaker_resume=resume, breaker_max_trips="2")
    one, other = Asked(chosen), Asked(chosen)
    at_s, fill_totals, found = 0, FillTotals(), []
    for i, (wait_s, price, size) in enumerate(path):
        at_s += wait_s
        fill_totals = replace(
            fill_totals,
            position=fill_totals.position + Size.of(size),
            cash=fill_totals.cash - Amount.of(size * price),
        )
        if i in restarts:
            other.restart()
        seen = view(str(price), at_s=float(at_s), base="0", fill_totals=fill_totals)
        found.append((halts(one.quote(seen)), halts(other.quote(seen))))
    assert all(left == right for left, right in found)


@given(
    st.lists(
        st.tuples(st.sampled_from((-400, -5, 1, 200, 400, 50_000)), st.integers(1500, 1700)),
        min_size=3,
        max_size=12,
    )
)
def test_two_trips_never_shorten_the_cooldown(path: list[tuple[int, int]]) -> None:
    """Whatever the clock of the views says: the end on disk only grows."""
    asked = Asked(policy(max_daily_loss="1000", breaker_resume="cooldown", breaker_max_trips="99"))
    at_s, ends, held = 0, [0], bought("100", "1600")
    for wait_s, price in path:
        at_s = max(0, at_s + wait_s)
        quotes = asked.quote(view(str(price), at_s=at_s, base="100", fill_totals=held))
        saved = quotes.kept.durable["breaker"]
        assert isinstance(saved, dict)
        ends.append(saved["halted_until_ms"])
    assert ends == sorted(ends)


@given(st.lists(st.tuples(st.integers(1500, 1700), st.integers(-9, 9)), min_size=2, max_size=20))
def test_the_days_add_up_to_the_whole(path: list[tuple[int, int]]) -> None:
    """Four looks a day, the last one in its last second and the first in the next day's first, at
    the same price: the days' results are what all of it earned."""
    asked, fill_totals, days = Asked(policy(max_daily_loss="1000000")), FillTotals(), Decimal(0)
    price = 0
    start_s = DAY_S - (NOW_MS // 1000) % DAY_S
    for day, (price, size) in enumerate(path):
        traded = Amount.of(size * (price + 1))
        position = fill_totals.position + Size.of(size)
        seen: list[Quotes] = []
        for second in (0, DAY_S - 1):
            if second:
                fill_totals = replace(
                    fill_totals, position=position, cash=fill_totals.cash - traded
                )
            at_s = start_s + day * DAY_S + second
            opens = path[day - 1][0] if day and not second else price
            base = str(fill_totals.position)
            seen.append(
                asked.quote(view(str(opens), at_s=at_s, base=base, fill_totals=fill_totals))
            )
        assert measure(seen[0], "mm_bot_daily_pnl") == 0
        days += measure(seen[1], "mm_bot_daily_pnl") or 0
    assert days == fill_totals.cash.value + fill_totals.position.value * price


def test_a_loss_in_dollars_is_held_against_the_reference() -> None:
    """10 USD at 1590 are 15,900: not before."""
    asked = Asked(policy(max_daily_loss_usd="10"))
    asked.quote(view("1600", base="0"))
    for size, trips in (("1589", False), ("1590", True)):
        quotes = asked.quote(view("1590", at_s=1, base="0", fill_totals=bought(size, "1600")))
        assert bool(quotes.halts) is trips


def test_no_reference_at_midnight_keeps_the_old_base() -> None:
    """The base rolls with the first reference of the day, and never back."""
    asked = Asked(ON)
    asked.quote(view("1600", base="0"))
    held = bought("100", "1600")
    asked.quote(view(None, at_s=DAY_S, base="0", fill_totals=held))
    rolled = asked.quote(view("1595", at_s=DAY_S + 60, base="0", fill_totals=held))
    assert measure(rolled, "mm_bot_daily_pnl") == 0
    back = asked.quote(view("1590", at_s=DAY_S - 60, base="0", fill_totals=held))
    assert measure(back, "mm_bot_daily_pnl") == 0, "q0 is what the day began with"


@given(st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 9)), min_size=1, max_size=6))
def test_the_result_is_realised_plus_unrealised(fills: list[tuple[Side, int]]) -> None:
    """With no stock at the start, the day's result is the totals' own."""
    asked = Asked(ON)
    start = FillTotals(cursor=0)
    asked.quote(view("1600", base="0", fill_totals=start))
    rows = [fill(i + 1, side, "1598", str(n)) for i, (side, n) in enumerate(fills)]
    fill_totals, _ = count(start, rows, len(rows), 0)
    quotes = asked.quote(view("1603", at_s=1, base="0", fill_totals=fill_totals))
    price = view("1603").reference
    assert price is not None
    whole = fill_totals.realised + fill_totals.unrealised(SPOT, price)
    assert measure(quotes, "mm_bot_daily_pnl") == whole.value


def test_a_saved_state_that_makes_no_sense_holds_the_safe_side() -> None:
    """As long as a trip would, and then it counts from there."""
    asked = Asked(ON)
    asked.quote(view("1600", base="0"))
    asked.restart()
    asked.kept = replace(asked.kept, saved={"breaker": {"day": "never"}})
    quotes = asked.quote(view("1600", at_s=1, base="0"))
    assert halts(quotes) == ["breaker cooldown"]
    assert dict(quotes.halts[0].numbers)["refused"].startswith("the state file's breaker cannot")
    assert not asked.quote(view("1600", at_s=302, base="0")).halts


@pytest.mark.parametrize(("days", "refused"), [(1, False), (2, True)])
def test_a_saved_day_of_another_time_is_refused_with_its_cause(days: int, refused: bool) -> None:
    """A clock that was two days ahead does not keep its base, and its halt, until then; it holds as
    after a loss and says why."""
    asked = Asked(ON)
    asked.quote(view("1600", at_s=days * DAY_S, base="0"))
    asked.restart()
    found = asked.quote(view("1600", base="0")).halts
    assert bool(found) is refused
    if refused:
        assert "set the clock by NTP" in dict(found[0].numbers)["refused"]
        assert not asked.quote(view("1600", at_s=301, base="0")).halts


def test_revaluing_the_stock_that_is_wanted_is_no_loss() -> None:
    """Half of everything is wanted in base and is: a fall by a quarter loses nothing of trading;
    100 more than wanted lose what those 100 do."""
    cash = "16000000"
    for held, pnl in (("10000", 0), ("10200", -40_000)):
        asked = Asked(policy(max_daily_loss="100000", target_base_pct="50"))
        asked.quote(view("1600", base=held, cash=cash))
        quotes = asked.quote(view("1200", at_s=1, base=held, cash=cash))
        assert measure(quotes, "mm_bot_daily_pnl") == pnl
