"""The benchmarks run and print their ratios; what those are is for people to read."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "arguments", "shown"),
    [
        ("tests.benchmarks.quoting", ["--turns", "3"], "the whole cycle"),
        ("integration_harness.benchmarks.fair_anchor", ["--seconds", "1"], "ratio"),
    ],
)
def test_a_benchmark_runs_to_its_table(module: str, arguments: list[str], shown: str) -> None:
    """From nothing, as `make` starts it."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout
