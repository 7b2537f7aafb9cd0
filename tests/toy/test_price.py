"""A new price source is its file and one line; the guide to it says what is so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_TOY = Path(__file__).parent / "price.py"
_READ = """
import asyncio, os
from fair_anchor.settings import load as load_service
from mm_bot.clock import SystemClock
from mm_bot.core.carry import fair_value
from mm_bot.prices.spec import SourceContext
from mm_bot.settings import load
(part,) = load(os.environ).anchor.parts
reading = asyncio.run(part.spec.build(SourceContext(clock=SystemClock())).read())
(choice, *_) = load_service(os.environ).sources
print(part.name, part.carried, reading.price, choice.name)
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The program with the toy source in it: its file, and its name in the registry."""
    for package in ("mm_bot", "fair_anchor"):
        shutil.copytree(
            _ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(_TOY, tmp_path / "mm_bot" / "prices" / "toy.py")
    registry = tmp_path / "mm_bot" / "prices" / "registry.py"
    line = '    "strails",\n'
    text = registry.read_text()
    assert text.count(line) == 1
    registry.write_text(text.replace(line, line + '    "toy",\n'))
    return tmp_path


def ran(copy: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(copy), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_file_and_a_line_are_a_source_of_bot_and_service(copy: Path) -> None:
    """It has its variable and its word, alone and in expressions, it is read, and what it needs is
    asked for by name; the table of variables has it."""
    price = copy / "price.txt"
    price.write_text("1600.25\n")
    bot = {
        "MM_OWNER_PRIVATE_KEY": "11" * 32,
        "MM_SUBACCOUNT_ID": "1",
        "MM_DATABASE_URL": "postgresql://u@127.0.0.1/d",
        "MM_API_BASE_URL": "http://127.0.0.1:1",
        "MM_RPC_URL": "http://127.0.0.1:1",
        "MM_ANCHOR_SOURCE_TYPE": "toy",
        "MM_ANCHOR_TOY_FILE": str(price),
    }
    service = {
        "FAIR_ANCHOR_SPOT_SOURCES": "toy",
        "FAIR_ANCHOR_TOY_FILE": str(price),
        "FAIR_ANCHOR_MARKETS": "A=1",
    }
    done = ran(copy, "-c", _READ, **bot, **service)
    assert done.stdout.split() == ["toy", "True", "1600.25", "toy"], done.stderr
    del bot["MM_ANCHOR_TOY_FILE"]
    done = ran(copy, "-c", _READ, **bot, **service)
    assert "MM_ANCHOR_TOY_FILE is not set: MM_ANCHOR_SOURCE_TYPE=toy needs it" in done.stderr
    table = ran(copy, "-m", "mm_bot.settings").stdout
    assert "| `MM_ANCHOR_TOY_FILE` | a path | unset | For `toy`: who writes the price. |" in table
    assert "coinbase, strails, toy, expression, median" in table


def test_the_guide_shows_the_example_as_it_is() -> None:
    """The code in docs/anchors.md is the example's, to the letter."""
    guide = (_ROOT / "docs" / "anchors.md").read_text()
    (shown,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    assert shown == _TOY.read_text()
