"""`mm-backtest tape`: a tape of a journal's market without our orders, or a generated one."""

from __future__ import annotations

import argparse
from pathlib import Path

from mm_bot.backtest.experiment import read as experiment
from mm_bot.backtest.journal_tape import read
from mm_bot.backtest.pieces import SECONDS, save
from mm_bot.backtest.progress import shown
from mm_bot.errors import SettingsError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="a journal, or an experiment.toml to generate")
    parser.add_argument("out", type=Path, metavar="OUT.npz", help="OUT.json is written beside it")
    parser.add_argument("--every", choices=SECONDS, help="one file each, OUT-TIME.npz (UTC)")


def run(given: argparse.Namespace) -> int:
    if given.out.suffix != ".npz":
        raise SettingsError([f"{given.out}: a tape's name ends with .npz"])
    with shown(f"reading {given.source.name}", None) as bar:
        if given.source.suffix == ".toml":
            tape = experiment(given.source).tape()
        else:
            tape = read(given.source, bar.told).tape
    for path in save(tape, given.out, given.every):
        print(path)
    print(f"{tape.about}: {len(tape.events)} events, {tape.seconds / 60:.1f} minutes")
    return 0
