"""`mm-backtest sweep`: a study from its file, worked on by processes of this machine, and its page.

Ctrl-C keeps what is done: the same command goes on with it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from mm_bot.backtest import sweep
from mm_bot.backtest.judge import days_to_judge, judge, outcome
from mm_bot.backtest.local_database import database
from mm_bot.backtest.metrics import text
from mm_bot.backtest.progress import Bar, shown
from mm_bot.backtest.study import Study, read
from mm_bot.backtest.sweep_job import manifest
from mm_bot.backtest.sweep_page import page_of
from mm_bot.errors import SettingsError

STARTS_A_WORKER: Final = 5
"""A worker that dies is started again so often."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY.toml")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes here")
    parser.add_argument("--out", type=Path, default=Path("sweep"), metavar="FOLDER")
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="postgresql://... for workers anywhere; "
        "default MM_SWEEP_DATABASE_URL, else a Postgres of its own in FOLDER",
    )
    parser.add_argument(
        "--job", type=int, metavar="N", help="print a Kubernetes Job of N workers and end"
    )


def run(given: argparse.Namespace) -> int:
    for name in ("workers", "job"):
        number = getattr(given, name)
        if number is not None and number < 1:
            raise SettingsError([f"--{name} {number}: 1 or more"])
    study = read(given.study)
    if given.job is not None:
        return _print_job(study, given)
    given.out.mkdir(parents=True, exist_ok=True)
    with database(given.storage, given.out) as url, sweep.opened(url) as store:
        found = sweep.create(study, store)
        whole = _work(study, found, url, given.workers) and _judge(study, found, given.workers)
        made = outcome(study, found)
    (given.out / "sweep.json").write_text(text(made))
    (given.out / "sweep.html").write_text(page_of(study, made))
    print("\n".join(lines(made)))
    if not whole:
        print("interrupted: the same command goes on with it")
    print(f"the page is {given.out / 'sweep.html'}")
    return 0


def _print_job(study: Study, given: argparse.Namespace) -> int:
    url = sweep.url_given(given.storage)
    if url is None or url.startswith("sqlite"):
        raise SettingsError(["--job needs --storage: a database that its workers can reach"])
    with sweep.opened(url) as store:
        sweep.create(study, store)
    print(manifest(study.name, given.job), end="")
    return 0


def _judge(study: Study, found: Any, workers: int) -> bool:
    days = days_to_judge(study, found)
    with shown(f"{study.name}: {days} days to judge the best", days) as bar:
        return judge(study, found, workers=workers, told=bar.told)


def _work(study: Study, found: Any, url: str, workers: int) -> bool:
    """Until all is done; False where somebody pressed Ctrl-C."""
    with shown(f"{study.name}: {study.trials} trials", study.trials) as bar:
        running = [_start(study, url) for _ in range(workers)]
        starts = workers * STARTS_A_WORKER
        try:
            while _open(study, found, bar):
                time.sleep(0.5)
                for i, process in enumerate(running):
                    if process.poll() not in (None, 0) and starts > 0:
                        running[i], starts = _start(study, url), starts - 1
                if all(process.poll() is not None for process in running):
                    if any(process.returncode for process in running):
                        raise SettingsError(["the workers fail; what they said is above"])
                    break
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait()
    return not bar.interrupted


def _open(study: Study, found: Any, bar: Bar) -> bool:
    """Whether to go on waiting."""
    states = [trial.state.name for trial in found.get_trials(deepcopy=False)]
    done = sum(state in ("COMPLETE", "PRUNED") for state in states)
    still = any(state in sweep.OPEN_STATES for state in states)
    return bar.told(done) and (still or done < study.trials)


def _start(study: Study, url: str) -> subprocess.Popen[bytes]:
    words = ["-m", "mm_bot.backtest", "worker", study.name, "--storage", url]
    return subprocess.Popen([sys.executable, *words], start_new_session=True)


def lines(made: dict[str, Any]) -> list[str]:
    """For people."""
    winner = made["winner"]
    told = [
        f"{made['trials']} trials complete ({made['states']}); the best of {made['goal']} over "
        f"{made['days_chosen_on']} days: {winner['chosen_on']:g}",
        *(f"  {name} = {value}" for name, value in winner["variables"].items()),
    ]
    if winner["judged_total"] is not None and made["days_judged_on"]:
        told.append(
            f"on the {made['days_judged_on']} days after them it earned {winner['judged_total']:g}"
        )
    return told
