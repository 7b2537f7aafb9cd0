"""Mutants of the core: one operator, comparison, constant, condition or call done otherwise.

Every module of `mm_bot/core` is taken. A mutant is named after its function and what is changed
there, without line numbers, so that its explanation outlives a change elsewhere. Left out is what
cannot be seen from outside: how a class is made and what a function keeps (their decorators), and
`strict` of a `zip`, which never differs while lengths agree. Texts are never changed.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

ROOT = Path(__file__).parents[2]
CORE = ROOT / "mm_bot/core"
COMPARES: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(), ast.LtE: ast.Lt(), ast.Gt: ast.GtE(), ast.GtE: ast.Gt(),
    ast.Eq: ast.NotEq(), ast.NotEq: ast.Eq(), ast.Is: ast.IsNot(), ast.IsNot: ast.Is(),
    ast.In: ast.NotIn(), ast.NotIn: ast.In(),
}  # fmt: skip
OPERATORS: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(), ast.Sub: ast.Add(), ast.Mult: ast.Add(), ast.FloorDiv: ast.Mult(),
    ast.Div: ast.Mult(), ast.BitOr: ast.BitAnd(), ast.BitAnd: ast.BitOr(), ast.Mod: ast.Mult(),
}  # fmt: skip
WORDS: dict[type[ast.boolop], ast.boolop] = {ast.And: ast.Or(), ast.Or: ast.And()}
CALLS = {
    "min": "max", "max": "min", "any": "all", "all": "any", "add": "subtract", "subtract": "add",
}  # fmt: skip
"""The last two are the core's own exact operators, where the module has both."""
_SMALL = (ast.Constant, ast.Continue, ast.Break)
LARGE = 10
NOTES = "notes_of_lines"
"""Of a module that notes what is reached: a set."""
Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Function | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Mutant:
    module: str
    name: str
    """Of what is changed, and in which function."""
    line: int
    lines: range
    """Of the statement, but for the body below it."""
    around: range
    """Of the outermost function around it, else of the whole module."""
    function: tuple[str, int] | None
    """Qualified name and first line of the outermost function around it; None for what an import
    does once."""
    index: int
    """Which of the module's sites."""

    def code(self) -> CodeType:
        """Of the whole module."""
        path = CORE / f"{self.module}.py"
        tree = ast.parse(path.read_text())
        site = _sites(tree)[self.index]
        _change(site.node, site.around[-1], named=site.is_named)
        return compile(ast.fix_missing_locations(tree), str(path), "exec")


@dataclass(frozen=True, slots=True)
class _Site:
    """A node that can be done otherwise, and what is around it, outermost first."""

    node: ast.AST
    around: tuple[ast.AST, ...]

    @property
    def scopes(self) -> tuple[Scope, ...]:
        return tuple(n for n in self.around if isinstance(n, Scope))

    @property
    def function(self) -> tuple[str, int] | None:
        """None also for a function's default values."""
        names: list[str] = []
        for outer, inner in zip(self.around, (*self.around[1:], self.node), strict=True):
            if isinstance(outer, Scope):
                names.append(outer.name)
            if isinstance(outer, Function) and inner in outer.body:
                first = min(n.lineno for n in (outer, *outer.decorator_list))
                return ".".join(names), first
        return None

    @property
    def outermost(self) -> range:
        """Lines of the function that `function` names."""
        found = next(n for n in self.around if isinstance(n, Function))
        return range(found.lineno, (found.end_lineno or found.lineno) + 1)

    @property
    def lines(self) -> range:
        """A test that reached none of them cannot see the difference."""
        statement = next(n for n in reversed((*self.around, self.node)) if isinstance(n, ast.stmt))
        body = getattr(statement, "body", None)
        last = statement.end_lineno or statement.lineno
        return range(statement.lineno, body[0].lineno if body else last + 1)

    def told(self) -> tuple[str, str]:
        """What is there before and after it is changed; a constant alone would say little."""
        shown = self.around[-1] if isinstance(self.node, _SMALL) else self.node
        copies: dict[int, Any] = {}
        changed = copy.deepcopy(shown, copies)
        _change(copies[id(self.node)], copies.get(id(self.around[-1])), named=self.is_named)
        before, after = (ast.unparse(each).partition("\n")[0] for each in (shown, changed))
        if isinstance(self.node, ast.Break | ast.Continue):
            words = ("break", "continue")
            left, right = words if isinstance(self.node, ast.Break) else reversed(words)
            return f"{before} {left}", f"{after} {right}"
        return before, after

    @property
    def is_named(self) -> bool:
        """Whether it stands outside of functions."""
        return self.function is None


def modules() -> tuple[str, ...]:
    return tuple(sorted(p.stem for p in CORE.glob("*.py") if p.stem != "__init__"))


