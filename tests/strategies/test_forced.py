"""Forced reduction: beyond the hard limit one order at a time leads back to the soft one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Amount, Price, Size
from mm_bot.core.instrument import Side
from mm_bot.core.policy import OperatorMode
from mm_bot.core.quoting import Quotes
from mm_bot.strategies.trial import Asked, halts, measure, policy, view
from tests.core.builders import FUTURE, NOW_MS
from tests.strategies.test_regime import LIMITED

HARD = {"hard_long_inventory": "200", "hard_short_inventory": "-200"}
FORCED = policy(LIMITED, **HARD, forced_reduction="true", reduce_max_per_hour="3")
LONG, SHORT = "inventory exceeds max long inventory", "inventory exceeds max short inventory"


def held(asked: Asked, inventory: str, at_s: float = 0, *sent_s: float) -> Quotes:
    """One cycle with a read of the balances of its own; reductions were sent at `sent_s`."""
    seen = view(market=FUTURE, base=inventory, at_s=at_s)
    return asked.quote(
        replace(seen, reductions_ms=tuple(NOW_MS + round(at * 1000) for at in sent_s))
    )


def order(quotes: Quotes) -> tuple[str, str, str] | None:
    found = quotes.reduction.level if quotes.reduction else None
    return (found.side.value, str(found.size), str(found.price)) if found else None


def test_two_reads_beyond_the_hard_limit_force_it_back_to_the_soft_one() -> None:
    """At 250 of 200: the second read asks for a sale of 150, at most 50 bps below 1600; it goes on
    between the limits, and ends at the soft one."""
    asked = Asked(FORCED)
    assert held(asked, "250").reduction is None
    same_read = view(market=FUTURE, base="250", at_s=1)
    assert asked.quote(replace(same_read, balances_read_ms=NOW_MS)).reduction is None
    forced = held(asked, "250", 2)
    assert order(forced) == ("sell", "150", "1592")
    assert halts(forced) == [LONG]
    assert measure(forced, "mm_bot_regime", "forced") == 1
    (line,) = (e.sentence for e in forced.explanations if e.step == "regime")
    assert line == (
        "forced reduction of inventory 250: sell 150 at 1592 or better, 0 orders in an hour "
        "before it"
    )
    assert order(held(asked, "150", 3)) == ("sell", "50", "1592")
    over = held(asked, "100", 4)
    assert (over.reduction, halts(over)) == (None, [])


def test_it_is_the_same_below() -> None:
    """At -250: a purchase of 150 at 1608 at most."""
    asked = Asked(FORCED)
    held(asked, "-250")
    forced = held(asked, "-250", 1)
    assert (order(forced), halts(forced)) == (("buy", "150", "1608"), [SHORT])


def test_the_worst_price_is_outwards_to_the_tick_and_needs_no_margin() -> None:
    """33 bps from 1600.07 is 1594.789769 and 1605.350231: on a tick of a cent 1594.78 and 1605.36.
    To reduce a margined position needs no cash."""
    cents = replace(FUTURE, price_tick=Price.of("0.01"))
    for held_now, expected in (
        ("250", ("sell", "150", "1594.78")),
        ("-250", ("buy", "150", "1605.36")),
    ):
        asked = Asked(
            policy(LIMITED, **HARD, forced_reduction="true", reduce_max_slippage_bps="33")
        )
        for at_s in (0, 1):
            seen = view("1600.07", market=cents, base=held_now, cash="0", at_s=at_s)
            quotes = asked.quote(seen)
        assert order(quotes) == expected


def test_a_rest_that_cannot_be_traded_ends_it() -> None:
    """On spot sizes are of whole cNGN: 0.0006 USDC beyond the limit are less than one."""
    asked = Asked(FORCED)
    asked.quote(view(base="250"))
    assert order(asked.quote(view(base="250", at_s=1))) == ("sell", "150", "1592")
    found = asked.quote(view(base="100.0006", at_s=2))
    assert (found.reduction, halts(found)) == (None, [])
    assert found.ladder.asks, "what is left is quoted away"


def test_a_single_read_and_the_soft_limit_force_nothing() -> None:
    """250, 150, 250: never two in a row. Without the switch nothing is forced at all."""
    asked = Asked(FORCED)
    for at_s, inventory in enumerate(("250", "150", "250", "150")):
        assert held(asked, inventory, at_s).reduction is None
    asked = Asked(policy(LIMITED, **HARD))
    assert [held(asked, "250", at_s).reduction for at_s in (0, 1)] == [None, None]


def test_the_next_one_waits_and_a_budget_ends_it() -> None:
    """Five seconds after the last, on balances read after it; once the last of three in an hour
    had its ten seconds it halts with the numbers, over a restart too."""
    asked = Asked(FORCED)
    held(asked, "250")
    assert order(held(asked, "250", 1)) is not None
    assert order(held(asked, "240", 4, 1)) is None
    stale = replace(
        view(market=FUTURE, base="240", at_s=7),
        balances_read_ms=NOW_MS + 500,
        reductions_ms=(NOW_MS + 1_000,),
    )
    assert order(asked.quote(stale)) is None
    assert order(held(asked, "240", 8, 1)) == ("sell", "140", "1592")
    assert halts(held(asked, "230", 29.9, 1, 8, 20)) == [LONG], "the last one has its whole life"
    spent = held(asked, "230", 30, 1, 8, 20)
    assert order(spent) is None
    assert halts(spent) == [LONG, "forced reduction budget used up"]
    assert dict(spent.halts[1].numbers) == {
        "orders_last_hour": "3",
        "inventory": "230",
        "limit": "3",
    }
    asked.restart()
    held(asked, "230", 0)
    assert halts(held(asked, "230", 1)) == [LONG, "forced reduction budget used up"], "clock back"
    asked.restart()
    held(asked, "230", 40)
    assert order(held(asked, "230", 41)) is None
    assert order(held(asked, "230", 3_700)) == ("sell", "130", "1592")


def test_it_counts_what_may_still_lead_there_by_itself() -> None:
    """Sells without settlement, orders of ours that we do not manage, and what is free to sell."""
    asked = Asked(policy(LIMITED, **HARD, forced_reduction="true"))
    asked.quote(view(base="250"))
    seen = view(base="250", at_s=1)
    assert seen.holdings is not None
    pending = replace(seen.holdings, base_lowest=Size.of(220))
    resting = {Side.SELL: (Size.of(30), Amount.of(48_000))}
    found = asked.quote(replace(seen, holdings=pending, resting=resting))
    assert order(found) == ("sell", "90", "1592")
    poor = replace(seen.holdings, base_available=Size.of(40))
    assert order(asked.quote(replace(seen, now_ms=NOW_MS + 2_000, holdings=poor))) == (
        "sell",
        "40",
        "1592",
    )


@pytest.mark.parametrize("change", ["no reference", "bids only", "too little"])
def test_where_it_may_not_sell_it_only_halts(change: str) -> None:
    """Without a reference, against the operator's mode, or with less than a lot to do."""
    asked = Asked(FORCED)
    held(asked, "250")
    seen = view(None if change == "no reference" else "1600", market=FUTURE, base="250", at_s=1)
    if change == "bids only":
        seen = replace(seen, mode=OperatorMode.BID_ONLY)
    if change == "too little":
        assert seen.holdings is not None
        seen = replace(seen, holdings=replace(seen.holdings, base_lowest=Size.of(100)))
    found = asked.quote(seen)
    assert (order(found), halts(found)) == (None, [LONG])


