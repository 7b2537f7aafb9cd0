"""A cancel that meets the matcher's blink, under virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mm_bot.acting import BLINK_MS
from mm_bot.core.memory import Memory
from tests.core.builders import POLICY
from tests.core.fake_edges import FAR_BID, Fake
from tests.sim.virtual_time import EPOCH_MS, run

ANSWERED_MS = 1
"""What the fake takes to answer a cancel."""


def _replacing(fake: Fake, limit: int | None, sent_before: int) -> Memory:
    """What a bot remembers of a cycle that replaces its only order, which is not its first."""

    async def main() -> Memory:
        risk = replace(POLICY.risk, max_cancels_per_minute=limit)
        begun = Memory(
            started_ms=EPOCH_MS - 60_000,
            startup=False,
            replace_cancels_ms=(EPOCH_MS - 1_000,) * sent_before,
        )
        bot = fake.bot(replace(POLICY, risk=risk), begun)
        await bot.cycle()
        return bot.memory

    return run(main())


@pytest.mark.parametrize(
    ("blinks", "limit", "sent_before", "sent", "placed"),
    [
        (0, None, 0, 1, True),
        (1, None, 0, 2, True),
        (2, None, 0, 3, True),
        (3, None, 0, 3, False),
        (2, 9, 5, 3, True),
        (2, 9, 6, 2, False),
        (2, 9, 7, 1, False),
    ],
)
def test_a_cancel_that_met_the_blink_is_sent_again_in_its_cycle(
    blinks: int, limit: int | None, sent_before: int, sent: int, placed: bool
) -> None:
    """Twice at the most, 4 ms after its answer, and each time it counts: beside what the cycle
    sends, the minute keeps room for a cancel of every open order."""
    fake = Fake(rows=[FAR_BID], blinks=blinks)
    memory = _replacing(fake, limit, sent_before)
    times = fake.said("cancel")
    assert times == [times[0] + n * (ANSWERED_MS + BLINK_MS) for n in range(sent)]
    assert len(memory.replace_cancels_ms) == sent_before + sent
    assert bool(fake.said("place buy")) is placed


def test_a_cancel_of_a_halt_is_sent_again_whatever_the_budget() -> None:
    """It can only take away."""
    fake = Fake(rows=[FAR_BID], blinks=2, unsaved="disk full")
    assert not _replacing(fake, 1, 1).replace_cancels_ms[1:]
    assert len(fake.said("cancel")) == 3
