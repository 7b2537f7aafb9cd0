"""What a restart knows of the orders of the process before it."""

from __future__ import annotations

from mm_bot.core.instrument import Side
from mm_bot.core.ledger import Stage
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
