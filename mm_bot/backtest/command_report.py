"""`mm-backtest report`: the page of a result that was written before."""

from __future__ import annotations

import argparse
from pathlib import Path

import orjson

from mm_bot.backtest.report import report
from mm_bot.errors import SettingsError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="that `run --out` wrote")


def run(given: argparse.Namespace) -> int:
    folder: Path = given.folder
    try:
        made, curves = (
            orjson.loads((folder / name).read_bytes()) for name in ("result.json", "series.json")
        )
    except (OSError, ValueError) as error:
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        fault = f"{folder} has no result of a run: {why}; name a folder that `run --out` wrote"
        raise SettingsError([fault]) from None
    page = folder / "report.html"
    page.write_text(report(made, curves))
    print(page)
    return 0
