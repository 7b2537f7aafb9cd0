"""The loop's clock over a machine's clock that is set while it runs."""

from __future__ import annotations

from mm_bot.clock import STEP_MS, SteadyClock


class _Machine:
    """The two clocks of a machine, in nanoseconds."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000 * 10**9
        self.steady = 5 * 10**9

    def passes(self, duration_ms: int) -> None:
        self.wall += duration_ms * 10**6
        self.steady += duration_ms * 10**6


def test_time_never_jumps_but_where_the_loop_asks_for_it() -> None:
    """A clock that is set back an hour goes on as it was until `settle` tells by how much."""
    machine = _Machine()
    clock = SteadyClock(wall_ns=lambda: machine.wall, steady_ns=lambda: machine.steady)
    began_ms = clock.now_ms()
    machine.passes(1_000)
    machine.wall -= 3_600_000 * 10**6
    assert clock.now_ms() - began_ms == 1_000
    assert clock.settle() == -3_600_000
    assert clock.now_ms() - began_ms == 1_000 - 3_600_000
    assert clock.settle() == 0


def test_a_small_difference_is_followed_and_not_told() -> None:
    """What a time service corrects by and by is no step, and never adds up to an error."""
    machine = _Machine()
    clock = SteadyClock(wall_ns=lambda: machine.wall, steady_ns=lambda: machine.steady)
    for _ in range(10):
        machine.passes(500)
        machine.wall += (STEP_MS - 1) * 10**6
        assert clock.settle() == 0
        assert clock.now_ms() == machine.wall // 10**6
