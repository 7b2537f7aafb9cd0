"""`mm-backtest worker`: trials of a study, here, until none is left."""

from __future__ import annotations

import argparse
import signal
from types import FrameType

from mm_bot.backtest import sweep
from mm_bot.errors import SettingsError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="NAME")
    parser.add_argument("--storage", metavar="URL", help="default MM_SWEEP_DATABASE_URL")


def run(given: argparse.Namespace) -> int:
    url = sweep.url_given(given.storage)
    if not url:
        raise SettingsError(["MM_SWEEP_DATABASE_URL is not set: give it, or --storage URL"])
    stop = False

    def ask_to_stop(signum: int, frame: FrameType | None) -> None:
        nonlocal stop
        stop = True

    for number in (signal.SIGTERM, signal.SIGINT):  # the trial under way waits for others
        signal.signal(number, ask_to_stop)
    with sweep.opened(url) as store:
        study, found = sweep.load(given.study, store)
        made = sweep.work(study, found, url, told=lambda: not stop)
    print(f"{study.name}: {made} trials made here")
    return 0
