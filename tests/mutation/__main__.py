"""`python -m tests.mutation [--sample N] [--seed K] [MODULE ...]`: mutants of the core against the
tests of its modules; survivors are printed, but for those that `survivors.txt` explains.

Each mutant is one operator, comparison, constant or condition done otherwise, in a copy of the
package. A long command, not part of the suite: a mutant takes as long as the tests that miss it.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[2]
EXPLAINED = Path(__file__).with_name("survivors.txt")
WITHIN_S = 300
CORE = "tests/core"
TESTS = {
    "reconcile": ("test_reconcile.py", "test_reconcile_properties.py", "test_decide.py"),
    "risk": ("test_risk.py", "test_decide.py"),
    "quoting": ("test_reconcile.py", "test_reconcile_properties.py"),
    "fills": ("test_fills.py", "test_settlement.py"),
    "ledger": ("test_ledger.py", "test_decide.py", "test_orders.py"),
    "liability": ("test_liability.py", "test_remember.py"),
    "exact": ("test_exact.py",),
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


def _shown(node: ast.AST) -> str:
    return ast.unparse(node).partition("\n")[0]


def _sites(tree: ast.AST) -> list[ast.AST]:
    return [node for node in ast.walk(tree) if _changes(node)]


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


def killed(mutant: Mutant) -> bool:
    """Whether a test of its module fails with it, or does not end."""
    with tempfile.TemporaryDirectory() as folder:
        for package in ("mm_bot", "tests"):
            shutil.copytree(ROOT / package, Path(folder) / package)
        shutil.copy(ROOT / "pyproject.toml", folder)
        (Path(folder) / "mm_bot/core" / f"{mutant.module}.py").write_text(mutant.source)
        files = [f"{CORE}/{name}" for name in TESTS[mutant.module]]
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=WITHIN_S)
        except subprocess.TimeoutExpired:
            return True
        return done.returncode != 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(TESTS))
    parser.add_argument("--sample", type=int, help="so many mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    chosen = parser.parse_args(arguments)
    every = [m for module in chosen.modules or TESTS for m in mutants(module)]
    if chosen.sample is not None:
        every = Random(chosen.seed).sample(every, min(chosen.sample, len(every)))
    known = {line.partition("  # ")[0] for line in EXPLAINED.read_text().splitlines()}
    survived = 0
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for mutant, dead in zip(every, pool.map(killed, every), strict=True):
            explained = f"{mutant.module}: {mutant.what}" in known
            if not dead and not explained:
                survived += 1
                print(f"survived {mutant.name}", flush=True)
    print(f"{len(every)} mutants, {survived} survived unexplained")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