def mutants(module: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its source."""
    text = (CORE / f"{module}.py").read_text()
    seen: Counter[str] = Counter()
    for index, site in enumerate(_sites(ast.parse(text))):
        before, after = site.told()
        what = f"{'.'.join((module, *(s.name for s in site.scopes)))}: {before} -> {after}"
        seen[what] += 1
        yield Mutant(
            module=module,
            name=what if seen[what] == 1 else f"{what} #{seen[what]}",
            line=getattr(site.node, "lineno", 0),
            lines=site.lines,
            around=site.outermost if site.function else range(1, text.count("\n") + 1),
            function=site.function,
            index=index,
        )


def noting(module: str) -> CodeType:
    """The module, with a note of its line before each statement of a function."""
    path = CORE / f"{module}.py"
    tree = _Noting().visit(ast.parse(path.read_text()))
    return compile(ast.fix_missing_locations(tree), str(path), "exec")


class _Noting(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        for each in ast.walk(node):
            for block in ("body", "orelse", "finalbody"):
                statements = getattr(each, block, None)
                if isinstance(statements, list):
                    noted = [n for s in statements for n in (_note(s.lineno), s)]
                    setattr(each, block, noted)
        return node


def _note(line: int) -> ast.stmt:
    (made,) = ast.parse(f"{NOTES}.add({line})").body
    return made


def codes(
    mutant: Mutant, places: Mapping[tuple[str, str, int], list[FunctionType]]
) -> list[tuple[FunctionType, CodeType]]:
    """What the functions of a mutant are to run. Raises LookupError where there are none."""
    assert mutant.function is not None
    (code,) = (
        c for c in _inner(mutant.code()) if (c.co_qualname, c.co_firstlineno) == mutant.function
    )
    return [(function, code) for function in places[(mutant.module, *mutant.function)]]


def _inner(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _inner(each)


def _sites(tree: ast.Module) -> list[_Site]:
    names = {n.name for n in ast.walk(tree) if isinstance(n, ast.alias | Function)}
    found: list[_Site] = []

    def visit(node: ast.AST, around: tuple[ast.AST, ...]) -> None:
        if _changes(node, names):
            found.append(_Site(node, around))
        for child in ast.iter_child_nodes(node):
            if not _is_unseen(child, node, top=len(around) == 1):
                visit(child, (*around, node))

    visit(tree, ())
    return found


def _changes(node: ast.AST, names: set[str]) -> bool:
    match node:
        case ast.Compare():
            return type(node.ops[0]) in COMPARES
        case ast.BinOp():
            return type(node.op) in OPERATORS
        case ast.Constant():
            return type(node.value) in (int, bool)
        case ast.Call(func=ast.Name(id=called)) if called in CALLS:
            return CALLS[called] in names or called in ("min", "max", "any", "all")
        case ast.comprehension():
            return bool(node.ifs)
        case ast.UnaryOp():
            return isinstance(node.op, ast.Not | ast.USub)
    return isinstance(node, ast.BoolOp | ast.If | ast.IfExp | ast.While | ast.Continue | ast.Break)


def _is_unseen(child: ast.AST, node: ast.AST, *, top: bool) -> bool:
    """Whether it is a decorator, a type, or a check of lengths that agree."""
    if isinstance(child, ast.keyword):
        return child.arg == "strict"
    parts = (getattr(node, "annotation", None), getattr(node, "returns", None))
    made = node.decorator_list if isinstance(node, Scope) else []
    alias = top and isinstance(child, ast.BinOp) and isinstance(child.op, ast.BitOr)
    return child in parts or child in made or alias


def _change(node: ast.AST, parent: ast.AST | None, *, named: bool) -> None:
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
            node.value = value * 10 if named and value >= LARGE else value + 1
        case ast.Call(func=ast.Name() as called):
            called.id = CALLS[called.id]
        case ast.comprehension():
            node.ifs[0] = ast.UnaryOp(op=ast.Not(), operand=node.ifs[0])
        case ast.UnaryOp(op=ast.Not()):
            node.op, node.operand = ast.Not(), ast.UnaryOp(op=ast.Not(), operand=node.operand)
        case ast.UnaryOp():
            node.op = ast.UAdd()
        case ast.Continue() | ast.Break():
            _swap(node, parent)


def _swap(node: ast.stmt, parent: ast.AST | None) -> None:
    """`continue` for `break`, and the other way round."""
    other = ast.Break() if isinstance(node, ast.Continue) else ast.Continue()
    for field in ("body", "orelse"):
        block = getattr(parent, field, [])
        if node in block:
            block[block.index(node)] = ast.copy_location(other, node)
