"""A stream whose writes never wait: lines go to a file descriptor from a thread of their own.

Whoever reads our log may stop reading, and a pipe then takes no more. Lines that do not fit into
the bounded queue are dropped and counted, and how many is said in their place once there is room.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable

HOLDS_CHARACTERS = 1_000_000


def queued_stderr() -> QueuedStream:
    """Of this process; a process that was started without one writes into nothing."""
    if sys.stderr is None:  # its number may be a socket's by now
        return QueuedStream(os.open(os.devnull, os.O_WRONLY))
    return QueuedStream(sys.stderr.fileno())


class QueuedStream:
    """The thread is a daemon and writes past Python's own buffers, so that the end of
    the process never waits for it longer than `close` is told to."""

    def __init__(self, descriptor: int, *, holds: int = HOLDS_CHARACTERS) -> None:
        """`holds` is how many characters may wait."""
        self.dropped = 0
        """Lines lost since the start."""
        self.tell_dropped: Callable[[int], str] = "{} lines were dropped\n".format
        self._descriptor = descriptor
        self._holds = holds
        self._lines: deque[str] = deque()
        self._waiting = 0
        self._untold = 0
        self._changed = threading.Condition()
        self._idle = True
        threading.Thread(target=self._write_all, name="log", daemon=True).start()

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, line: str) -> int:
        with self._changed:
            if self._waiting + len(line) > self._holds:
                self.dropped += 1
                self._untold += 1
            else:
                self._lines.append(line)
                self._waiting += len(line)
            self._changed.notify_all()
        return len(line)

    def flush(self) -> None:
        """Nothing to do: `write` has handed it over."""

    def drain(self, within_s: float) -> None:
        """Returns once everything was written, or after `within_s`."""
        with self._changed:
            self._changed.wait_for(lambda: self._idle and not self._has_work(), within_s)

    def _has_work(self) -> bool:
        """Lines to write, or to say how many are missing though none follows them."""
        return bool(self._lines or self._untold)

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._idle = True
                self._changed.notify_all()
                self._changed.wait_for(self._has_work)
                self._idle = False
                lines, self._untold, untold = "".join(self._lines), 0, self._untold
                self._lines.clear()
            if untold:
                lines += self.tell_dropped(untold)
            with contextlib.suppress(OSError):  # gone; there is nowhere left to say so
                self._write(lines.encode(errors="replace"))
            with self._changed:
                self._waiting = sum(map(len, self._lines))

    def _write(self, rest: bytes) -> None:
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # somebody made the other end of it non-blocking
                select.select((), (self._descriptor,), ())
