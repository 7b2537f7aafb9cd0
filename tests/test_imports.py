"""Import rules that import-linter does not express."""

from __future__ import annotations

import ast
from pathlib import Path

CORE = Path(__file__).parents[1] / "mm_bot" / "core"
ALLOWED = {"__future__", "collections", "dataclasses", "decimal", "enum", "typing", "mm_bot"}


def _imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the core imports by full name"
            names.add(node.module or "")
    return names


def test_the_core_imports_a_short_list_of_the_standard_library() -> None:
    """No clock, no randomness, no I/O and no logging can enter the core unseen."""
    files = sorted(CORE.glob("*.py"))
    assert files
    for file in files:
        for name in _imported(ast.parse(file.read_text())):
            assert name.split(".")[0] in ALLOWED, f"{file.name} imports {name}"
            assert not name.startswith("mm_bot") or name.startswith("mm_bot.core"), (
                f"{file.name} imports {name}"
            )
