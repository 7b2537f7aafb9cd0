"""Keeps what the standard library compiles while modules are imported, from start to start.

`dataclasses` writes `__init__`, `__eq__` and the rest of every class as text and compiles it
whenever the class is made: of our 240 classes that is a quarter of a start. `typing` compiles each
type that stands in quotes, and `re` each pattern: a twentieth. Python keeps the code of modules in
`__pycache__`, but not this; it is kept there too, by the same rules: written where files may be,
ignored where it is broken, of this interpreter alone.

1. Code is found by the very text that it was compiled from: it cannot be stale.
2. Nothing depends on it. Without the file, and for text that is not in it, all goes its usual way.

`python -m mm_bot.generated_code` writes this and `kept_modules` ahead of any start, for an image.
"""

from __future__ import annotations

import dataclasses
import marshal
import sys
import threading
import typing
import zlib
from importlib import import_module
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from pkgutil import walk_packages
from types import CodeType, SimpleNamespace
from typing import Any, Final

from mm_bot import kept_modules

TEXTS_LIMIT: Final = 5_000
"""Beyond it what the last start had no use for is dropped: classes that were changed since."""
_SUM_BYTES: Final = 4
_NOT_OF_A_START: Final = ("mm_bot.backtest", "mm_bot.cli", "mm_bot.fleet")
_RE: Final = import_module("re._compiler")
_SRE: Final = vars(_RE)["_sre"]
_COMPILE_PATTERN: Final = vars(_RE)["compile"]

Key = str | tuple[str, str] | tuple[str | bytes, int]
"""The text of methods; `eval` and the text of a type; a pattern and its flags."""


class GeneratedCode:
    """Between `begin` and `end` such code comes out of `path`, and goes into it."""

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self._path = path
        self._writes = writes
        self._kept: dict[Key, Any] = {}
        self._used: dict[Key, Any] = {}
        self._asks = threading.local()
        self.compiled = 0
        """How many texts were not in the file."""

    def begin(self) -> None:
        """Read the file; what is broken in any way is none."""
        self._kept = _read(self._path)
        # A name of their modules comes before the built-in that they call.
        vars(dataclasses)["exec"] = self._run
        vars(typing)["compile"] = self._type
        vars(_RE)["compile"] = self._pattern
        vars(_RE)["_sre"] = SimpleNamespace(**{**vars(_SRE), "compile": self._noted})

    def end(self) -> None:
        """Forget it all, and write what was compiled; where that cannot be it is not."""
        vars(dataclasses).pop("exec", None)
        vars(typing).pop("compile", None)
        vars(_RE).update(compile=_COMPILE_PATTERN, _sre=_SRE)
        if self.compiled and self._writes:
            every = {**self._kept, **self._used}
            _write(self._path, every if len(every) <= TEXTS_LIMIT else self._used)
        self._kept, self._used = {}, {}

    def _run(
        self, text: str, names: dict[str, Any] | None = None, into: dict[str, Any] | None = None
    ) -> None:
        """As the built-in `exec`."""
        exec(self._compiled(text, text, "exec"), names, into)

    def _type(self, text: str, name: str, mode: str) -> CodeType:
        """As the built-in `compile`, as `typing` calls it."""
        return self._compiled((mode, text), text, mode)

    def _compiled(self, key: Key, text: str, mode: str) -> CodeType:
        code: CodeType | None = self._used.get(key) or self._kept.get(key)
        if code is None:
            # Not with the `annotations` of this file: they are values there.
            code = compile(text, "<string>", mode, dont_inherit=True)
            self.compiled += 1
        self._used[key] = code
        return code

    def _pattern(self, text: Any, flags: int = 0) -> object:
        """As `re` compiles what is not in its own cache."""
        if not isinstance(text, str | bytes):
            return _COMPILE_PATTERN(text, flags)  # in pieces
        key = (text, int(flags))
        made = self._used.get(key) or self._kept.get(key)
        if made is None:
            self._asks.key = key
            return _COMPILE_PATTERN(text, flags)
        self._used[key] = made
        return _SRE.compile(text, *made)

    def _noted(self, text: Any, flags: int, code: list[int], *groups: object) -> object:
        """As the last step of that."""
        if text is not None:
            # Of named numbers, which cannot be written.
            self._used[self._asks.key] = (int(flags), [int(each) for each in code], *groups)
            self.compiled += 1
        return _SRE.compile(text, flags, code, *groups)


def of_this_package() -> GeneratedCode:
    """Kept beside the bot's own compiled modules."""
    path = Path(cache_from_source(__file__)).with_suffix(".dataclasses")
    return GeneratedCode(path, writes=not sys.dont_write_bytecode)


def _read(path: Path) -> dict[Key, Any]:
    try:
        content = path.read_bytes()
        head = len(MAGIC_NUMBER) + _SUM_BYTES
        if content[:head] != _head(content[head:]):
            return {}
        found: dict[Key, Any] = marshal.loads(content[head:])
    except (OSError, ValueError, EOFError, TypeError):
        return {}
    return found


def _write(path: Path, codes: dict[Key, Any]) -> None:
    body = marshal.dumps(codes)
    kept_modules.replace_file(str(path), (_head(body), body))


def _head(body: bytes) -> bytes:
    return MAGIC_NUMBER + zlib.crc32(body).to_bytes(_SUM_BYTES, "big")


def _import_everything() -> None:
    """All that any start of a bot may import."""
    package = Path(__file__).parent
    for found in walk_packages([str(package)], f"{package.name}."):
        if not found.name.startswith(_NOT_OF_A_START) and not found.name.endswith("__main__"):
            import_module(found.name)


if __name__ == "__main__":
    modules, code = kept_modules.of_this_package(), of_this_package()
    modules.begin()
    code.begin()
    _import_everything()
    code.end()
    modules.end()
