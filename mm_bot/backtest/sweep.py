"""Sweeps on Optuna: trials in a database, any number of workers, nothing lost where one dies.

The definition stands in the study itself, so a worker anywhere needs the database's URL and a name.
A worker with other code, or whose tapes have other hashes, is refused: its results would not
compare. A killed worker's trial is failed once its heartbeat stops and is tried again by another.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from mm_bot.backtest.experiment import Experiment
from mm_bot.backtest.metrics import result
from mm_bot.backtest.path import MidPath, mid_path
from mm_bot.backtest.progress import Told, nobody, said
from mm_bot.backtest.run import run
from mm_bot.backtest.study import PLANNED, Study, goal, study_of
from mm_bot.backtest.sweep_rescue import Rescue
from mm_bot.backtest.tape import Tape
from mm_bot.errors import SettingsError, UnreachableError
from mm_bot.settings import process_environment

HEARTBEAT_S: Final = 5
GRACE_S: Final = 20
RETRIES: Final = 3
OPEN_STATES: Final = ("WAITING", "RUNNING")
_HOW: Final = {"direction": "maximize", "load_if_exists": True}


class EndedEarlyError(Exception):
    """A day was ended before its end."""


class Days:
    """The tapes of a study and their mids, each made once a process."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._known: dict[int, tuple[Experiment, Tape, MidPath, str]] = {}

    def of(self, number: int) -> tuple[Experiment, Tape, MidPath, str]:
        if number not in self._known:
            experiment = self.study.day(number)
            tape = experiment.tape()
            self._known[number] = (experiment, tape, mid_path(tape), tape.sha256())
        return self._known[number]

    def trade(self, number: int, variables: dict[str, str], told: Told = nobody) -> dict[str, Any]:
        """What a day comes to under those variables.

        Raises:
            EndedEarlyError: where `told` ended it: half a day is none.
        """
        experiment, tape, path, _ = self.of(number)
        done = run(experiment.with_variables(variables), tape, path=path, progress=told)
        if not done.whole:
            raise EndedEarlyError
        return result(done)


def url_given(storage: str | None) -> str | None:
    """The URL of the option, else that of MM_SWEEP_DATABASE_URL."""
    return storage or process_environment().get("MM_SWEEP_DATABASE_URL")


