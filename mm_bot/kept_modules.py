"""Keeps the compiled modules of a start in one file, instead of looking for each and opening it.

A start imports some 500 modules. Python asks the folders of the path for each of them, and opens,
checks and reads a file of `__pycache__` for each: an eighth of a start. Here one file holds them
all. A module of it is taken only where Python itself would find that very file, unchanged:

1. The first folder of the path that has anything of that name is the one where it was found, and
   has the same of that name as then (no folder beside the file, no compiled extension).
2. Size and time of its source are those of then: the rule of `__pycache__`.

Otherwise, and where the file is broken in any way, Python finds the module as ever. The file is
written by the rules of compiled modules: where that may be, for this interpreter alone.
"""

from __future__ import annotations

import marshal
import mmap
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec, SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source
from types import CodeType, ModuleType
from typing import Final, NamedTuple

_NUMBER_BYTES: Final = 4
_HEAD_BYTES: Final = len(MAGIC_NUMBER) + 2 * _NUMBER_BYTES
"""The interpreter's number, the length of the index and its checksum."""
_BROKEN: Final = (OSError, ValueError, EOFError, TypeError)
_Bytes = memoryview | bytes


class _Origin(NamedTuple):
    """Where Python found a module."""

    source: str
    is_package: bool
    cached: str | None
    """Its file in `__pycache__`; None of a compiled extension."""
    folder: str
    """Of the path."""
    beside: tuple[str, ...]
    """What that folder has of the module's name, in order."""
    changed_s: int
    """When the source was last changed, since 1970."""
    source_bytes: int


class _Loader(SourceFileLoader):
    """Has the code already; of later questions everything is as ever."""

    code: _Bytes | None = None

    def get_code(self, fullname: str) -> CodeType | None:
        code, self.code = self.code, None
        if code is not None:
            try:
                made = marshal.loads(code)
            except _BROKEN:
                made = None
            if isinstance(made, CodeType):
                return made
        return super().get_code(fullname)


class KeptModules:
    """Between `begin` and `end` modules come out of `path`, and go into it."""

    def __init__(self, path: str, *, writes: bool = True, roots: Sequence[str] = ()) -> None:
        """Only what lies beneath `roots` is kept: where none are given the interpreter, what is
        installed for it, and this package."""
        self._path = path
        self._writes = writes
        self._roots = tuple(roots) or (sys.prefix, sys.base_prefix, os.path.dirname(__file__))
        self._file: _Bytes = b""
        self._kept: dict[str, tuple[_Origin, int, int]] = {}
        """With where in the file its code begins, and how long that is."""
        self._listings: dict[str, dict[str, tuple[str, ...]]] = {}
        self._missed: dict[str, tuple[str, ...]] = {}
        """What was not in the file, and the path on which Python looked for it."""
        self.taken = 0
        """How many modules came out of the file."""

    def begin(self) -> None:
        """Open the file; what is broken in any way is none."""
        try:
            with open(self._path, "rb") as file:
                # Unmapped by itself, with the last module that was found in it and never loaded.
                self._file = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
            self._kept = _index(self._file)
        except _BROKEN:
            self._kept = {}
        sys.meta_path.insert(0, self)

    def end(self) -> None:
        """Forget it all, and write what was imported and is not in the file; where that cannot be
        it is not."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        self._listings = {}
        new = dict(self._new()) if self._writes else {}
        if new:
            old = {name: (kept[0], self._code(*kept[1:])) for name, kept in self._kept.items()}
            _write(self._path, {**old, **new})
        self._file, self._kept, self._listings, self._missed = b"", {}, {}, {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """As every finder of `sys.meta_path`."""
        places = sys.path if path is None else path
        if fullname in self._kept:
            kept, begins, length = self._kept[fullname]
            if self._origin(fullname, places, *kept[:3]) == kept:
                self.taken += 1
                return self._spec(fullname, kept, begins, length)
        self._missed[fullname] = tuple(places)
        return None

    def _spec(self, name: str, kept: _Origin, begins: int, length: int) -> ModuleSpec:
        if kept.cached is None:
            loader: SourceFileLoader | ExtensionFileLoader = ExtensionFileLoader(name, kept.source)
        else:
            loader = _Loader(name, kept.source)
            loader.code = self._code(begins, length)
        spec = ModuleSpec(name, loader, origin=kept.source, is_package=kept.is_package)
        spec.has_location = True
        spec.cached = kept.cached
        if kept.is_package:
            spec.submodule_search_locations = [os.path.dirname(kept.source)]
        return spec

    def _code(self, begins: int, length: int) -> _Bytes:
        return self._file[begins : begins + length]

    def _origin(
        self, name: str, places: Iterable[str], source: str, is_package: bool, cached: str | None
    ) -> _Origin | None:
        """Of the file that a module was found in, as all of that is now; None where it is gone."""
        stem = name.rpartition(".")[2]
        folder = ""
        beside: tuple[str, ...] = ()
        for folder in places:
            beside = self._beside(folder, stem)
            if beside:
                break
        try:
            stat = os.stat(source)
        except OSError:
            return None
        return _Origin(source, is_package, cached, folder, beside, int(stat.st_mtime), stat.st_size)

    def _beside(self, folder: str, stem: str) -> tuple[str, ...]:
        if folder not in self._listings:
            self._listings[folder] = _listing(folder)
        return self._listings[folder].get(stem, ())

    def _new(self) -> Iterator[tuple[str, tuple[_Origin, bytes]]]:
        for name, places in self._missed.items():
            spec = getattr(sys.modules.get(name), "__spec__", None)
            if spec is None or spec.origin is None or not spec.origin.startswith(self._roots):
                continue
            is_package = spec.submodule_search_locations is not None
            try:
                code, cached = _compiled(spec.loader, name), spec.cached
            except (*_BROKEN, ImportError, SyntaxError):
                continue  # of another kind, or changed since
            origin = self._origin(name, places, spec.origin, is_package, cached if code else None)
            home = os.path.dirname(spec.origin)
            if origin and origin.folder == (os.path.dirname(home) if is_package else home):
                yield name, (origin, code)


def of_this_package() -> KeptModules:
    """Kept beside the bot's own compiled modules."""
    path = cache_from_source(__file__).removesuffix(".pyc") + ".modules"
    return KeptModules(path, writes=not sys.dont_write_bytecode)


