"""The end of a process, whatever hangs: a thread that ends it where nothing else does.

A name that is being looked up, a disk, a reader of the log: each can hold a thread in the kernel
for minutes, and an interpreter waits for its threads. So a stop sets a limit (behaviour.md section
7), and past it the process ends with the exit code that is true by then, as `os._exit` does it.
"""

from __future__ import annotations

import os
import threading
import time

STOP_WITHIN_S = 5.0
"""From a signal to the end."""
REST_WITHIN_S = 1.5
"""From the end of the work to that of the process."""


class Ending:
    """One a process. `code` is what it ends with where the limit passes first."""

    def __init__(self) -> None:
        self.code = 0
        self._ends_at = float("inf")
        self._changed = threading.Condition()
        self._watching = False

    def within(self, limit_s: float) -> None:
        """End no later than that from now on; an earlier limit stays. Never blocks for long, so
        that a signal's handler may call it."""
        ends_at = time.monotonic() + limit_s
        if ends_at >= self._ends_at:
            return
        self._ends_at = ends_at
        if not self._watching:
            self._watching = True
            threading.Thread(target=self._watch, daemon=True, name="ending").start()

    def _watch(self) -> None:
        while (left_s := self._ends_at - time.monotonic()) > 0:
            time.sleep(min(left_s, 0.1))
        os._exit(self.code)
