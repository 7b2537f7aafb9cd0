"""What lines of the core each of its tests reaches, and how much CPU time it takes.

The tests run unchanged on a core that notes its lines. What a file of tests reaches is kept in
`.mutants` under a name that depends on that file and on all that is around it, so that a second run
measures only what has changed.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Protocol

import pytest

from tests.mutation.mutants import CORE, NOTES, ROOT, Mutant, modules, noting

PROFILE = "mutants"
TESTS = ROOT / "tests/core"
MADE = "tests/core/test_defaults.py"
KEPT = ROOT / ".mutants"
OPTIONS = (
    *("-q", "-x", "--tb=no", "-p", "no:cacheprovider"),
    *("--hypothesis-seed=0", f"--hypothesis-profile={PROFILE}"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # of what is imported beforehand
)


class TestsFailError(Exception):
    """They fail without any mutant; with what they said."""


class Cache(Protocol):
    def cache_clear(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Reached:
    """By test: the lines of each module that it reaches, and the CPU time it takes."""

    lines: Mapping[str, Mapping[str, frozenset[int]]]
    seconds: Mapping[str, float]

    def by(self, mutant: Mutant) -> list[str]:
        """The tests that may see it, the likeliest and quickest first: of what an import does those
        that look at what it made, of all modules."""
        met = {name: each.get(mutant.module, frozenset()) for name, each in self.lines.items()}
        found = [name for name, lines in met.items() if not lines.isdisjoint(mutant.around)]
        if mutant.function is None:
            made = {name for name in self.lines if name.startswith(MADE)}
            return [*made, *sorted(set(found) - made, key=lambda name: self.seconds[name])]
        away = {name: met[name].isdisjoint(mutant.lines) for name in found}
        return sorted(found, key=lambda name: (away[name], self.seconds[name], name))


def measured(jobs: int) -> Reached:
    """What of it is not kept from an earlier run is measured, in as many processes."""
    kept = _kept()
    files = [file for file in kept if not kept[file].exists()]
    files.sort(key=lambda file: file.stat().st_size)
    KEPT.mkdir(exist_ok=True)
    for old in set(KEPT.iterdir()) - set(kept.values()):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        parts = [files[first::jobs] for first in range(min(jobs, len(files)))]
        into = {_measuring(part, kept, Path(folder) / str(i)): i for i, part in enumerate(parts)}
        ended = {into[child]: os.waitpid(child, 0)[1] for child in into}
        for i, status in ended.items():
            if status:
                raise TestsFailError((Path(folder) / str(i)).read_text()[-3_000:])
    lines: dict[str, dict[str, frozenset[int]]] = {}
    seconds: dict[str, float] = {}
    for file in kept.values():
        more, times = json.loads(file.read_text())
        lines |= {t: {m: frozenset(ls) for m, ls in each.items()} for t, each in more.items()}
        seconds |= times
    return Reached(lines=lines, seconds=seconds)


def _kept() -> dict[Path, Path]:
    """By file of tests: where what it reaches is kept, named after all that this depends on."""
    tests = sorted(TESTS.glob("test_*.py"))
    around = {ROOT / "requirements.lock", *TESTS.glob("*.py"), *Path(__file__).parent.glob("*.py")}
    for package in ("mm_bot", "tests/sim"):
        around.update((ROOT / package).rglob("*.py"))
    common = sha256(sys.version.encode())
    for path in sorted(around - set(tests)):
        common.update(sha256(path.read_bytes()).digest())
    found = {}
    for path in tests:
        whole = common.copy()
        whole.update(path.name.encode() + path.read_bytes())
        found[path] = KEPT / f"{whole.hexdigest()}.json"
    return found


def _measuring(files: Sequence[Path], kept: Mapping[Path, Path], told: Path) -> int:
    """The number of a process that keeps what these tests reach; what it says goes there."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        quiet(str(told))
        noted = _Noting()
        code = int(pytest.main([*OPTIONS, *map(str, files)], plugins=[noted]))
        for file in () if code else files:
            mine = f"{file.relative_to(ROOT)}::"
            parts = [{n: v for n, v in d.items() if n.startswith(mine)} for d in noted.found]
            whole = kept[file].with_suffix(f".{os.getpid()}")
            whole.write_text(json.dumps(parts))
            whole.rename(kept[file])
    finally:
        os._exit(code)


class _Noting:
    """Notes what each test reaches: imports the core with a note before each statement."""

    def __init__(self) -> None:
        self.lines: dict[str, dict[str, list[int]]] = {}
        self.seconds: dict[str, float] = {}
        self.found: tuple[Mapping[str, object], ...] = (self.lines, self.seconds)
        self._met: dict[str, set[int]] = {module: set() for module in modules()}
        self._caches: list[Cache] = []
        code = {module: noting(module) for module in modules()}
        sys.meta_path.insert(0, Instead(code, self._met))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        for met in self._met.values():
            met.clear()
        self._caches = self._caches or caches()
        for cached in self._caches:
            cached.cache_clear()
        began = time.process_time()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.process_time() - began
            self.lines[item.nodeid] = {m: sorted(met) for m, met in self._met.items() if met}


def caches() -> list[Cache]:
    """Those of functions, the core's own kind too, by what they can do: nothing is imported."""
    return [e for e in gc.get_objects() if callable(getattr(type(e), "cache_clear", None))]


@dataclass(frozen=True, slots=True)
class Instead(MetaPathFinder, Loader):
    """Gives code for modules of the core where they are imported, and what it notes to."""

    code: Mapping[str, CodeType]
    notes: Mapping[str, set[int]] = field(default_factory=dict)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        mine = package == "mm_bot.core" and name in self.code
        return spec_from_file_location(fullname, CORE / f"{name}.py", loader=self) if mine else None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__.rpartition(".")[2]
        module.__dict__[NOTES] = self.notes.get(name)
        exec(self.code[name], module.__dict__)


def quiet(into: str = os.devnull) -> None:
    instead = os.open(into, os.O_WRONLY | os.O_CREAT, 0o600)
    for output in (1, 2):
        os.dup2(instead, output)
