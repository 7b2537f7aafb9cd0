"""`mm-backtest convert`: public market data as a tape. Nothing is downloaded."""

from __future__ import annotations

import argparse
from pathlib import Path

from mm_bot.backtest.convert import FORMATS, convert
from mm_bot.backtest.pieces import SECONDS, save
from mm_bot.backtest.progress import shown
from mm_bot.backtest.tape import Market
from mm_bot.errors import SettingsError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("files", nargs="+", type=Path, help="read one after the other")
    parser.add_argument("--out", required=True, type=Path, metavar="OUT.npz")
    for name in ("symbol", "base", "quote", "tick", "lot"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--kind", choices=("perpetual", "spot"), default="perpetual")
    parser.add_argument("--every", choices=SECONDS, help="one file each, OUT-TIME.npz (UTC)")


def run(given: argparse.Namespace) -> int:
    if given.out.suffix != ".npz":
        raise SettingsError([f"{given.out}: a tape's name ends with .npz"])
    market = Market(
        symbol=given.symbol,
        base=given.base,
        quote=given.quote,
        tick=given.tick,
        lot=given.lot,
        kind=given.kind,
    )
    market.instrument()  # a wrong number is told before the work
    with shown(f"reading {', '.join(file.name for file in given.files)}") as bar:
        tape = convert(given.format, given.files, market, bar.told)
    for path in save(tape, given.out, given.every):
        print(path)
    print(f"{tape.about}: {len(tape.events)} events, {tape.seconds / 60:.1f} minutes")
    return 0
