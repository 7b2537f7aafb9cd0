"""A sweep's definition: which variables take which values, and which days choose and which judge.

`[sweep]` of an experiment's file; values are exact texts. A day is one tape: of a generated market
with the seed of the experiment and up, or a file each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from math import prod
from pathlib import Path
from random import Random
from typing import Any, Final

from mm_bot.backtest.experiment import Experiment, made_of, policy_of
from mm_bot.backtest.version import code_digest
from mm_bot.core.exact import add, exact, plain
from mm_bot.core.instrument import Instrument
from mm_bot.errors import SettingsError
from mm_bot.fields.toml_file import as_list, as_table, parse, read_text

PLANNED: Final = ("grid", "random", "quasi-random")
"""Their points are known beforehand and wait in the database, so none is made twice."""
PLANS: Final = (*PLANNED, "tpe")
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
    """As many as points where the plan is a grid, and at most so many where it is planned."""
    seed: int
    goal: str
    days: int
    choose_on: int
    files: tuple[str, ...]
    parameters: Mapping[str, tuple[str, ...]]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def code(self) -> str:
        """Of the code that trades it, with the strategies that are not ours."""
        tried = self.parameters.get("MM_STRATEGY", ())
        return code_digest((self.experiment.strategy.get("MM_STRATEGY", ""), *tried))

    def points(self) -> list[dict[str, int]]:
        """Those of a plan that is known beforehand, by the index of each value; none twice."""
        sizes = [len(values) for values in self.parameters.values()]
        if self.plan == "grid":
            numbers: Iterable[int] = range(prod(sizes))
        elif self.plan == "random":
            numbers = Random(self.seed).sample(range(prod(sizes)), self.trials)
        else:
            numbers = _spread(sizes, self.trials, self.seed)
        return [dict(zip(self.parameters, _indices(each, sizes), strict=True)) for each in numbers]

    def day(self, number: int) -> Experiment:
        """The experiment of that day, from 0."""
        if self.files:
            return replace(self.experiment, tape_files=(self.folder / self.files[number],))
        assert self.experiment.generated is not None, self.name
        generated = self.experiment.generated
        return replace(self.experiment, generated=replace(generated, seed=generated.seed + number))

    def check(self, instrument: Instrument) -> None:
        """Every value of each variable, beside the first of the others.

        Raises:
            SettingsError: where the bot would refuse one.
        """
        first = {name: values[0] for name, values in self.parameters.items()}
        for name, values in self.parameters.items():
            for value in values:
                policy_of({**self.experiment.strategy, **first, name: value}, instrument)

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
    trials, seed = _count(sweep, "trials", 50), _count(sweep, "seed", 1)
    plan, goal = str(sweep.get("plan", "grid")), str(sweep.get("goal", "total"))
    if plan not in PLANS:
        faults.append(f"[sweep] plan {plan!r}: one of {', '.join(PLANS)}")
    if goal not in GOALS:
        faults.append(f"[sweep] goal {goal!r}: one of {', '.join(GOALS)}")
    if choose_on > days:
        faults.append(f"[sweep] choose_on {choose_on}: 1 to days, which is {days}")
    parameters = {}
    for name, given in as_table(sweep.get("parameters", {}), "[sweep.parameters]").items():
        try:
            parameters[name] = _values(given)
        except (ValueError, TypeError, ArithmeticError) as error:
            faults.append(f"[sweep.parameters] {name}: {error}")
        except KeyError as error:
            faults.append(f"[sweep.parameters] {name}: no {error.args[0]}; low, high and step")
    if not parameters and not faults:
        faults.append("[sweep.parameters] names no variable: MM_NAME = [...], or low, high, step")
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
        trials=grid if plan == "grid" else min(grid, trials) if plan in PLANNED else trials,
        seed=seed,
        goal=goal,
        days=days,
        choose_on=choose_on,
        files=files,
        parameters=parameters,
    )


def goal(name: str, made: dict[str, Any]) -> float:
    """One day's worth, the larger the better."""
    pnl = made["pnl"]
    if name == "per_volume_bps":
        return float(pnl["per_volume_bps"] or 0.0)
    total = float(pnl["total"])
    return total - float(pnl["max_drawdown"]) if name == "total_less_drawdown" else total


def _count(sweep: Mapping[str, Any], name: str, default: int) -> int:
    """Raises SettingsError where it is no whole number, or one that nobody means."""
    value = sweep.get(name, default)
    if type(value) is not int or not 1 <= value < 2**31:
        raise SettingsError([f"[sweep] {name} = {value!r:.60}: write a whole number, 1 or more"])
    return value


def _indices(number: int, sizes: list[int]) -> Iterator[int]:
    """The point of that number in the grid, the last parameter running fastest."""
    left = prod(sizes)
    for size in sizes:
        left //= size
        at, number = divmod(number, left)
        yield at


def _spread(sizes: list[int], wanted: int, seed: int) -> Iterator[int]:
    """Points that fill the grid evenly from the first on: multiples of one over the powers of the
    root of x^(d+1) = x + 1, for d parameters, a low-discrepancy sequence in all of them (Roberts,
    "The unreasonable effectiveness of quasirandom sequences", 2018). What the coarse grid makes one
    of is taken once, and where the sequence goes on too long without a new one, the rest in order.
    """
    root = 2.0
    for _ in range(60):
        root = (1 + root) ** (1 / (len(sizes) + 1))
    found: dict[int, None] = {}
    for step in range(seed, seed + 50 * wanted):
        number = 0
        for power, size in enumerate(sizes, start=1):
            number = number * size + int((0.5 + step / root**power) % 1 * size)
        found[number] = None
        if len(found) == wanted:
            break
    for number in range(prod(sizes)):
        if len(found) == wanted:
            break
        found[number] = None
    return iter(found)


def _values(given: Any) -> tuple[str, ...]:
    """A list of texts, or the table low, high, step."""
    if isinstance(given, list):
        if not given:
            raise ValueError("no value")
        return tuple(plain(_exact(each)) if _is_number(each) else str(each) for each in given)
    if not isinstance(given, dict):
        raise TypeError(f"{given!r}: write a list, or the table low, high, step")
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
