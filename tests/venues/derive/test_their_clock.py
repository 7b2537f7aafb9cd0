"""The exchange's clock beside ours."""

from __future__ import annotations

import pytest

from mm_bot.venues.derive.their_clock import TheirClock


@pytest.mark.parametrize(
    ("said", "ahead"), [(1_050, 0), (1_100, 0), (61_100, 60_000), (900, -100), (1_000, 0)]
)
def test_it_is_ahead_by_the_least_that_its_answer_allows(said: int, ahead: int) -> None:
    """Asked at 1000 and answered at 1100 of ours: what lies between agrees; times then go there and
    back without loss."""
    clock = TheirClock()
    clock.heard(said, 1_000, 1_100)
    assert clock.ahead_ms == clock.reading.ahead_ms == ahead
    assert clock.ours(clock.theirs(5_000)) == 5_000
    assert clock.theirs(5_000) == 5_000 + ahead
