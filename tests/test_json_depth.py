"""Deeply nested JSON never reaches a parser that recurses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mm_bot.io.json_depth import DEEPEST, is_too_deep

HOSTILE = """
import sys
sys.setrecursionlimit(100_000)
from mm_bot.prices.parse import json_body
from mm_bot.prices.source import AnchorError
try:
    json_body(b"[" * 60_000, "http")
except AnchorError as error:
    print(error.reason)
"""


@pytest.mark.parametrize(
    ("text", "deep"),
    [
        ("[" * DEEPEST + "]" * DEEPEST, False),
        ("[" * (DEEPEST + 1), True),
        ('{"a":' * (DEEPEST + 1), True),
        ("[]" * 10_000, False),
    ],
)
def test_depth_is_counted_not_size(text: str, deep: bool) -> None:
    """A long flat text passes, a short deep one does not."""
    assert is_too_deep(text) is deep


def test_a_raised_recursion_limit_lets_no_stranger_end_the_process() -> None:
    """Fifty thousand brackets are refused even where a library raised the limit."""
    ended = subprocess.run(
        [sys.executable, "-c", HOSTILE], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "nested too deep" in ended.stdout
