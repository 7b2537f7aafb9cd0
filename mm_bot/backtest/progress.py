"""A bar on stderr for what takes over two seconds, and Ctrl-C that keeps what is done."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
Told = Callable[[float], bool]
"""Told how much is done; False where somebody wants it to end there."""


def nobody(done: float) -> bool:
    """Who is told where nobody watches."""
    return True


@contextmanager
def unseen(words: str) -> Iterator[Told]:
    """A `watched` for nobody."""
    yield nobody


class Bar:
    """`told` is a `Told`: False once somebody pressed Ctrl-C."""

    def __init__(self, bar: Progress, words: str, total: float | None) -> None:
        self._bar = bar
        self._task = bar.add_task(words, total=total)
        self._steps = 0
        self.interrupted = False

    def told(self, done: float) -> bool:
        self._bar.update(self._task, completed=done)
        return not self.interrupted

    def each(self, values: Iterable[T]) -> Iterator[T]:
        """The values, until somebody pressed Ctrl-C; one step of the bar each, on from where it
        is."""
        for value in values:
            if not self.told(self._steps):
                return
            yield value
            self._steps += 1
            self.told(self._steps)

    def interrupt(self, signum: int, frame: FrameType | None) -> None:
        """The first Ctrl-C ends what is done in an orderly way; the second one ends the process."""
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True


@contextmanager
def shown(words: str, total: float | None = 1.0) -> Iterator[Bar]:
    """A bar while the block runs, where stderr is a terminal; it swings where no total is known."""
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


@contextmanager
def watched(words: str) -> Iterator[Told]:
    """`shown` as who is told alone."""
    with shown(words) as bar:
        yield bar.told


def said(words: str) -> None:
    """A line for who watches; results go to stdout."""
    print(words, file=sys.stderr)
