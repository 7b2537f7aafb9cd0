"""`mm-backtest parity`: how far the backtest of a journal is from what really happened."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mm_bot.backtest.engine import QUEUES, Exchange
from mm_bot.backtest.journal_tape import read
from mm_bot.backtest.parity import exposition, parity


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("journal", type=Path, metavar="JOURNAL", help="a file, or a folder of them")
    parser.add_argument("--queue", choices=QUEUES, default="risk-averse", help="the queue model")
    parser.add_argument("--queue-power", type=float, default=2.0, metavar="N")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--textfile", type=Path, metavar="FILE.prom", help="mm_bot_backtest_parity for Prometheus"
    )


def run(given: argparse.Namespace) -> int:
    exchange = Exchange(queue=given.queue, queue_power=given.queue_power)
    found = parity(read(given.journal), exchange)
    if given.textfile is not None:
        beside = given.textfile.with_suffix(".new")
        beside.write_text(exposition(found))
        beside.replace(given.textfile)  # a collector never reads half of it
    if given.json:
        print(json.dumps(found, indent=2, sort_keys=True))
        return 0
    print(f"{found['about']}; {found['says']}; longest gap {found['longest_gap_seconds']} s")
    for kind in ("order_replay", "closed_loop"):
        print(kind.replace("_", " "))
        for name, value in found[kind].items():
            print(f"  {name:<28} {value}")
    differing = found["differing_orders"]
    print(f"orders that differ in order replay: {len(differing)} of {found['orders']}")
    for each in differing[:10]:
        print(
            f"  {each['order_id']} at {each['price']}: {each['real_lots']:g} lots there, "
            f"{each['here_lots']:g} here; {each['why']}"
        )
    return 0
