"""`mm-backtest run`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from mm_bot.backtest import metrics
from mm_bot.backtest.experiment import DEFAULT, Experiment, read
from mm_bot.backtest.path import mid_path
from mm_bot.backtest.progress import shown
from mm_bot.backtest.report import report
from mm_bot.backtest.run import Run
from mm_bot.backtest.run import run as trade
from mm_bot.backtest.series import series
from mm_bot.errors import SettingsError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", type=Path, metavar="EXPERIMENT.toml", help="default: a small one"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="MM_NAME=VALUE", help="a variable of the bot"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write result.json and report.html there"
    )
    parser.add_argument(
        "--returns-csv",
        type=Path,
        metavar="FILE",
        help="write date,return,profit by UTC day; the return is of [account] quote",
    )
    parser.add_argument("--json", action="store_true", help="print the result for programs")


def run(given: argparse.Namespace) -> int:
    experiment = chosen(given.experiment, given.set)
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)  # told before the work where it cannot be
    if given.returns_csv is not None:
        if not experiment.account.start[1].value > 0:
            fault = "--returns-csv needs [account] quote above 0: returns are of that"
            raise SettingsError([fault])
        given.returns_csv.touch()
    tape = experiment.tape()
    with shown("looking at the tape") as bar:
        path = mid_path(tape, bar.told)
    with shown(f"{tape.market.symbol}, {tape.seconds / 60:.1f} minutes of tape") as bar:
        done = trade(experiment, tape, progress=bar.told, path=path)
    made = metrics.result(done)
    print(metrics.text(made) if given.json else "\n".join(lines(made)))
    if given.returns_csv is not None:
        given.returns_csv.write_text(returns(done))
    if given.out is not None:
        write(given.out, made, series(done))
        print(f"\nthe report is {given.out / 'report.html'}", file=sys.stderr)
    return 0


def returns(done: Run) -> str:
    """The result of each UTC day, for tools that take daily returns."""
    capital = done.experiment.account.start[1].value
    rows = [f"{day},{float(won.value / capital):.12g},{won}" for day, won in metrics.daily(done)]
    return "\n".join(["date,return,profit", *rows]) + "\n"


def write(folder: Path, made: dict[str, Any], curves: dict[str, Any]) -> None:
    """The result, its curves and the page of both."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(metrics.text(made))
    (folder / "series.json").write_text(json.dumps(curves) + "\n")
    (folder / "report.html").write_text(report(made, curves))


def chosen(path: Path | None, assignments: list[str]) -> Experiment:
    """The experiment of the file with the variables of `--set`.

    Raises:
        SettingsError: for what is wrong with either.
    """
    variables = {}
    for each in assignments:
        name, equals, value = each.partition("=")
        if not equals:
            raise SettingsError([f"--set {each}: write NAME=VALUE"])
        variables[name] = value
    return (DEFAULT if path is None else read(path)).with_variables(variables)


def lines(made: dict[str, Any]) -> list[str]:
    """For people."""
    told = [made["says"], *made["warnings"], ""]
    for name, value in made["pnl"].items():
        told.append(f"  {name:<26} {metrics.short(value) if _is_money(value) else _shown(value)}")
    for group in ("fills", "inventory", "quoting"):
        told.append(f"{group}")
        told += [f"  {name:<26} {_shown(value)}" for name, value in made[group].items()]
    told.append("markouts, bps (mean +- error, n)")
    for side, by_horizon in made["markouts_bps"].items():
        cells = [
            f"{horizon} {_shown(at['mean'])} +- {_shown(at['error'])} ({at['n']})"
            for horizon, at in by_horizon.items()
        ]
        told.append(f"  {side:<6} " + "; ".join(cells))
    return told


def _is_money(value: object) -> bool:
    return isinstance(value, str) and value.lstrip("-").replace(".", "", 1).isdigit()


def _shown(value: object) -> object:
    if value is None:
        return "unknown"
    return json.dumps(value) if isinstance(value, dict) else value
