"""Rules of who may use what that import-linter does not express."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORE = ROOT / "mm_bot" / "core"
ALLOWED = {
    "__future__",
    "bisect",
    "collections",
    "dataclasses",
    "decimal",
    "enum",
    "mm_bot",
    "operator",
    "typing",
}


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


READS_THE_ENVIRONMENT = {
    "mm_bot/settings/__init__.py",
    "fair_anchor/__main__.py",  # hands it to that service's settings
    "mm_bot/__main__.py",  # sets one: the settings library shall look for no plugins
}
OF_THE_ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


def _uses(tree: ast.Module) -> set[str]:
    """Every attribute, and every name that is imported from a module."""
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names.update(alias.name for alias in node.names)
    return names


def test_only_the_settings_read_the_environment() -> None:
    """No part of bot or service is told anything by a variable that the settings do not know."""
    files = [
        file for package in ("mm_bot", "fair_anchor") for file in (ROOT / package).rglob("*.py")
    ]
    texts = {file.relative_to(ROOT).as_posix(): file.read_text() for file in files}
    reading = {
        name
        for name, text in texts.items()
        if any(word in text for word in OF_THE_ENVIRONMENT)  # to parse them all takes seconds
        and OF_THE_ENVIRONMENT & _uses(ast.parse(text))
    }
    assert reading == READS_THE_ENVIRONMENT


NOT_OF_A_START = (
    "argparse", "eth_account", "integration_harness", "mm_bot.backtest", "mm_bot.cli",
    "mm_bot.fleet", "mm_bot.host.mirror", "mm_bot.journal", "mm_bot.observe.exposition",
    "mm_bot.venues.coinbase", "mm_bot.venues.derive", "mm_bot.venues.ethereal",
    "mm_bot.venues.numo.events", "numpy", "prometheus_client", "pydantic_settings", "redis",
    "rich", "web3", "websockets",
)  # fmt: skip
"""Commands, other exchanges, what is off unless it is set, what only the next cycles need."""


def test_a_start_imports_nothing_that_the_first_quote_does_not_need() -> None:
    """All that a bot with the default exchange has loaded when its first cycle begins."""
    program = (
        "import sys, mm_bot.settings, mm_bot.app.run, mm_bot.venues.numo.exchange\n"
        f"print(*[m for m in {NOT_OF_A_START!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
