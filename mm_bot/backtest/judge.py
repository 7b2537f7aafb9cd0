"""What a sweep comes to: its best by the days that choose, judged on the days after them.

Each day that was judged is kept beside the study at once, so whoever is interrupted goes on with
what is there.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import active_children, get_context
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from typing import Any, Final

from mm_bot.backtest.progress import Told, nobody
from mm_bot.backtest.study import Study, study_of
from mm_bot.backtest.sweep import Days, summary
from mm_bot.errors import SettingsError, UnreachableError

JUDGED: Final = 5
"""So many of the best are judged: one alone would not show how much of it was luck."""


def best_first(study: Study, found: Any) -> list[Any]:
    """The complete trials.

    Raises:
        SettingsError: where there is none.
    """
    trials = [t for t in found.get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
    if not trials:
        raise SettingsError([f"study {study.name!r} has no complete trial"])
    return sorted(trials, key=lambda trial: (-trial.value, trial.number))


def judge(study: Study, found: Any, *, workers: int, told: Told = nobody) -> bool:
    """Trade the best on the days that judge, in as many processes; False where `told` ended it.

    Raises:
        UnreachableError: where one of the processes was killed.
    """
    wanted = [
        (_key(trial, day), day, trial.user_attrs["variables"])
        for day in range(study.choose_on, study.days)
        for trial in best_first(study, found)[:JUDGED]
    ]
    missing = [each for each in wanted if each[0] not in found.user_attrs]
    done = len(wanted) - len(missing)
    if not missing:
        return True
    with ProcessPoolExecutor(workers, get_context("spawn"), _deaf) as pool:
        here = (study.text, str(study.folder), study.name)
        open_ = {pool.submit(_judged, *here, day, names): key for key, day, names in missing}
        while open_:
            for future in wait(open_, timeout=0.5, return_when=FIRST_COMPLETED).done:
                found.set_user_attr(open_.pop(future), _result(future))
                done += 1
            if open_ and not told(done):
                pool.shutdown(wait=False, cancel_futures=True)
                for child in active_children():  # the days under way are lost, a minute each
                    child.terminate()
                return False
    return True


def days_to_judge(study: Study, found: Any) -> int:
    """How many `judge` wants of all."""
    return (study.days - study.choose_on) * len(best_first(study, found)[:JUDGED])


def _key(trial: Any, day: int) -> str:
    return f"judged trial {trial.number} day {day}"


def _result(future: Future[dict[str, Any]]) -> dict[str, Any]:
    try:
        return future.result()
    except BrokenProcessPool:
        raise UnreachableError(
            "a process that judged was killed: the same command goes on with what is there"
        ) from None


def _deaf() -> None:
    """Ctrl-C reaches the whole group; who started it decides what to do."""
    signal(SIGINT, SIG_IGN)


@cache
def _days(text: str, folder: str, named: str) -> Days:
    return Days(study_of(text, Path(folder), named))


def _judged(
    text: str, folder: str, named: str, day: int, variables: dict[str, str]
) -> dict[str, Any]:
    return summary(_days(text, folder, named).trade(day, variables))


def outcome(study: Study, found: Any) -> dict[str, Any]:
    """The winner with its neighbourhood, and what was judged so far."""
    trials = best_first(study, found)
    best = trials[0]
    states = [trial.state.name for trial in found.get_trials(deepcopy=False)]
    judged = [_of(study, found, trial) for trial in trials[:JUDGED]]
    return {
        "study": study.name,
        "code": found.user_attrs["code"],
        "goal": study.goal,
        "states": {state: states.count(state) for state in sorted(set(states))},
        "trials": len(trials),
        "days_chosen_on": study.choose_on,
        "days_judged_on": study.days - study.choose_on,
        "winner": judged[0],
        "runners_up": judged[1:],
        "neighbours": [
            {"variables": t.user_attrs["variables"], "value": round(t.value, 8)}
            for t in trials
            if t is not best and _near(t.params, best.params)
        ],
        "all": [
            {
                "variables": trial.user_attrs["variables"],
                "value": round(trial.value, 8),
                "days": trial.user_attrs["days"],
            }
            for trial in trials
        ],
    }


def _of(study: Study, found: Any, trial: Any) -> dict[str, Any]:
    """`judged_total` is None while a day of it is missing."""
    days = [found.user_attrs.get(_key(trial, n)) for n in range(study.choose_on, study.days)]
    known = [day for day in days if day is not None]
    total = round(sum(float(day["total"]) for day in known), 8)
    return {
        "variables": trial.user_attrs["variables"],
        "chosen_on": round(trial.value, 8),
        "judged_on": known,
        "judged_total": total if len(known) == len(days) else None,
    }


def _near(indices: dict[str, int], best: dict[str, int]) -> bool:
    return sum(abs(indices[name] - best[name]) for name in best) == 1