def _compiled(loader: object, name: str) -> bytes:
    """A module's code; nothing for an extension. Raises TypeError for any other."""
    if type(loader) is ExtensionFileLoader:
        return b""
    if not isinstance(loader, SourceFileLoader):
        raise TypeError(name)
    return marshal.dumps(loader.get_code(name))


def _listing(folder: str) -> dict[str, tuple[str, ...]]:
    """What it has, by what comes before the first dot."""
    try:
        names = sorted(os.listdir(folder or os.curdir))
    except OSError:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        stem = name.partition(".")[0]
        found[stem] = (*found[stem], name) if stem in found else (name,)
    return found


def _index(file: _Bytes) -> dict[str, tuple[_Origin, int, int]]:
    """Raises one of `_BROKEN`."""
    head = bytes(file[:_HEAD_BYTES])
    length = int.from_bytes(head[len(MAGIC_NUMBER) : -_NUMBER_BYTES], "big")
    index = bytes(file[_HEAD_BYTES : _HEAD_BYTES + length])
    if head != _head(index):
        raise ValueError("it is of another interpreter, or cut")
    begins = _HEAD_BYTES + length
    kept = {}
    for name, origin, code_bytes in marshal.loads(index):
        kept[name] = (_Origin(*origin), begins, code_bytes)
        begins += code_bytes
    if begins != len(file):
        raise ValueError("it is cut")
    return kept


def _write(path: str, modules: Mapping[str, tuple[_Origin, _Bytes]]) -> None:
    index = marshal.dumps(
        [(name, tuple(origin), len(code)) for name, (origin, code) in modules.items()]
    )
    replace_file(path, (_head(index), index, *(code for _, code in modules.values())))


def replace_file(path: str, content: Iterable[_Bytes]) -> None:
    """The file with that content, whole or as it was before; where it cannot be written it is not,
    as compiled modules are not."""
    folder, own = os.path.split(path)
    beside = f"{path}.{os.getpid()}"
    try:
        for name in os.listdir(folder):
            if name.startswith(f"{own}."):  # of one that was killed while it wrote, or of a rival
                os.unlink(os.path.join(folder, name))
        with open(beside, "wb") as file:
            file.writelines(content)
        os.replace(beside, path)
    except OSError:
        return  # a folder that only others may write to


def _head(index: bytes) -> bytes:
    numbers = (len(index), zlib.crc32(index))
    return MAGIC_NUMBER + b"".join(n.to_bytes(_NUMBER_BYTES, "big") for n in numbers)
