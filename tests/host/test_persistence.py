"""What a restart knows of the orders of the process before it."""

from __future__ import annotations

from mm_bot.core.instrument import Side
from mm_bot.core.ledger import ARRIVAL_GRACE_MS, Stage
from mm_bot.core.quoting import MissingReason
from mm_bot.host.persistence import first_memory, to_state
from tests.core.builders import NOW_MS, open_order, running
from tests.core.decisions import decided


def test_an_unknown_order_of_the_process_before_stands_in_nobodys_way() -> None:
    """It keeps its slot and counts with its size; the other side, which it does not reach, is
    quoted in the first cycle."""
    unknown = open_order(Side.BUY, "1596", stage=Stage.UNKNOWN)
    memory = first_memory(to_state(running(unknown)), NOW_MS)
    (known,) = memory.open_orders
    assert (known.price, known.size, known.notional) == (
        unknown.price,
        unknown.size,
        unknown.notional,
    )
    made = decided(memory=memory)
    assert [place.level.side for place in made.plan.places] == [Side.SELL]
    assert [gap.reason for gap in made.missing] == [MissingReason.AWAITING_EVIDENCE]
    assert made.open_notional == unknown.notional


def test_a_second_restart_waits_as_long_for_a_lost_request_as_the_first_would() -> None:
    """The first one cut short how long the order may still turn up, and saved that; the next keeps
    the order until that time and its grace are over (seed 3735 of the simulator)."""
    unknown = open_order(Side.BUY, "1596", stage=Stage.UNKNOWN)
    first = first_memory(to_state(running(unknown)), NOW_MS)
    expiry_ms = first.open_orders[0].expiry_ms // 1_000 * 1_000  # the file has whole seconds
    for later_ms, kept in ((ARRIVAL_GRACE_MS - 1, 1), (ARRIVAL_GRACE_MS, 0)):
        again = first_memory(to_state(first), expiry_ms + later_ms)
        assert len(again.open_orders) == kept
