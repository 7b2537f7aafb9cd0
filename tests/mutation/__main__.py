"""`python -m tests.mutation [--sample N] [--seed K] [MODULE ...]`: mutants of the core against the
tests of its modules; survivors are printed, but for those that `survivors.txt` explains.

Each mutant is one operator, comparison, constant or condition done otherwise, in a process of its
own that is given its source for the module's. A long command, not part of the suite: a mutant takes
as long as the tests that miss it.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
EXPLAINED = Path(__file__).with_name("survivors.txt")
WITHIN_S = 300
CORE = "tests/core"
OPTIONS = (
    *("-q", "-x", "-p", "no:cacheprovider", "--hypothesis-seed=0"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # of what is imported beforehand
)
TESTS = {
    "reconcile": ("test_reconcile.py", "test_reconcile_properties.py", "test_decide.py"),
    "slots": ("test_reconcile.py", "test_reconcile_properties.py", "test_fast_paths.py"),
    "risk": ("test_risk.py", "test_decide.py"),
    "quoting": ("test_reconcile.py", "test_reconcile_properties.py"),
    "fills": ("test_fills.py", "test_settlement.py", "test_late_rows.py"),
    "ledger": ("test_ledger.py", "test_decide.py", "test_orders.py"),
    "liability": ("test_liability.py", "test_remember.py", "test_decide.py"),
    "exact": ("test_exact.py", "test_orders.py"),
}
COMPARES: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(), ast.LtE: ast.Lt(), ast.Gt: ast.GtE(), ast.GtE: ast.Gt(),
    ast.Eq: ast.NotEq(), ast.NotEq: ast.Eq(), ast.Is: ast.IsNot(), ast.IsNot: ast.Is(),
    ast.In: ast.NotIn(), ast.NotIn: ast.In(),
}  # fmt: skip
OPERATORS: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(), ast.Sub: ast.Add(), ast.Mult: ast.Add(),
}  # fmt: skip
WORDS: dict[type[ast.boolop], ast.boolop] = {ast.And: ast.Or(), ast.Or: ast.And()}


@dataclass(frozen=True, slots=True)
class Mutant:
    module: str
    line: int
    what: str
    source: str

    @property
    def name(self) -> str:
        return f"{self.module}:{self.line}: {self.what}"


def mutants(module: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its source."""
    text = (ROOT / "mm_bot/core" / f"{module}.py").read_text()
    for index in range(len(_sites(ast.parse(text)))):
        tree = ast.parse(text)
        node = _sites(tree)[index]
        before = _shown(node)
        _change(node)
        what = f"{before} -> {_shown(node)}"
        yield Mutant(module, getattr(node, "lineno", 0), what, ast.unparse(tree))


def _unchanged(module: str) -> Mutant:
    text = (ROOT / "mm_bot/core" / f"{module}.py").read_text()
    return Mutant(module, 0, "as it is", text)


def _shown(node: ast.AST) -> str:
    return ast.unparse(node).partition("\n")[0]


def _sites(tree: ast.AST) -> list[ast.AST]:
    """What can be done otherwise; how a class is made (its decorators) is not behaviour."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    made = {n for each in classes for d in each.decorator_list for n in ast.walk(d)}
    return [node for node in ast.walk(tree) if _changes(node) and node not in made]


def _changes(node: ast.AST) -> bool:
    match node:
        case ast.Compare():
            return type(node.ops[0]) in COMPARES
        case ast.BinOp():
            return type(node.op) in OPERATORS
        case ast.Constant():
            return type(node.value) in (int, bool)
    return isinstance(node, ast.BoolOp | ast.If | ast.IfExp | ast.While)


def _change(node: ast.AST) -> None:
    match node:
        case ast.Compare():
            node.ops[0] = COMPARES[type(node.ops[0])]
        case ast.BinOp():
            node.op = OPERATORS[type(node.op)]
        case ast.BoolOp():
            node.op = WORDS[type(node.op)]
        case ast.If() | ast.IfExp() | ast.While():
            node.test = ast.UnaryOp(op=ast.Not(), operand=node.test)
        case ast.Constant(value=bool()):
            node.value = not node.value
        case ast.Constant(value=int() as value):
            node.value = value + 1


@dataclass(frozen=True, slots=True)
class _Instead(MetaPathFinder, Loader):
    """Gives the mutant's source where its module is imported."""

    mutant: Mutant

    @property
    def _name(self) -> str:
        return f"mm_bot.core.{self.mutant.module}"

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return spec_from_loader(fullname, self) if fullname == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.mutant.source, self._name, "exec"), module.__dict__)


def verdicts(every: Sequence[Mutant]) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant, in the order in which they end, and whether a test of its module fails with it,
    or does not end."""
    for name in ("hypothesis.strategies", "integration_harness.stack.up"):
        importlib.import_module(name)  # what takes long and knows nothing of the bot
    running: dict[int, Mutant] = {}
    waiting = list(reversed(every))
    while waiting or running:
        while waiting and len(running) < len(os.sched_getaffinity(0)):
            mutant = waiting.pop()
            running[_started(mutant)] = mutant
        ended, status = os.wait()
        yield running.pop(ended), status != 0


def _started(mutant: Mutant) -> int:
    """The number of a process that ends with 0 where every test passes."""
    child = os.fork()
    if child:
        return child
    signal.alarm(WITHIN_S)  # ends it
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(nowhere, output)
    code = 1
    try:
        sys.meta_path.insert(0, _Instead(mutant))
        files = [str(ROOT / CORE / name) for name in TESTS[mutant.module]]
        code = int(pytest.main([*OPTIONS, *files]))
    finally:
        os._exit(code)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(TESTS))
    parser.add_argument("--sample", type=int, help="so many mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    chosen = parser.parse_args(arguments)
    every = [m for module in chosen.modules or TESTS for m in mutants(module)]
    if chosen.sample is not None:
        every = Random(chosen.seed).sample(every, min(chosen.sample, len(every)))
    for whole, dead in verdicts([_unchanged(module) for module in {m.module: m for m in every}]):
        if dead:
            print(f"the tests of {whole.module} fail without any mutant", file=sys.stderr)
            return 1
    known = {line.partition("  # ")[0] for line in EXPLAINED.read_text().splitlines()}
    survived = 0
    for mutant, dead in verdicts(every):
        explained = f"{mutant.module}: {mutant.what}" in known
        if not dead and not explained:
            survived += 1
            print(f"survived {mutant.name}", flush=True)
    print(f"{len(every)} mutants, {survived} survived unexplained")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