def address(url: str) -> str:
    """The URL as SQLAlchemy takes it, with the driver that is here."""
    for scheme in ("postgres://", "postgresql://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url


@contextmanager
def opened(url: str) -> Iterator[Any]:
    """`storage`, and its connections closed afterwards."""
    store = storage(url)
    try:
        yield store
    finally:
        store.remove_session()
        store.engine.dispose()


def storage(url: str) -> Any:
    """Optuna's storage of that URL.

    Raises:
        UnreachableError: where the database does not answer.
        SettingsError: where the URL is none.
    """
    optuna, url = _optuna(), address(url)
    faults: Any = import_module("sqlalchemy.exc")
    options = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}
    try:
        return optuna.storages.RDBStorage(
            url,
            heartbeat_interval=HEARTBEAT_S,
            grace_period=GRACE_S,
            heartbeat_stale_trial_callback=_again(),
            engine_kwargs=options,
        )
    except faults.ArgumentError:
        raise SettingsError(
            ["the sweep's database: no such URL; write postgresql://user:password@host/name"]
        ) from None
    except (faults.SQLAlchemyError, ImportError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise UnreachableError(f"the sweep's database: {reason}; is its URL right?") from None


def create(study: Study, store: Any) -> Any:
    """The study in the database: made, or gone on with where the same one is there.

    Raises:
        SettingsError: where one of that name has another definition, code or tapes.
    """
    optuna = _optuna()
    made = optuna.create_study(study_name=study.name, storage=store, **_HOW)
    made.sampler = _sampler(study)
    if "digest" not in made.user_attrs:
        days = Days(study)
        study.check(days.of(0)[1].market.instrument())
        made.set_user_attr("text", study.text)
        made.set_user_attr("tapes", [days.of(n)[3] for n in range(study.days)])
        made.set_user_attr("code", study.code)
        made.set_user_attr("folder", str(study.folder))
        if study.plan in PLANNED:
            for point in study.points():
                made.enqueue_trial(point, user_attrs={"planned": True}, skip_if_exists=True)
        made.set_user_attr("digest", study.digest)
    _same(made, study)
    return made


def load(name: str, store: Any) -> tuple[Study, Any]:
    """A study by its name alone.

    Raises:
        SettingsError: where it is not there, or was made by other code.
    """
    optuna = _optuna()
    try:
        found = optuna.load_study(study_name=name, storage=store)
    except KeyError:
        raise SettingsError([f"no study {name!r} in this database"]) from None
    attributes = found.user_attrs
    if "digest" not in attributes:
        raise SettingsError([f"study {name!r} is still being made: try again"])
    study = study_of(attributes["text"], Path(attributes["folder"]), name)
    found.sampler = _sampler(study)
    _same(found, study)
    return study, found


def _same(found: Any, study: Study) -> None:
    attributes = found.user_attrs
    if attributes["digest"] != study.digest:
        raise SettingsError(
            [f"study {study.name!r} is there with another definition: give it another name"]
        )
    if attributes["code"] != study.code:
        raise SettingsError(
            [
                f"study {study.name!r} was made by code {attributes['code']}, this is "
                f"{study.code}: results of two versions are not mixed; give it another name"
            ]
        )


def work(
    study: Study,
    found: Any,
    url: str,
    *,
    told: Callable[[], bool] = lambda: True,
    grace_s: float = GRACE_S,
) -> int:
    """Trials until none is left, or `told` says to stop; how many were made here. `url` is that of
    the study's storage.

    Raises:
        SettingsError: where a tape is not the one that the study was made with.
    """
    optuna, days, made = _optuna(), Days(study), 0
    for number, sha256 in enumerate(found.user_attrs["tapes"][: study.choose_on]):
        if days.of(number)[3] != sha256:
            raise SettingsError([f"day {number + 1} of {study.name!r} is another tape here"])
    rescue, numbers = Rescue(address(url), grace_s), list[int]()
    while told():
        states = [trial.state.name for trial in found.get_trials(deepcopy=False)]
        if not _wanted(study, states):
            if "RUNNING" not in states:
                break
            time.sleep(1)  # another worker has the last ones, or died with them
            optuna.storages.fail_stale_trials(found)
            rescue.look(found, _again())
            continue
        try:
            found.optimize(lambda trial: _one(trial, study, days, told, numbers), n_trials=1)
        except EndedEarlyError:  # it waits for whoever goes on
            _again(None)(found, found.get_trials(deepcopy=False)[numbers[-1]])
            break
        except ValueError:
            if not _given_away(found, numbers[-1]):
                raise
            said(f"trial {numbers[-1]} went to another worker: no heartbeat for {grace_s:g} s")
            continue
        made += 1
    rescue.close()
    return made


def _given_away(found: Any, number: int) -> bool:
    """Whether that trial was taken for a dead worker's and waits, or runs, anew."""
    trials = found.get_trials(deepcopy=False)
    return any(number in trial.system_attrs.get("retry_history", ()) for trial in trials)


def _wanted(study: Study, states: list[str]) -> bool:
    """Asked before each trial, since a sampler alone would go on for ever."""
    if "WAITING" in states:
        return True
    begun = sum(state in ("RUNNING", "COMPLETE", "PRUNED") for state in states)
    return study.plan not in PLANNED and begun < study.trials


def _one(
    trial: Any, study: Study, days: Days, told: Callable[[], bool], numbers: list[int]
) -> float:
    """A trial over the days that choose; what it comes to is kept beside its value. Its number is
    told before anything else."""
    numbers.append(trial.number)
    optuna = _optuna()
    indices = {
        name: trial.suggest_int(name, 0, len(values) - 1)
        for name, values in study.parameters.items()
    }
    if study.plan in PLANNED and "planned" not in trial.user_attrs:
        raise optuna.TrialPruned  # two workers asked for the last point; this one got a random one
    variables = study.variables(indices)
    trial.set_user_attr("variables", variables)
    worth, results = 0.0, []
    for number in range(study.choose_on):
        made = days.trade(number, variables, lambda part: told())
        results.append(summary(made))
        worth += goal(study.goal, made)
        trial.report(worth, number)
        if study.plan != "grid" and number + 1 < study.choose_on and trial.should_prune():
            raise optuna.TrialPruned
    trial.set_user_attr("days", results)
    return worth


def summary(made: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a day."""
    pnl = made["pnl"]
    kept = {
        name: pnl[name] for name in ("total", "spread_capture", "inventory", "fees", "max_drawdown")
    }
    markout = made["markouts_bps"]["both"]["5s"]["mean"]
    return {
        **kept,
        "fills": made["fills"]["count"],
        "markout_5s_bps": markout,
        "uptime": made["quoting"]["uptime_both_sides"],
        "tape": made["tape"]["sha256"],
    }


def _again(most: int | None = RETRIES) -> Any:
    """What enqueues a failed trial anew, so often at most."""
    return _optuna().storages.RetryHeartbeatStaleTrialCallback(max_retry=most)


def _sampler(study: Study) -> Any:
    samplers = _optuna().samplers
    return samplers.TPESampler() if study.plan == "tpe" else samplers.RandomSampler()


def _optuna() -> Any:
    try:
        optuna = import_module("optuna")
    except ImportError:
        raise SettingsError(["optuna is not installed: pip install 'mm-bot[backtest]'"]) from None
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
