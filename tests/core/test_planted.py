"""The known mistakes of the simulator follow the code that they are planted in."""

from __future__ import annotations

from tests.sim.broken import broken
from tests.sim.many import EVERY


def test_each_known_mistake_has_its_line() -> None:
    """Whoever changes a line that a mistake is planted in changes the mistake too: its text occurs
    once, and what stands for it compiles to something else."""
    for mutation in EVERY:
        with broken(mutation.breaks):
            pass
    assert len({mutation.name for mutation in EVERY}) == len(EVERY)
