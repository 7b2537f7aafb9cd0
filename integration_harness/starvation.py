"""How long processes stood ready to run and got no processor, so that a loaded machine can be told
from a slow bot.

Source: `/proc/PID/schedstat`, whose second number is the time on a run queue in nanoseconds. Where
the system has none, nothing counts as waited.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_NANOSECONDS: Final = 10**9
_PROC: Final = Path("/proc")


class Starvation:
    """From its making on, of a process (its main thread) and of our own threads."""

    def __init__(self, pid: int | None = None) -> None:
        self._pid = pid
        self._before = self._now()

    @property
    def seconds(self) -> float:
        """Of that process, and of the one of our threads that waited longest."""
        before, now = self._before, self._now()
        waited = {thread: found - before.get(thread, 0) for thread, found in now.items()}
        other = waited.pop(0, 0)
        return (other + max(waited.values(), default=0)) / _NANOSECONDS

    def _now(self) -> Mapping[int, int]:
        """By thread; 0 stands for that process."""
        found = {}
        for folder in (_PROC / "self" / "task").glob("[0-9]*"):
            found[int(folder.name)] = _queued_ns(folder)
        if self._pid is not None and self._pid != os.getpid():
            found[0] = _queued_ns(_PROC / str(self._pid))
        return found


def _queued_ns(folder: Path) -> int:
    try:
        return int((folder / "schedstat").read_text().split()[1])
    except (OSError, IndexError):
        return 0
