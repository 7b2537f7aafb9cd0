"""`mm-backtest convert`: public market data as a tape. Nothing is downloaded."""

from __future__ import annotations

import argparse
from pathlib import Path

from mm_bot.backtest.convert import FORMATS, convert
from mm_bot.backtest.tape import Market
from mm_bot.errors import SettingsError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("files", nargs="+", type=Path, help="read one after the other")
    parser.add_argument("--out", required=True, type=Path, metavar="OUT.npz")
    for name in ("symbol", "base", "quote", "tick", "lot"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--kind", choices=("perpetual", "spot"), default="perpetual")


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
    tape = convert(given.format, given.files, market)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    tape.save(given.out)
    print(f"{given.out}: {len(tape.events)} events, {tape.seconds / 60:.1f} minutes")
    return 0
