"""What is known from the last cycle is what this one would find out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mm_bot.core
import mm_bot.strategies
from mm_bot.core.again import Again, again
from mm_bot.core.decide import decide
from mm_bot.core.exact import Size
from mm_bot.core.instrument import Side
from mm_bot.core.orders import OrderStatus
from mm_bot.core.remember import Report, remember
from mm_bot.core.snapshot import Snapshot
from mm_bot.strategies import founding
from tests.core.builders import (
    NOW_MS,
    POLICY,
    SPOT,
    anchor,
    balances,
    book,
    observation,
    open_order,
    others,
    own_orders,
    row,
    running,
    snapshot,
)


def _every() -> Iterator[Again[..., Any]]:
    for package in (mm_bot.core, mm_bot.strategies):
        for found in iter_modules(package.__path__, f"{package.__name__}."):
            for value in vars(import_module(found.name)).values():
                if isinstance(value, Again):
                    yield value


EVERY = list({id(each): each for each in _every()}.values())
LEVELS = 3
QUOTE = replace(POLICY.quote, levels=LEVELS, level_step_bps=Decimal(10), order_size=Size.of(30_000))
TOUCHED = replace(POLICY, quote=QUOTE)
"""Three levels of 30,000 a side, of which a limit of 100,000 and the balances cut some."""
FIRST = decide(snapshot(), running(), TOUCHED, SPOT, founding(TOUCHED)).ladder
TERMS = [
    (w.side, str(w.price), str(w.size), nonce)
    for nonce, w in enumerate((*FIRST.bids, *FIRST.asks), start=1)
]
RESTING = tuple(open_order(side, at, size, nonce=n) for side, at, size, n in TERMS)
ROWS = tuple(row(side, at, size, nonce=n) for side, at, size, n in TERMS)
HELD = replace(ROWS[0], status=OrderStatus.MATCHING)
PART = replace(ROWS[1], size=Size.of(1), filled_steps=1)


@st.composite
def worlds(draw: st.DrawFn) -> Snapshot:
    """Mostly as the last one was: each part is one of a few."""
    now_ms = NOW_MS + draw(st.sampled_from((0, 40, 1_000, 9_000)))
    rows = draw(st.sampled_from((ROWS, ROWS, ROWS[1:], (HELD, *ROWS[1:]), (ROWS[0], PART))))
    near = draw(st.sampled_from(("1610", "1597", "1595.99")))
    around = [others(Side.BUY, "1590"), others(Side.SELL, near, "500")]
    shown = [
        others(r.side, str(r.price), str(r.size), order_id=r.order_id, ours=True)
        for r in rows[draw(st.sampled_from((0, 0, 1))) :]
    ]
    held = balances(draw(st.sampled_from(("100000", "40000"))), "160000000", block_ms=now_ms)
    venue = observation(own_orders(*rows), shown=book(*around, *shown), holdings=held)
    price = draw(st.sampled_from(("1600", "1600", "1600.5", "1604", None)))
    return snapshot(venue=venue, now_ms=now_ms, quote=anchor(price))


@settings(max_examples=60)
@given(st.lists(worlds(), min_size=1, max_size=5))
def test_a_decision_with_what_was_known_is_the_one_made_afresh(seen: list[Snapshot]) -> None:
    """Whatever the worlds before were, a decision says the same where nothing is known of them,
    with the prices, sizes, bounds and reasons that it tells people."""
    memory, strategy = running(*RESTING), founding(TOUCHED)
    for world in seen:
        known = decide(world, memory, TOUCHED, SPOT, strategy)
        for each in EVERY:
            each.cache_clear()
        anew = decide(world, memory, TOUCHED, SPOT, strategy)
        assert known == anew
        told = [(e.step, e.sentence, e.side) for e in known.quotes.explanations]
        assert told == [(e.step, e.sentence, e.side) for e in anew.quotes.explanations]
        memory = remember(memory, known, Report(), dry_run=False)
    assert len(EVERY) >= 10, "those of the core and of the strategies"


def test_the_last_answers_are_kept_and_no_more() -> None:
    """As many as it was told; the function is asked for every other, and after `cache_clear`."""
    asked = []

    @again(2)
    def twice(number: int, by: int) -> int:
        asked.append(number)
        return number * by

    assert [twice(n, 2) for n in (1, 2, 1, 2, 3, 2, 1)] == [2, 4, 2, 4, 6, 4, 2]
    assert asked == [1, 2, 3, 1]
    twice.cache_clear()
    assert twice(1, 2) == twice(number=1, by=2) == 2
    assert asked == [1, 2, 3, 1, 1, 1], "what is named is not kept"


def test_a_function_that_failed_has_no_answer() -> None:
    """It is asked again."""

    @again(1)
    def inverse(number: int) -> Decimal:
        return 1 / Decimal(number)

    for _ in range(2):
        with pytest.raises(ArithmeticError):
            inverse(0)
    assert inverse(2) == Decimal("0.5")
