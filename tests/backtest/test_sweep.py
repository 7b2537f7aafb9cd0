"""Sweeps lose nothing and mix nothing: a killed worker's trial is made by another, once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mm_bot.backtest import sweep
from mm_bot.backtest.__main__ import main
from mm_bot.backtest.study import read, study_of
from mm_bot.errors import SettingsError

STUDY = """
[tape.generate]
seconds = 10
a = "1"
[market]
symbol = "MADE"
base = "B"
quote = "Q"
tick = "0.001"
lot = "1"
[strategy]
MM_ORDER_SIZE = "1"
MM_POLL_INTERVAL_MS = "1000"
[sweep]
name = "width"
days = 3
choose_on = 2
[sweep.parameters]
MM_HALF_SPREAD_BPS = {low = 1, high = 3, step = 1}
MM_INVENTORY_SKEW_BPS = ["0", "2.5"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    return path


def test_every_point_is_made_once_though_a_worker_died(file: Path, tmp_path: Path) -> None:
    """One process claims a trial and is killed before its first heartbeat; a worker that knows the
    study by its database alone makes all six points, that one again."""
    study = read(file)
    url = f"sqlite:///{tmp_path / 'trials.sqlite'}"
    sweep.create(study, sweep.storage(url))
    dies = (
        "import os, signal; from mm_bot.backtest import sweep; "
        f"study, found = sweep.load('width', sweep.storage({url!r})); "
        "found.ask(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", dies], check=False)
    assert killed.returncode == -9
    again, found = sweep.load("width", sweep.storage(url))
    sweep.work(again, found, url, grace_s=0)
    states = [trial.state.name for trial in found.get_trials()]
    assert states.count("COMPLETE") == 6
    assert states.count("FAIL") == 1
    done = [t.user_attrs["variables"] for t in found.get_trials() if t.state.name == "COMPLETE"]
    assert len({tuple(sorted(each.items())) for each in done}) == 6
    made = sweep.outcome(study, found)
    assert made["winner"]["chosen_on"] == max(each["value"] for each in made["all"])
    assert len(made["winner"]["judged_on"]) == 1
    assert made["winner"]["variables"] not in [n["variables"] for n in made["neighbours"]]


def test_another_definition_or_code_is_not_mixed_in(file: Path, tmp_path: Path) -> None:
    """A study of that name with other values, or made by other code, is refused."""
    store = sweep.storage(f"sqlite:///{tmp_path / 'trials.sqlite'}")
    study = read(file)
    found = sweep.create(study, store)
    other = study_of(STUDY.replace("high = 3", "high = 4"), tmp_path, "other")
    with pytest.raises(SettingsError, match="another definition"):
        sweep.create(other, store)
    found.set_user_attr("code", "of last week")
    with pytest.raises(SettingsError, match="results of two versions are not mixed"):
        sweep.load("width", store)


def test_the_command_makes_a_page_and_a_job(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One worker process here; then the manifest for many elsewhere needs a database."""
    out = tmp_path / "out"
    assert main(["sweep", str(file), "--workers", "1", "--out", str(out)]) == 0
    made = json.loads((out / "sweep.json").read_text())
    assert made["states"] == {"COMPLETE": 6}
    assert "The best of 6 trials" in (out / "sweep.html").read_text()
    assert main(["sweep", str(file), "--out", str(out), "--job", "8"]) == 2
    assert "needs --storage" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "wrong", "told"),
    [
        ("choose_on = 2", "choose_on = 4", "1 to days, which is 3"),
        ("step = 1", "step = 0.5", "write an exact number as text"),
        ('name = "width"', 'plan = "luck"', "plan 'luck'"),
        ("days = 3", "weeks = 3", "[sweep] has no weeks"),
    ],
)
def test_a_fault_in_a_study_is_named(line: str, wrong: str, told: str, tmp_path: Path) -> None:
    """Each with its place and its remedy."""
    with pytest.raises(SettingsError) as raised:
        study_of(STUDY.replace(line, wrong), tmp_path, "study.toml")
    assert told in str(raised.value)
