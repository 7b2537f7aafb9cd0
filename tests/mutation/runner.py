"""Runs mutants: the core's tests are collected once, and each mutant has a fork of that.

First the tests run unchanged, and tell which lines each of them reaches. A mutant is then run
against the tests that reach its function alone, first those that were seen at its statement, the
quickest first, until one fails. In its fork the function's code is replaced where it is, so that
whatever has imported the function has the mutant. What an import does once is imported anew, in a
process that has no module of the core yet.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NoReturn

import hypothesis
import pytest

from mm_bot.core.again import Again
from tests.mutation.mutants import CORE, NOTES, ROOT, Mutant, codes, modules, noting

PROFILE = "mutants"
TESTS = ROOT / "tests/core"
OPTIONS = (
    *("-q", "-x", "--tb=no", "-p", "no:cacheprovider"),
    *("--hypothesis-seed=0", f"--hypothesis-profile={PROFILE}"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # of what is imported beforehand
)
MEMORY_BYTES = 4 << 30
KILLED, SURVIVED, UNREACHED, ENDLESS = "killed", "survived", "unreached", "endless"
Report = Callable[[Mutant, str], None]


class TestsFailError(Exception):
    """They fail without any mutant; with what they said."""


@dataclass(frozen=True, slots=True)
class Reached:
    """By test: the lines of each module that it reaches, and how long it takes."""

    lines: Mapping[str, Mapping[str, frozenset[int]]]
    seconds: Mapping[str, float]

    def by(self, mutant: Mutant) -> list[str]:
        """The tests that may see it, the likeliest and quickest first."""
        met = {name: each.get(mutant.module, frozenset()) for name, each in self.lines.items()}
        found = [name for name, lines in met.items() if not lines.isdisjoint(mutant.around)]
        away = {name: met[name].isdisjoint(mutant.lines) for name in found}
        return sorted(found, key=lambda name: (away[name], self.seconds[name], name))


def run(every: Sequence[Mutant], jobs: int, report: Report) -> None:
    """Reports each mutant as it ends. Raises TestsFailError."""
    hypothesis.settings.register_profile(
        PROFILE,
        deadline=None,
        database=None,
        suppress_health_check=tuple(hypothesis.HealthCheck),
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),  # nobody reads an example
    )
    for name in ("hypothesis.strategies", "integration_harness.stack.up"):
        importlib.import_module(name)  # what takes long and knows nothing of the core
    began = time.monotonic()
    reached = _measured(jobs)
    print(f"{len(reached.lines)} tests measured in {time.monotonic() - began:.0f} s", flush=True)
    inside = [mutant for mutant in every if mutant.function is not None]
    _in_fork_of_collected(inside, reached, jobs, report)
    once = [mutant for mutant in every if mutant.function is None]
    _fork_each(once, reached, jobs, report, _run_anew)


def _measured(jobs: int) -> Reached:
    """The tests' files run in as many processes."""
    files = sorted(TESTS.glob("test_*.py"), key=lambda file: file.stat().st_size)
    lines: dict[str, dict[str, frozenset[int]]] = {}
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        parts = [files[first::jobs] for first in range(min(jobs, len(files)))]
        running = {_measuring(part, Path(folder) / str(i)): i for i, part in enumerate(parts)}
        ended = {running[child]: os.waitpid(child, 0)[1] for child in running}
        for i, status in ended.items():
            if status:
                raise TestsFailError((Path(folder) / f"{i}.out").read_text()[-3_000:])
            more, times = json.loads((Path(folder) / str(i)).read_text())
            lines |= {t: {m: frozenset(ls) for m, ls in each.items()} for t, each in more.items()}
            seconds |= times
    return Reached(lines=lines, seconds=seconds)


