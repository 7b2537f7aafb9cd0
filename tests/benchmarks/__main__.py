"""`make bench`; see the package's docstring."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path

from integration_harness.stack.supervisor import Supervisor
from integration_harness.stack.up import ExchangeOptions, LocalExchange
from mm_bot.host.process import run_process
from mm_bot.observe.log import Log
from tests.benchmarks.alone import alone
from tests.benchmarks.crowded import crowded
from tests.benchmarks.cycles import cycles
from tests.benchmarks.distance import from_afar
from tests.benchmarks.events import events, quiet, starts
from tests.benchmarks.figures import Figure, table, write_json
from tests.benchmarks.fleet import fleet
from tests.benchmarks.host import Host
from tests.benchmarks.picture import svg

TITLE = "From an event to the order that answers it"
PICTURED = " -> "
"""In the name of every figure that the picture shows."""


def main() -> int:
    given = _arguments()
    figures: list[Figure] = []
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {text}", file=sys.stderr)

    async def measure(log: Log) -> None:
        host, whole = Host(), Host()
        pieces = await alone(exchange)

        def note(*found: Figure) -> None:
            share = host.took()
            figures.extend(replace(figure, stolen=share) for figure in found)
            pieces.stretch(given.turns)

        seen = from_afar(exchange, given.delays, supervisor)
        tell("starts, before the rest leaves thousands of unexpired signatures to read")
        note(*await asyncio.to_thread(starts, exchange, supervisor, turns=given.starts))
        for ms in given.delays:
            for levels, together in ((1, False), (1, True), (5, False)):
                tell(f"cycles of {levels} x 2 quotes, +{ms} ms")
                turns = given.turns if ms < 20 else max(2, given.turns // 2)
                how = {"turns": turns, "levels": levels}
                parts = ms == min(given.delays) and levels == 1 and not together
                note(*await cycles(seen[ms], ms, **how, together=together, parts=parts))
        for ms in given.delays:
            tell(f"events, +{ms} ms")
            far = ms > min(given.delays)
            turns = max(1, given.events // 3) if far else given.events
            work = asyncio.to_thread(
                events, seen[ms], supervisor, ms, turns=turns, anchor_alone=far
            )
            note(*await work)
        tell(f"a quiet stretch of {given.quiet_seconds:g} s")
        work = asyncio.to_thread(quiet, exchange, supervisor, seconds=given.quiet_seconds)
        note(*await work)
        tell("a crowded table, and one that is not")
        rows = {"foreign": given.foreign_orders, "old": given.old_rows}
        note(*await crowded(turns=4 * given.turns, **rows))
        if given.bots:
            tell(f"{given.bots} bots side by side")
            work = asyncio.to_thread(
                fleet, exchange, supervisor, bots=given.bots, seconds=given.quiet_seconds
            )
            note(*await work)
        share = whole.took()
        figures.extend(replace(figure, stolen=share) for figure in pieces.figures())

    with LocalExchange(ExchangeOptions(chain_agrees=True)) as exchange, Supervisor() as supervisor:
        rc = run_process(measure, log_level="ERROR", secrets=())
    if rc:
        return rc
    write_json(figures, given.json)
    pictured = [f for f in figures if PICTURED in f.name and f.beside]
    given.svg.write_text(svg(pictured, TITLE))
    print(table(figures))
    where = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"\n{where}; {time.monotonic() - began:.0f} s; see {given.json} and {given.svg}")
    return 0


def _arguments() -> argparse.Namespace:
    defaults = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", formatter_class=defaults)
    delays = [0, 5, 25]
    parser.add_argument("--delays", type=int, nargs="*", default=delays, help="ms a round trip")
    parser.add_argument("--turns", type=int, default=60, help="of each cycle")
    parser.add_argument("--events", type=int, default=100, help="of each kind")
    parser.add_argument("--starts", type=int, default=6, help="of the process")
    parser.add_argument("--quiet-seconds", type=float, default=20, help="stands for a minute")
    parser.add_argument("--foreign-orders", type=int, default=20_000)
    parser.add_argument("--old-rows", type=int, default=1_000_000)
    parser.add_argument("--bots", type=int, default=20, help="side by side; 0 for none")
    parser.add_argument("--short", action="store_true", help="100,000 old rows and no such bots")
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    parser.add_argument("--svg", type=Path, default=Path("bench.svg"))
    given = parser.parse_args()
    if given.short:
        given.old_rows, given.bots = 100_000, 0
    return given


if __name__ == "__main__":
    sys.exit(main())
