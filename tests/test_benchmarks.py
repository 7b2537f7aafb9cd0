"""The benchmarks run and print their ratios; what those are is for people to read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

QUICK = (
    *("--delays", "5", "--turns", "2", "--events", "1", "--starts", "1"),
    *("--quiet-seconds", "0.2", "--foreign-orders", "50", "--old-rows", "50"),
    *("--bots", "2"),
)
MEASURED = {
    "observe-only cycle": {5},
    "requote, 1 level": {5},
    "  its requests alone, the floor": {5},
    "requote, 1 level (together)": {5},
    "requote, 5 levels": {5},
    "anchor changes -> both quotes rest": {5},
    "foreign order lands -> new order": {5},
    "own order filled -> new order": {5},
    "kill switch -> last cancel": {5},
    "process start -> first quote": {0},
    "memory after all that": {0},
    "CPU of a quiet minute, 2 s poll": {0},
    "sign one order": {0},
    "decide, every feature on": {0},
    "decide, 2 x 10 levels": {0},
    "cycle, 50 foreign orders": {0},
    "cycle, 50 of them, with index": {0},
    "cycle, 50 old rows of ours": {0},
    "cycle of 2 bots side by side": {0},
}


def _run(module: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_benchmark_measures_each_of_its_figures_and_draws_its_picture(tmp_path: Path) -> None:
    """From nothing, as `make bench` starts it, with a few turns of everything."""
    figures, picture = tmp_path / "bench.json", tmp_path / "bench.svg"
    shown = _run("tests.benchmarks", *QUICK, "--json", str(figures), "--svg", str(picture))
    found: dict[str, set[int]] = {}
    for figure in json.loads(figures.read_text()):
        assert figure["samples"] > 0
        assert 0 <= figure["p50"] <= figure["p99"], figure
        assert figure["name"] in shown
        found.setdefault(figure["name"], set()).add(figure["round_trip_ms"])
    assert {name: found.get(name) for name in MEASURED} == MEASURED
    drawn = "".join(ElementTree.parse(picture).getroot().itertext())
    assert "anchor changes -> both quotes rest, +5 ms" in drawn


def test_the_benchmark_of_the_fair_value_service_runs_to_its_table() -> None:
    """From nothing, as `make` starts it."""
    shown = _run("integration_harness.benchmarks.fair_anchor", "--seconds", "1")
    assert "ratio" in shown
