"""A sweep's definition: which variables take which values, and which days choose and which judge.

`[sweep]` of an experiment's file; values are exact texts. A day is one tape: of a generated market
with the seed of the experiment and up, or a file each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, Final

from mm_bot.backtest.experiment import Experiment, made_of
from mm_bot.core.exact import add, exact, plain
from mm_bot.errors import SettingsError
from mm_bot.fields.toml_file import as_list, as_table, parse, read_text

PLANS: Final = ("grid", "random", "tpe")
GOALS: Final = ("total", "total_less_drawdown", "per_volume_bps")
MOST_VALUES: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """`choose_on` of `days` days choose, the rest judge what was chosen."""

    text: str
    """The file itself: what a worker elsewhere needs."""
    folder: Path
    """That the paths in it are below."""
    experiment: Experiment
    name: str
    plan: str
    trials: int
    """For `random` and `tpe`; a grid has as many as points."""
    seed: int
    goal: str
    days: int
    choose_on: int
    files: tuple[str, ...]
    parameters: Mapping[str, tuple[str, ...]]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    def points(self) -> list[dict[str, int]]:
        """A grid's, by the index of each value."""
        names = list(self.parameters)
        ranges = [range(len(self.parameters[name])) for name in names]
        return [dict(zip(names, each, strict=True)) for each in product(*ranges)]

    def day(self, number: int) -> Experiment:
        """The experiment of that day, from 0."""
        if self.files:
            return replace(self.experiment, tape_files=(self.folder / self.files[number],))
        assert self.experiment.generated is not None, self.name
        generated = self.experiment.generated
        return replace(self.experiment, generated=replace(generated, seed=generated.seed + number))

    def variables(self, indices: Mapping[str, int]) -> dict[str, str]:
        return {name: self.parameters[name][index] for name, index in indices.items()}


def read(path: Path) -> Study:
    """Raises SettingsError with what is wrong in the file."""
    return study_of(read_text(path), path.parent, str(path))


def study_of(text: str, folder: Path, named: str) -> Study:
    """From the text of a file; `named` for messages."""
    return study_of_members(parse(text, named), text, folder, named)


def study_of_members(members: Mapping[str, Any], text: str, folder: Path, named: str) -> Study:
    """From the tables of a file. Raises as `read` does."""
    if "sweep" not in members:
        raise SettingsError([f"{named} has no table [sweep]"])
    sweep = as_table(members["sweep"], f"{named}: [sweep]")
    known = {
        "name", "plan", "trials", "seed", "goal", "days", "choose_on", "files", "parameters",
    }  # fmt: skip
    faults = [f"[sweep] has no {name}" for name in sweep if name not in known]
    files = tuple(map(str, as_list(sweep.get("files", []), "[sweep] files")))
    days = len(files) or _count(sweep, "days", 1)
    choose_on = _count(sweep, "choose_on", days)
    plan, goal = str(sweep.get("plan", "grid")), str(sweep.get("goal", "total"))
    if plan not in PLANS:
        faults.append(f"[sweep] plan {plan!r}: one of {', '.join(PLANS)}")
    if goal not in GOALS:
        faults.append(f"[sweep] goal {goal!r}: one of {', '.join(GOALS)}")
    if not 1 <= choose_on <= days:
        faults.append(f"[sweep] choose_on {choose_on}: 1 to days, which is {days}")
    parameters = {}
    for name, given in as_table(sweep.get("parameters", {}), "[sweep.parameters]").items():
        try:
            parameters[name] = _values(given)
        except (ValueError, TypeError) as error:
            faults.append(f"[sweep.parameters] {name}: {error}")
    if not parameters and not faults:
        faults.append("[sweep.parameters] names no variable")
    experiment = made_of(members, folder, named)
    if not files and experiment.generated is None:
        faults.append("[sweep] files: give a tape for each day")
    if faults:
        raise SettingsError(faults)
    grid = prod(len(values) for values in parameters.values())
    return Study(
        text=text,
        folder=folder,
        experiment=experiment,
        name=str(sweep.get("name", Path(named).stem)),
        plan=plan,
        trials=grid if plan == "grid" else _count(sweep, "trials", 50),
        seed=_count(sweep, "seed", 1),
        goal=goal,
        days=days,
        choose_on=choose_on,
        files=files,
        parameters=parameters,
    )


def _count(sweep: Mapping[str, Any], name: str, default: int) -> int:
    """Raises SettingsError where it is no whole number, or one that nobody means."""
    value = sweep.get(name, default)
    if type(value) is not int or not 0 <= value < 2**31:
        raise SettingsError([f"[sweep] {name} = {value!r:.60}: write a whole number"])
    return value


def _values(given: Any) -> tuple[str, ...]:
    """A list of texts, or the table low, high, step."""
    if isinstance(given, list):
        return tuple(plain(_exact(each)) if _is_number(each) else str(each) for each in given)
    low, high, step = (_exact(given[name]) for name in ("low", "high", "step"))
    if step <= 0 or high < low:
        raise ValueError("give low, high and step with low <= high and step above 0")
    found: list[str] = []
    while low <= high:
        found.append(plain(low))
        low = add(low, step)
        if len(found) > MOST_VALUES:
            raise ValueError(f"over {MOST_VALUES} values")
    return tuple(found)


def _is_number(given: object) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)


def _exact(given: object) -> Decimal:
    if isinstance(given, float):
        raise TypeError(f"{given}: write an exact number as text")
    return exact(given if isinstance(given, int) else str(given))