def _measuring(files: Sequence[Path], into: Path) -> int:
    """The number of a process that writes there what these tests reach."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        _quiet(f"{into}.out")
        noted = _Noting()
        code = int(pytest.main([*OPTIONS, *map(str, files)], plugins=[noted]))
        into.write_text(json.dumps([noted.lines, noted.seconds]))
    finally:
        os._exit(code)


class _Noting:
    """Notes what each test reaches: imports the core with a note before each statement."""

    def __init__(self) -> None:
        self.lines: dict[str, dict[str, list[int]]] = {}
        self.seconds: dict[str, float] = {}
        self._met: dict[str, set[int]] = {module: set() for module in modules()}
        self._caches: list[functools._lru_cache_wrapper[Any] | Again[..., Any]] = []
        code = {module: noting(module) for module in modules()}
        sys.meta_path.insert(0, _Instead(code, self._met))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        for met in self._met.values():
            met.clear()
        self._caches = self._caches or _caches()
        for cached in self._caches:
            cached.cache_clear()
        began = time.perf_counter()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.perf_counter() - began
            self.lines[item.nodeid] = {m: sorted(met) for m, met in self._met.items() if met}


def _in_fork_of_collected(
    every: Sequence[Mutant], reached: Reached, jobs: int, report: Report
) -> None:
    """Collects the tests in a process of its own, so that this one never imports the core."""
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        os.close(told)
        verdicts = os.fdopen(tell, "w", buffering=1)
        numbers = {id(mutant): number for number, mutant in enumerate(every)}

        def report_to_parent(mutant: Mutant, verdict: str) -> None:
            verdicts.write(f"{numbers[id(mutant)]} {verdict}\n")

        code = 1
        try:
            _quiet()
            plugin = _ForkEach(every, reached, jobs, report_to_parent)
            code = int(pytest.main([*OPTIONS, str(TESTS)], plugins=[plugin]))
        finally:
            os._exit(code)
    os.close(tell)
    with os.fdopen(told) as lines:
        for line in lines:
            number, _, verdict = line.strip().partition(" ")
            report(every[int(number)], verdict)
    if os.waitpid(child, 0)[1]:
        raise TestsFailError("they cannot be collected")


@dataclass(frozen=True, slots=True)
class _ForkEach:
    """Instead of the tests, runs each mutant on what was collected."""

    every: Sequence[Mutant]
    reached: Reached
    jobs: int
    report: Report

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        places, caches = _functions(), _caches()
        gc.freeze()

        def started(mutant: Mutant, names: Sequence[str]) -> None:
            for function, code in codes(mutant, places):
                function.__code__ = code
            for cached in caches:
                cached.cache_clear()
            chosen = [items[name] for name in names]
            for item, after in zip(chosen, [*chosen[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
                if session.testsfailed:
                    os._exit(1)

        _fork_each(self.every, self.reached, self.jobs, self.report, started)
        return True


def _functions() -> dict[tuple[str, str, int], list[FunctionType]]:
    """Those of the core, by module, qualified name and first line."""
    modules = {str(path): path.stem for path in CORE.glob("*.py")}
    found: dict[tuple[str, str, int], list[FunctionType]] = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__code__.co_filename in modules:
            code = each.__code__
            key = (modules[code.co_filename], code.co_qualname, code.co_firstlineno)
            found.setdefault(key, []).append(each)
    return found


def _caches() -> list[functools._lru_cache_wrapper[Any] | Again[..., Any]]:
    every = gc.get_objects()
    return [e for e in every if isinstance(e, functools._lru_cache_wrapper | Again)]


@dataclass(frozen=True, slots=True)
class _Instead(MetaPathFinder, Loader):
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


@dataclass(frozen=True, slots=True)
class _Only:
    """The tests of these names, in this order."""

    names: Sequence[str]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        by_name = {item.nodeid: item for item in items}
        items[:] = [by_name[name] for name in self.names if name in by_name]


def _run_anew(mutant: Mutant, names: Sequence[str]) -> None:
    sys.meta_path.insert(0, _Instead({mutant.module: mutant.code()}))
    if pytest.main([*OPTIONS, str(TESTS)], plugins=[_Only(names)]):
        os._exit(1)


def _fork_each(
    every: Sequence[Mutant],
    reached: Reached,
    jobs: int,
    report: Report,
    run_in_child: Callable[[Mutant, Sequence[str]], None],
) -> None:
    running: dict[int, Mutant] = {}
    for mutant in every:
        names = reached.by(mutant)
        if not names:
            report(mutant, UNREACHED)
            continue
        if len(running) == jobs:
            _await_one(running, report)
        child = os.fork()
        if not child:
            seconds = sum(reached.seconds[name] for name in names)
            _as_child(functools.partial(run_in_child, mutant, names), 60 + int(20 * seconds))
        running[child] = mutant
    while running:
        _await_one(running, report)


def _await_one(running: dict[int, Mutant], report: Report) -> None:
    ended, status = os.wait()
    endless = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
    report(running.pop(ended), ENDLESS if endless else KILLED if status else SURVIVED)


def _as_child(work: Callable[[], None], within_seconds: int) -> NoReturn:
    """Ends with 0 where every test passes."""
    code = 1
    try:
        signal.alarm(within_seconds)  # ends it
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        _quiet()
        work()
        code = 0
    finally:
        os._exit(code)


def _quiet(into: str = os.devnull) -> None:
    instead = os.open(into, os.O_WRONLY | os.O_CREAT, 0o600)
    for output in (1, 2):
        os.dup2(instead, output)
