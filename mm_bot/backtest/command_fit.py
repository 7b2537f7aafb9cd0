"""`mm-backtest fit`: the models that agree best with journals, for experiments."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mm_bot.backtest.fit import fit, models_tried
from mm_bot.backtest.journal_tape import read
from mm_bot.backtest.progress import said, shown


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "journals", nargs="+", type=Path, metavar="JOURNAL", help="a day each; the last one judges"
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def run(given: argparse.Namespace) -> int:
    with shown("reading", len(given.journals)) as bar:
        journals = [read(path) for path in bar.each(given.journals)]
    with shown("queue models and latency", models_tried()) as bar:
        found = fit(journals, bar.each)
    if not found["whole"]:
        said("interrupted: the best of those that were tried")
    if given.json:
        print(json.dumps(found, indent=2, sort_keys=True))
        return 0
    where = "the same journal" if found["judged_on_what_chose"] else "the last journal"
    print(f'[exchange]\nqueue = "{found["queue"]}"\nqueue_power = {found["queue_power"]:g}')
    print(f"offset_ms = {found['offset_ms']:g}")
    print(
        f"parity {found['chosen_on']} where it was chosen, {found['judged_on_the_last']} on {where}"
    )
    for each in found["scores"]:
        print(
            f"  {each['queue']:<12} {each['power']:g} {each['offset_ms']:+5g} ms  {each['parity']}"
        )
    if found["intensity"] is None:
        print("too few fills, or none further away, to tell a and k")
    else:
        print(f'[tape.generate]\na = "{found["intensity"]["a"]}"\nk = "{found["intensity"]["k"]}"')
    return 0