@given(st.integers(201, 2_000), st.lists(st.integers(0, 1_000), min_size=20, max_size=20))
def test_whatever_is_filled_it_never_leads_past_the_soft_limit(
    inventory: int, shares: list[int]
) -> None:
    """Any part of each order may fill; it ends within one lot of the soft limit or above, and in
    finitely many orders where takers exist."""
    asked = Asked(policy(LIMITED, **HARD, forced_reduction="true", reduce_max_per_hour="1000"))
    now, at_s, sent = Decimal(inventory), 0, 0
    for share in (*shares, 1_000):
        at_s += 10
        held(asked, str(now), at_s)
        found = held(asked, str(now), at_s + 1)
        if found.reduction is None:
            break
        sent += 1
        assert found.reduction.level is not None
        filled = found.reduction.level.size.value * share / 1000
        now -= filled.quantize(Decimal("0.001"))
        assert now >= 100
    assert now == 100 or sent < len(shares) + 2


def test_it_stays_within_the_price_band() -> None:
    """No ask below the floor and no bid above the ceiling: 50 bps from 1600 would be 1592 and
    1608."""
    band = {"price_floor": "1595.5", "price_ceiling": "1604.5"}
    asked = Asked(policy(LIMITED, **HARD, **band, forced_reduction="true"))
    held(asked, "250")
    assert order(held(asked, "250", 1)) == ("sell", "150", "1596"), "a tick above: whole cNGN here"
    asked = Asked(policy(LIMITED, **HARD, **band, forced_reduction="true"))
    held(asked, "-250")
    assert order(held(asked, "-250", 1)) == ("buy", "150", "1604")
