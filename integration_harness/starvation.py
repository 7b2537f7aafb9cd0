"""How long a process stood ready to run and got no processor, so that a loaded machine can be told
from a slow bot.

Sources: `/proc/PID/schedstat`, whose second number is the time on a run queue in nanoseconds, and
`/proc/stat`, whose eighth is what the machine's host gave to others, in ticks. Where the system has
none, nothing counts as waited.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

_NANOSECONDS: Final = 10**9
_TICK_NS: Final = _NANOSECONDS // os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")


class Starvation:
    """From its making on, of a process (its main thread) and of the thread that made this; and what
    the host took from all cores, whoever wanted to run there."""

    def __init__(self, pid: int | None = None) -> None:
        ours = _PROC / "self" / "task" / str(threading.get_native_id())
        self._folders = (ours,) if pid is None else (ours, _PROC / str(pid))
        self._before = self._now()

    @property
    def seconds(self) -> float:
        """Of all together."""
        return max(self._now() - self._before, 0) / _NANOSECONDS

    def _now(self) -> int:
        return sum(map(_queued_ns, self._folders)) + processor_ticks()[1] * _TICK_NS


def _queued_ns(folder: Path) -> int:
    """0 of a process that has ended."""
    try:
        return int((folder / "schedstat").read_text().split()[1])
    except (OSError, IndexError):
        return 0


def processor_ticks() -> tuple[int, int]:
    """What all cores worked since the machine's start, and what its host kept from them."""
    try:
        words = (_PROC / "stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return 0, 0
    user, nice, system, _, _, irq, softirq, steal = map(int, words[1:9])
    return user + nice + system + irq + softirq, steal
