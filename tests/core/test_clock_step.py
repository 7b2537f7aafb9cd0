"""A step of the clock moves every time that is ours, and no other."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from mm_bot.core.clock_step import shifted
from mm_bot.core.exact import Price, Size
from mm_bot.core.fills import FillTotals
from mm_bot.core.instrument import Side
from mm_bot.core.memory import Accepted, Memory
from mm_bot.core.quoting import Kept
from mm_bot.core.settlement import Settlement
from tests.core.builders import NOW_MS, open_order

SETTLEMENT = Settlement(
    nonce=1,
    side=Side.BUY,
    price=Price.of(1600),
    lot=Size.of(1),
    filled=1,
    settled=0,
    asked=True,
    since_ms=NOW_MS,
    since_block_ms=NOW_MS,
    expiry_ms=NOW_MS,
    odd_since_ms=NOW_MS,
)
GIVEN_BY_OTHERS = {"last_fill_made_ms", "expiry_ms"}


@pytest.mark.parametrize("step_ms", [-3_600_000, -1, 2_000])
def test_every_time_of_ours_is_moved_and_no_other(step_ms: int) -> None:
    """Each field in milliseconds, of the memory and of an order, keeps its age; expiry and the
    time of a fill are the exchange's own and stay."""
    slot = (Side.BUY, 0)
    order = replace(
        open_order(Side.BUY, "1600", created_ms=NOW_MS),
        cancel_acked_ms=NOW_MS,
        absent_since_ms=NOW_MS,
        matching_since_ms=NOW_MS,
        next_send_ms=NOW_MS,
        next_cancel_ms=NOW_MS,
        expiry_ms=NOW_MS,
    )
    times: dict[str, Any] = {f.name: NOW_MS for f in fields(Memory) if f.name.endswith("_ms")}
    maps = {"last_replace_ms": {slot: NOW_MS}, "refused_until_ms": {slot: NOW_MS}}
    memory = Memory(
        **{**times, **maps, "replace_cancels_ms": (NOW_MS,), "reductions_ms": (NOW_MS,)},
        open_orders=(order,),
        contradictions={"a": NOW_MS},
        retired={"b": NOW_MS},
        accepted={"a": Accepted(price=Price.of(1), at_ms=NOW_MS)},
        last_reference=Accepted(price=Price.of(1), at_ms=NOW_MS),
        settlements={"c": SETTLEMENT},
        fill_totals=FillTotals(cursor=3, checkpoint=(7, NOW_MS)),
    )
    moved = shifted(memory, step_ms)
    expected = NOW_MS + step_ms
    several = {"replace_cancels_ms", "reductions_ms"}
    for name in times.keys() - maps.keys() - several - GIVEN_BY_OTHERS:
        assert getattr(moved, name) == expected, name
    assert moved.replace_cancels_ms == moved.reductions_ms == (expected,)
    for mapping in (moved.last_replace_ms, moved.refused_until_ms, moved.contradictions):
        assert set(mapping.values()) == {expected}
    assert moved.retired == {"b": expected}
    assert moved.accepted["a"].at_ms == expected
    assert moved.last_reference == Accepted(price=Price.of(1), at_ms=expected)
    assert moved.fill_totals == FillTotals(cursor=3, checkpoint=(7, expected))
    assert moved.settlements["c"] == replace(SETTLEMENT, since_ms=expected, odd_since_ms=expected)
    (after,) = moved.open_orders
    for name in (f.name for f in fields(after) if f.name.endswith("_ms")):
        assert getattr(after, name) == (NOW_MS if name in GIVEN_BY_OTHERS else expected), name
    assert moved.last_fill_made_ms == NOW_MS


def test_what_never_was_stays_so() -> None:
    """A time that is not known is none in whatever clock."""
    order = open_order(Side.BUY, "1600")
    entry = replace(SETTLEMENT, odd_since_ms=None)
    memory = Memory(started_ms=NOW_MS, open_orders=(order,), settlements={"c": entry})
    moved = shifted(memory, -5)
    assert (
        replace(moved, started_ms=NOW_MS, open_orders=(order,), settlements={"c": entry}) == memory
    )
    (after,) = moved.open_orders
    unknown = {f.name for f in fields(order) if getattr(order, f.name) is None}
    assert {f.name for f in fields(after) if getattr(after, f.name) is None} == unknown
    assert moved.settlements["c"].odd_since_ms is None


@dataclass(frozen=True, slots=True)
class Since:
    """A strategy's own time of our clock."""

    at_ms: int

    def stepped(self, step_ms: int) -> Since:
        return Since(self.at_ms + step_ms)


def test_what_a_strategy_keeps_moves_its_own_times() -> None:
    """Whatever has times moves them itself, and what has none stays; before its first cycle there
    is nothing."""
    kept = Kept(value={"since": Since(NOW_MS), "count": 3})
    moved = shifted(Memory(started_ms=NOW_MS, strategy=kept), 7)
    assert moved.strategy == replace(kept, value={"since": Since(NOW_MS + 7), "count": 3})
    assert shifted(Memory(started_ms=NOW_MS), 7).strategy == Kept()
