"""Keeps the methods that `dataclass` writes for each class compiled, from one start to the next.

`dataclasses` writes `__init__`, `__eq__` and the rest of every class as text and compiles it
whenever the class is made: of our 240 classes that is a quarter of a start. Python keeps the code
of modules in `__pycache__`, but not this; it is kept there too, by the same rules: written where
files may be, ignored where it is broken, of this interpreter alone.

1. Code is found by the very text that it was compiled from: it cannot be stale.
2. Nothing depends on it. Without the file, and for text that is not in it, all goes its usual way.

`python -m mm_bot.generated_code` writes the file ahead of any start, for an image.
"""

from __future__ import annotations

import dataclasses
import marshal
import os
import sys
import zlib
from importlib import import_module
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from pkgutil import walk_packages
from types import CodeType
from typing import Any, Final

TEXTS_LIMIT: Final = 5_000
"""Beyond it what the last start had no use for is dropped: classes that were changed since."""
_SUM_BYTES: Final = 4
_NOT_OF_A_START: Final = ("mm_bot.backtest", "mm_bot.cli", "mm_bot.fleet")
_HOOK: Final = "exec"
"""What `dataclasses` calls to run such a text; a name of its module comes before the built-in."""


class GeneratedCode:
    """Between `begin` and `end` such code comes out of `path`, and goes into it."""

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self._path = path
        self._writes = writes
        self._kept: dict[str, CodeType] = {}
        self._used: dict[str, CodeType] = {}
        self.compiled = 0
        """How many texts were not in the file."""

    def begin(self) -> None:
        """Read the file; what is broken in any way is none."""
        self._kept = _read(self._path)
        vars(dataclasses)[_HOOK] = self._run

    def end(self) -> None:
        """Forget it all, and write what was compiled; where that cannot be it is not."""
        vars(dataclasses).pop(_HOOK, None)
        if self.compiled and self._writes:
            every = {**self._kept, **self._used}
            _write(self._path, every if len(every) <= TEXTS_LIMIT else self._used)
        self._kept, self._used = {}, {}

    def _run(
        self, text: str, names: dict[str, Any] | None = None, into: dict[str, Any] | None = None
    ) -> None:
        """As the built-in `exec`."""
        code = self._used.get(text) or self._kept.get(text)
        if code is None:
            # Not with the `annotations` of this file: they are values there.
            code = compile(text, "<string>", "exec", dont_inherit=True)
            self.compiled += 1
        self._used[text] = code
        exec(code, names, into)


def of_this_package() -> GeneratedCode:
    """Kept beside the bot's own compiled modules."""
    path = Path(cache_from_source(__file__)).with_suffix(".dataclasses")
    return GeneratedCode(path, writes=not sys.dont_write_bytecode)


def _read(path: Path) -> dict[str, CodeType]:
    try:
        content = path.read_bytes()
        head = len(MAGIC_NUMBER) + _SUM_BYTES
        if content[:head] != _head(content[head:]):
            return {}
        found: dict[str, CodeType] = marshal.loads(content[head:])
    except (OSError, ValueError, EOFError, TypeError):
        return {}
    return found


def _write(path: Path, codes: dict[str, CodeType]) -> None:
    body = marshal.dumps(codes)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(_head(body) + body)
        beside.replace(path)
    except OSError:
        return  # a folder that only others may write to: as with compiled modules


def _head(body: bytes) -> bytes:
    return MAGIC_NUMBER + zlib.crc32(body).to_bytes(_SUM_BYTES, "big")


def _import_everything() -> None:
    """All that any start of a bot may import."""
    package = Path(__file__).parent
    for found in walk_packages([str(package)], f"{package.name}."):
        if not found.name.startswith(_NOT_OF_A_START) and not found.name.endswith("__main__"):
            import_module(found.name)


if __name__ == "__main__":
    code = of_this_package()
    code.begin()
    _import_everything()
    code.end()
