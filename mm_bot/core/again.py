"""`again`: a pure function that is asked the same in most cycles answers as it did the last time.

Hardly anything of what a cycle sees has changed since the last one, and what has not comes as the
very objects of then (`Known`, `track`), so that asking whether it has costs an identity each. The
slow equivalent of every such function is `afresh`, itself without this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Again(Generic[P, R]):
    """The function, with its last answers. Its arguments are positional."""

    def __init__(self, afresh: Callable[P, R], answers: int) -> None:
        self.__doc__ = afresh.__doc__
        self.afresh = afresh
        self._more = answers - 1
        self._last: tuple[tuple[tuple[object, ...], R], ...] = ()

    def __call__(self, *args: P.args, **named: P.kwargs) -> R:
        for asked, found in self._last:
            if asked == args:
                return found
        found = self.afresh(*args, **named)
        if not named:
            self._last = ((args, found), *self._last[: self._more])
        return found

    def cache_clear(self) -> None:
        """For whoever changes what `afresh` does."""
        self._last = ()


def again(answers: int) -> Callable[[Callable[P, R]], Again[P, R]]:
    """Keeps that many of the last answers: as many as a cycle asks for. Only for a function of
    values that nobody ever changes, its answer too: equal arguments give the very same one."""
    return lambda afresh: Again(afresh, answers)
