"""Beyond the soft limit the bot quotes its own way out."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.exact import Size
from mm_bot.core.instrument import Side
from mm_bot.core.quoting import Quotes
from mm_bot.strategies.regime import REDUCE_ONLY, halting_limits
from mm_bot.strategies.trial import Asked, measure, policy, view
from tests.core.builders import FUTURE, POLICY

LIMITED = replace(
    POLICY,
    quote=replace(
        POLICY.quote, order_size=Size.of(10), max_long=Size.of(100), max_short=Size.of(-100)
    ),
)
HARD = policy(LIMITED, hard_long_inventory="200", hard_short_inventory="-200")


def held(asked: Asked, inventory: str) -> Quotes:
    return asked.quote(view(market=FUTURE, base=inventory))


def test_only_the_way_back_is_quoted_until_an_order_below_the_limit() -> None:
    """At 104 of 100: asks alone, 10 of them; at 95 still, 5 of them; at 90 both sides again."""
    asked = Asked(HARD)
    found = {held_now: held(asked, held_now) for held_now in ("100", "104", "95", "90", "95.5")}
    asks = {at: [str(x.size) for x in q.ladder.asks] for at, q in found.items()}
    bids = {at: [str(x.size) for x in q.ladder.bids] for at, q in found.items()}
    assert bids == {"100": [], "104": [], "95": [], "90": ["10"], "95.5": ["4.5"]}
    assert asks == {"100": ["10"], "104": ["10"], "95": ["5"], "90": ["10"], "95.5": ["10"]}
    (gap,) = (m for m in found["104"].ladder.missing if m.side is Side.BUY)
    assert gap.reason is REDUCE_ONLY
    assert measure(found["104"], "mm_bot_regime", "reduce_only") == 1
    assert measure(found["90"], "mm_bot_regime", "normal") == 1


def test_it_is_the_same_below() -> None:
    """At -104: bids alone, for what leads back to -90."""
    quotes = held(Asked(HARD), "-104")
    assert not quotes.ladder.asks
    assert [str(x.size) for x in quotes.ladder.bids] == ["10"]


@given(st.integers(101, 300), st.integers(0, 12))
def test_what_it_quotes_never_leads_past_the_way_back(inventory: int, fills: int) -> None:
    """Whatever fills happen, the reducing side alone never sells below the end of the regime."""
    asked = Asked(policy(LIMITED, hard_long_inventory="1000"))
    now = Decimal(inventory)
    for _ in range(fills):
        quotes = held(asked, str(now))
        if quotes.ladder.bids:
            break
        now -= sum((x.size.value for x in quotes.ladder.asks), Decimal(0))
        assert now >= 90


def test_the_hard_limits_halt_where_they_are_set() -> None:
    """Without them the soft ones do, as founded."""
    soft = Size.of(100), Size.of(-100)
    assert halting_limits({}, *soft) == soft
    assert halting_limits(HARD.options, *soft) == (Size.of(200), Size.of(-200))
