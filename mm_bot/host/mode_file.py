"""The operator mode as a file says it, watched apart from the cycle.

Content is one mode, white space around it does not count. No file, or an empty one, means the mode
of the settings. Whatever is no mode (another word, a folder, a file that cannot be read) leaves the
last valid one in force, and `problem` says why: a slip of the pen must not start or stop quoting.
Nor must a file that is just being written: who writes it the plain way empties it first, so that an
empty one counts once it has been so for a moment.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from mm_bot.clock import Clock, SystemClock
from mm_bot.core.policy import OperatorMode

INTERVAL_MS = 100
_WRITTEN_WITHIN_MS = 100
_READ_BYTES = 256


class ModeFile:
    """Without a path it always says the mode of the settings."""

    def __init__(
        self,
        path: Path | None,
        otherwise: OperatorMode,
        *,
        interval_ms: float = INTERVAL_MS,
        clock: Clock | None = None,
    ) -> None:
        assert interval_ms > 0, interval_ms
        self.path = path
        self.mode = otherwise
        """The last valid one."""
        self.named_by_file = False
        """Whether `mode` is the file's and not that of the settings."""
        self.problem: str | None = None
        self._otherwise = otherwise
        self._interval_ms = interval_ms
        self._clock: Clock = clock or SystemClock()

    def look(self) -> OperatorMode:
        """Reads the file now; a few microseconds."""
        if self.path is None:
            return self.mode
        try:
            text, changed_ms = _content(self.path)
            if not text and abs(self._clock.now_ms() - changed_ms) < _WRITTEN_WITHIN_MS:
                return self.mode
        except FileNotFoundError:
            text = ""
        except OSError as error:
            self.problem = f"{self.path} cannot be read: {error.strerror}; {self._kept()}"
            return self.mode
        found = next((mode for mode in OperatorMode if mode.value == text), None)
        if text and found is None:
            modes = ", ".join(mode.value for mode in OperatorMode)
            self.problem = f"{self.path} says {text[:40]!r}, not one of {modes}; {self._kept()}"
            return self.mode
        self.problem = None
        self.named_by_file = found is not None
        self.mode = found or self._otherwise
        return self.mode

    async def watch(
        self, on_mode: Callable[[OperatorMode], None], on_problem: Callable[[str], None]
    ) -> None:
        """Runs until cancelled. Tells of each change of the mode, and once of each problem; both
        functions only signal: they must not block or raise."""
        if self.path is None:
            return
        known, told = self.mode, self.problem
        while True:
            mode = self.look()
            if mode is not known:
                known = mode
                on_mode(mode)
            if self.problem != told:
                told = self.problem
                if told is not None:
                    on_problem(told)
            await self._clock.sleep_ms(self._interval_ms)

    def _kept(self) -> str:
        return f"{self.mode.value} stays in force"


def _content(path: Path) -> tuple[str, int]:
    """What the file says, and when it last changed, unix milliseconds."""
    # Not to wait for the writer of a pipe that somebody put there.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        changed_ms = os.fstat(descriptor).st_mtime_ns // 1_000_000
        return os.read(descriptor, _READ_BYTES).decode(errors="replace").strip(), changed_ms
    finally:
        os.close(descriptor)
