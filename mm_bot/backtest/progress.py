"""A bar on stderr for what takes over two seconds, and Ctrl-C that keeps what is done."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class Bar:
    """`told` is a `Progress` of a run: False once somebody pressed Ctrl-C."""

    def __init__(self, bar: Progress, words: str, total: float) -> None:
        self._bar = bar
        self._task = bar.add_task(words, total=total)
        self.interrupted = False

    def told(self, done: float) -> bool:
        self._bar.update(self._task, completed=done)
        return not self.interrupted

    def interrupt(self, signum: int, frame: FrameType | None) -> None:
        """The first Ctrl-C ends the run in an orderly way; the second one ends the process."""
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True


@contextmanager
def shown(words: str, total: float = 1.0) -> Iterator[Bar]:
    """A bar while the block runs, where stderr is a terminal."""
    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        one = Bar(bar, words, total)
        before = signal.signal(signal.SIGINT, one.interrupt)
        try:
            yield one
        finally:
            signal.signal(signal.SIGINT, before)
