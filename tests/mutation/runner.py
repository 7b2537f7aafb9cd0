"""Runs mutants: the core's tests are collected once, and each mutant has a fork of that.

A mutant is run against the tests that reach its function alone (`reach.py`), first those that were
seen at its statement, the quickest first, until one fails. In its fork the function's code is
replaced where it is, so that whatever has imported the function has the mutant. What an import does
once is imported anew, in a process that has no module of the core yet. A mutant may use up so much
CPU time, whatever else the machine does, before it counts as endless.
"""

from __future__ import annotations

import functools
import gc
import importlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import NoReturn

import hypothesis
import pytest

from tests.mutation.mutants import CORE, ROOT, Mutant, codes
from tests.mutation.reach import (
    OPTIONS,
    PROFILE,
    TESTS,
    Instead,
    Reached,
    TestsFailError,
    caches,
    measured,
    quiet,
)

MEMORY_BYTES = 4 << 30
KILLED, SURVIVED, UNREACHED, ENDLESS = "killed", "survived", "unreached", "endless"
Report = Callable[[Mutant, str], None]


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
    reached = measured(jobs)
    print(f"{len(reached.lines)} tests; measured in {time.monotonic() - began:.0f} s", flush=True)
    inside = [mutant for mutant in every if mutant.function is not None]
    _in_fork_of_collected(inside, reached, jobs, report)
    once = [mutant for mutant in every if mutant.function is None]
    _fork_each(once, reached, jobs, report, _run_anew)


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
            quiet()
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
        places, known = _functions(), caches()
        gc.freeze()

        def started(mutant: Mutant, names: Sequence[str]) -> None:
            for function, code in codes(mutant, places):
                function.__code__ = code
            for cached in known:
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


@dataclass(frozen=True, slots=True)
class _Only:
    """The tests of these names, in this order."""

    names: Sequence[str]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        by_name = {item.nodeid: item for item in items}
        items[:] = [by_name[name] for name in self.names if name in by_name]


def _run_anew(mutant: Mutant, names: Sequence[str]) -> None:
    """A file of tests after the other: most mutants need but the first."""
    sys.meta_path.insert(0, Instead({mutant.module: mutant.code()}))
    files: dict[str, list[str]] = {}
    for name in names:
        files.setdefault(name.partition("::")[0], []).append(name)
    for file, mine in files.items():
        if pytest.main([*OPTIONS, str(ROOT / file)], plugins=[_Only(mine)]):
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
            _as_child(functools.partial(run_in_child, mutant, names), 20 + int(5 * seconds))
        running[child] = mutant
    while running:
        _await_one(running, report)


def _await_one(running: dict[int, Mutant], report: Report) -> None:
    ended, status = os.wait()
    endless = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGALRM)
    report(running.pop(ended), ENDLESS if endless else KILLED if status else SURVIVED)


def _as_child(work: Callable[[], None], cpu_seconds: int) -> NoReturn:
    """Ends with 0 where every test passes."""
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 10))
        signal.alarm(60 * cpu_seconds)  # of what only waits
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        quiet()
        work()
        code = 0
    finally:
        os._exit(code)
