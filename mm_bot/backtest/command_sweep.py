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
from mm_bot.backtest.metrics import text
from mm_bot.backtest.progress import Bar, shown
from mm_bot.backtest.study import Study, read
from mm_bot.backtest.sweep_job import manifest
from mm_bot.backtest.sweep_page import page_of
from mm_bot.errors import SettingsError
from mm_bot.settings import process_environment

STARTS_A_WORKER: Final = 5
"""A worker that dies is started again so often."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY.toml")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes here")
    parser.add_argument("--out", type=Path, default=Path("sweep"), metavar="FOLDER")
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="postgresql://... for workers anywhere; default MM_SWEEP_DATABASE_URL, else a file",
    )
    parser.add_argument(
        "--job", type=int, metavar="N", help="print a Kubernetes Job of N workers and end"
    )


def run(given: argparse.Namespace) -> int:
    study = read(given.study)
    given.out.mkdir(parents=True, exist_ok=True)
    url = url_of(given.storage, given.out)
    found = sweep.create(study, sweep.storage(url))
    if given.job is not None:
        if url.startswith("sqlite"):
            raise SettingsError(["--job needs --storage: a database that its workers can reach"])
        print(manifest(study.name, given.job), end="")
        return 0
    whole = _work(study, found, url, given.workers)
    made = sweep.outcome(study, found)
    (given.out / "sweep.json").write_text(text(made))
    (given.out / "sweep.html").write_text(page_of(study, made))
    print("\n".join(lines(made)))
    if not whole:
        print("interrupted: the same command goes on with it")
    print(f"the page is {given.out / 'sweep.html'}")
    return 0


def url_of(given: str | None, folder: Path) -> str:
    """The database of the trials."""
    url = given or process_environment().get("MM_SWEEP_DATABASE_URL")
    return url or f"sqlite:///{(folder / 'trials.sqlite').absolute()}"


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
    if made["days_judged_on"]:
        told.append(
            f"on the {made['days_judged_on']} days after them it earned {winner['judged_total']:g}"
        )
    return told
