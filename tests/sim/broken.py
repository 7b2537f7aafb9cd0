"""One line of the bot's own source done otherwise, for as long as a run lasts.

The changed module is compiled and the code of each of its functions that differs takes the place of
the right one, so that everybody who imported it runs the wrong one too.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType

from mm_bot.core.again import Again


@dataclass(frozen=True, slots=True)
class Break:
    """In `module`, `wrong` stands for `right`, a text that occurs in it once."""

    module: str
    right: str
    wrong: str

    def done_to(self, source: str) -> str:
        found = source.count(self.right)
        if found != 1:
            raise AssertionError(f"{self.module} has {found} times: {self.right}")
        return source.replace(self.right, self.wrong)


@contextmanager
def broken(breaks: tuple[Break, ...]) -> Iterator[None]:
    """The bot with these faults, until the end of the block."""
    right: list[tuple[FunctionType, CodeType]] = []
    try:
        for name in sorted({each.module for each in breaks}):
            module = importlib.import_module(name)
            source = inspect.getsource(module)
            for each in breaks:
                source = each.done_to(source) if each.module == name else source
            codes = _codes(compile(source, str(module.__file__), "exec"))
            for function in _functions(module):
                code = codes[function.__code__.co_qualname]
                if code != function.__code__:
                    right.append((function, function.__code__))
                    function.__code__ = code
        assert right or not breaks, f"no function has: {breaks}"
        yield
    finally:
        for function, code in right:
            function.__code__ = code
        for name in {each.module for each in breaks}:
            for value in vars(importlib.import_module(name)).values():
                if isinstance(value, Again):
                    value.cache_clear()


def _codes(whole: CodeType) -> dict[str, CodeType]:
    """The code of each function of a module, by qualified name."""
    codes: dict[str, CodeType] = {}
    waiting = [whole]
    while waiting:
        code = waiting.pop()
        codes[code.co_qualname] = code
        waiting.extend(c for c in code.co_consts if isinstance(c, CodeType))
    return codes


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    for owner in (module, *_classes(module)):
        for value in vars(owner).values():
            inner = value.fget if isinstance(value, property) else value
            inner = inner.__func__ if isinstance(inner, staticmethod) else inner
            inner = inner.afresh if isinstance(inner, Again) else inner
            if isinstance(inner, FunctionType) and inner.__code__.co_filename == module.__file__:
                yield inner


def _classes(module: ModuleType) -> Iterator[type]:
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module.__name__:
            yield value
