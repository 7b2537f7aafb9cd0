"""Whatever the ledger holds, a plan keeps its invariants."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mm_bot.core.instrument import Side
from mm_bot.core.ledger import OpenOrder, Stage
from mm_bot.core.reconcile import plan
from tests.core.builders import NOW_MS, RECONCILES, open_order
from tests.core.reconcile_inputs import desk_of, ladder_of

worlds = st.lists(
    st.builds(
        lambda side, price, nonce, stage, acked: replace(
            open_order(side, str(price), nonce=nonce, stage=stage),
            cancel_acked_ms=NOW_MS if acked else None,
        ),
        st.sampled_from(Side),
        st.integers(1580, 1620),
        st.integers(1, 10_000),
        st.sampled_from(Stage),
        st.booleans(),
    ),
    max_size=7,
    unique_by=lambda c: c.order_id,
)


@given(worlds, st.integers(1, 3), st.booleans())
def test_no_plan_can_fill_a_slot_twice_or_cross(
    known: list[OpenOrder], levels: int, startup: bool
) -> None:
    """Invariants 1 and 2: if every cancel that a place waits for is acknowledged and no other
    cancel is, a side holds at most its levels beside what was surplus before, and no own bid
    reaches an own ask."""
    made = plan(desk_of(*known, ladder=ladder_of(levels), startup=startup), RECONCILES)
    ids = {c.order_id for c in made.cancels}
    for place in made.places:
        assert set(place.after) <= ids
    awaited = {order_id for place in made.places for order_id in place.after}
    rest = [c for c in known if not c.cancel_acked and c.order_id not in awaited]
    for side in Side:
        mine = [p.level for p in made.places if p.level.side is side]
        held = [c for c in rest if c.side is side]
        assert not mine or len(mine) + len(held) <= levels
        for wanted in mine:
            for other in rest:
                if other.side is side.opposite:
                    assert not side.reaches(wanted.price, other.price)


@given(worlds, st.integers(1, 3), st.booleans())
def test_the_plan_depends_on_its_arguments_alone(
    known: list[OpenOrder], levels: int, startup: bool
) -> None:
    """Invariant 7: the order in which the ledger lists orders changes nothing."""
    given = desk_of(*known, ladder=ladder_of(levels), startup=startup)
    turned = replace(given, open_orders=tuple(reversed(known)))
    first, second = plan(given, RECONCILES), plan(turned, RECONCILES)
    assert first.cancels == second.cancels
    assert first.places == second.places


@given(worlds, st.integers(1, 3))
def test_a_second_pass_is_quiet(known: list[OpenOrder], levels: int) -> None:
    """Invariant 4: carried out, a start-up plan leaves nothing to do."""
    settled = [c for c in known if c.stage is not Stage.UNKNOWN]
    given = desk_of(*settled, ladder=ladder_of(levels), startup=True)
    made = plan(given, RECONCILES)
    gone = {c.order_id for c in made.cancels}
    new = [
        open_order(p.level.side, str(p.level.price), nonce=20_000 + i)
        for i, p in enumerate(made.places)
    ]
    left = [c for c in settled if c.order_id not in gone and not c.cancel_acked]
    again = plan(desk_of(*left, *new, ladder=ladder_of(levels)), RECONCILES)
    assert again.quiet
    assert len(again.kept) == 2 * levels
