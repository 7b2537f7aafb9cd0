"""Sweeps lose nothing and mix nothing: a killed worker's trial is made by another, once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import TrialState

from mm_bot.backtest import sweep
from mm_bot.backtest.__main__ import main
from mm_bot.backtest.judge import judge, outcome
from mm_bot.backtest.local_database import database
from mm_bot.backtest.study import read, study_of
from mm_bot.backtest.sweep_job import manifest
from mm_bot.errors import SettingsError
from tests.deployments.schemas import validate

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
    assert judge(study, found, workers=1)
    made = outcome(study, found)
    assert made["winner"]["chosen_on"] == max(each["value"] for each in made["all"])
    assert len(made["winner"]["judged_on"]) == 1
    assert made["winner"]["variables"] not in [n["variables"] for n in made["neighbours"]]


def test_a_worker_that_is_asked_to_stop_leaves_its_trial_to_others(
    file: Path, tmp_path: Path
) -> None:
    """It ends in the middle of a day; the trial waits again, and who goes on makes each once."""
    study = read(file)
    url = f"sqlite:///{tmp_path / 'trials.sqlite'}"
    with sweep.opened(url) as store:
        found = sweep.create(study, store)
        asked = iter([True] * 30)
        assert sweep.work(study, found, url, told=lambda: next(asked, False)) == 0
        states = [trial.state.name for trial in found.get_trials()]
        assert (states.count("FAIL"), states.count("WAITING")) == (1, 6)
        assert sweep.work(study, found, url) == 6
        states = [trial.state.name for trial in found.get_trials()]
        assert (states.count("FAIL"), states.count("COMPLETE")) == (1, 6)


def test_a_worker_that_was_taken_for_dead_goes_on(file: Path, tmp_path: Path) -> None:
    """Paused for longer than the grace time it finds its trial given to another: it leaves that to
    them, and every point is made once."""
    study = read(file)
    url = f"sqlite:///{tmp_path / 'trials.sqlite'}"
    with sweep.opened(url) as store, sweep.opened(url) as other:
        found, elsewhere = sweep.create(study, store), sweep.load(study.name, other)[1]
        asked = 0

        def paused() -> bool:
            nonlocal asked
            asked += 1
            if asked == 30:  # in the middle of its first trial another worker looks
                elsewhere.tell(0, state=TrialState.FAIL)
                RetryHeartbeatStaleTrialCallback()(elsewhere, elsewhere.trials[0])
            return True

        assert sweep.work(study, found, url, told=paused) == 6
        done = [t.user_attrs["variables"] for t in found.trials if t.state is TrialState.COMPLETE]
        assert len(done) == len({tuple(sorted(each.items())) for each in done}) == 6


@pytest.mark.parametrize("plan", ["random", "quasi-random"])
def test_a_plan_that_is_known_beforehand_makes_no_point_twice(plan: str, tmp_path: Path) -> None:
    """As many as were asked for, different ones, the same for the same seed; where there are fewer
    points all of them."""
    text = STUDY.replace('name = "width"', f'name = "width"\nplan = "{plan}"\ntrials = 4')
    points = study_of(text, tmp_path, "x").points()
    assert len({tuple(sorted(point.items())) for point in points}) == len(points) == 4
    assert all(0 <= point["MM_HALF_SPREAD_BPS"] < 3 for point in points)
    assert study_of(text, tmp_path, "x").points() == points
    assert len(study_of(text.replace("trials = 4", "trials = 9"), tmp_path, "x").points()) == 6


def test_a_value_that_the_bot_would_refuse_is_named_before_any_trial(tmp_path: Path) -> None:
    """Not by each worker, one after the other."""
    store = sweep.storage(f"sqlite:///{tmp_path / 'trials.sqlite'}")
    for right, wrong in (("MM_INVENTORY_SKEW_BPS", "MM_INVENTORY_SKEW_BPZ"), ('"2.5"', '"wide"')):
        with pytest.raises(SettingsError, match=wrong.strip('"')):
            sweep.create(study_of(STUDY.replace(right, wrong), tmp_path, "x"), store)


def test_a_url_that_is_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A text, a database that nobody knows: 2 and what to write; a server that is away: 4."""
    for url, code in (("nonsense", 2), ("nosuch://x/y", 2), ("postgresql://127.0.0.1:1/x", 4)):
        assert main(["worker", "width", "--storage", url]) == code
        assert "the sweep's database" in capsys.readouterr().err


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


def test_a_strategy_of_ones_own_is_part_of_the_code(tmp_path: Path) -> None:
    """It is swept against ours by its import path; once its file has changed, the study's results
    are of another version and are not mixed."""
    package = tmp_path / "own_quotes"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "wide.py").write_text("from mm_bot.strategies import founding as Mine\n")
    head = STUDY[: STUDY.index("[sweep]")] + 'MM_HALF_SPREAD_BPS = "2"\n[sweep]\nname = "own"\n'
    tried = '["founding", "own_quotes.wide:Mine"]'
    (tmp_path / "s.toml").write_text(f"{head}[sweep.parameters]\nMM_STRATEGY = {tried}\n")
    line = [sys.executable, "-m", "mm_bot.backtest", "sweep", "s.toml", "--workers", "1"]
    line += ["--storage", f"sqlite:///{tmp_path / 'trials.sqlite'}"]
    paths = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"}
    ended = [subprocess.run(line, cwd=tmp_path, env=paths, capture_output=True, check=False)]
    (package / "__init__.py").write_text("WIDER = 1\n")
    ended.append(subprocess.run(line, cwd=tmp_path, env=paths, capture_output=True, check=False))
    assert [each.returncode for each in ended] == [0, 2], ended[0].stderr
    made = json.loads((tmp_path / "sweep" / "sweep.json").read_text())["all"]
    assert len({each["variables"]["MM_STRATEGY"] for each in made}) == 2
    assert len({each["value"] for each in made}) == 1  # the same quotes by either name
    assert b"results of two versions are not mixed" in ended[1].stderr


@pytest.fixture
def walkable() -> Iterator[Path]:
    """A folder that another user can walk into, as Postgres needs under root."""
    with TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_the_command_keeps_its_trials_in_a_postgres_of_its_own(
    file: Path, walkable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One worker process makes all six points and the page; the same command again starts that
    database anew and makes none of them twice."""
    line = ["sweep", str(file), "--workers", "1", "--out", str(walkable)]
    for _ in range(2):
        assert main(line) == 0
        made = json.loads((walkable / "sweep.json").read_text())
        assert made["states"] == {"COMPLETE": 6}
        assert len(made["winner"]["judged_on"]) == 1
        assert "The best of 6 trials" in (walkable / "sweep.html").read_text()
        assert "kept in" in capsys.readouterr().err
    assert not (walkable / "trials.sqlite").exists()


def test_where_no_postgres_can_run_the_trials_are_in_a_file(tmp_path: Path) -> None:
    """In a folder that has them in a file already they stay there."""
    (tmp_path / "trials.sqlite").touch()
    with database(None, tmp_path) as url:
        assert url == f"sqlite:///{tmp_path / 'trials.sqlite'}"
    with database("postgresql://there/x", tmp_path) as url:
        assert url == "postgresql://there/x"


def test_a_job_of_workers_needs_a_database_and_names_its_study(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The manifest is accepted by the published schema and runs the command of the local form."""
    line = ["sweep", str(file), "--out", str(tmp_path), "--job", "8"]
    assert main(line) == 2
    assert "needs --storage" in capsys.readouterr().err
    for option in ("--workers", "--job"):
        assert main([*line, option, "0"]) == 2
        assert f"{option} 0: 1 or more" in capsys.readouterr().err
    rendered = yaml.safe_load(manifest("width", 8))
    validate(rendered)
    assert rendered["spec"]["parallelism"] == 8
    container = rendered["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["mm-backtest", "worker", "width"]


@pytest.mark.parametrize(
    ("line", "wrong", "told"),
    [
        ("choose_on = 2", "choose_on = 4", "1 to days, which is 3"),
        ("step = 1", "step = 0.5", "write an exact number as text"),
        ('name = "width"', 'plan = "luck"', "plan 'luck'"),
        ("days = 3", "weeks = 3", "[sweep] has no weeks"),
        ("days = 3", 'days = "3"', "[sweep] days = '3': write a whole number, 1 or more"),
        ("days = 3", 'files = "x.npz"', "[sweep] files is 'x.npz'"),
        ("step = 1}", "stop = 1}", "MM_HALF_SPREAD_BPS: no step; low, high and step"),
        ('["0", "2.5"]', "[]", "MM_INVENTORY_SKEW_BPS: no value"),
        ('["0", "2.5"]', "2", "MM_INVENTORY_SKEW_BPS: 2: write a list, or the table low"),
    ],
)
def test_a_fault_in_a_study_is_named(line: str, wrong: str, told: str, tmp_path: Path) -> None:
    """Each with its place and its remedy."""
    with pytest.raises(SettingsError) as raised:
        study_of(STUDY.replace(line, wrong), tmp_path, "study.toml")
    assert told in str(raised.value)
