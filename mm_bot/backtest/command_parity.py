"""`mm-backtest parity`: how far the backtest of a journal is from what really happened."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mm_bot.backtest.engine import QUEUES, Exchange
from mm_bot.backtest.journal_tape import read
from mm_bot.backtest.parity import exposition, parity
from mm_bot.backtest.parity_page import page_of
from mm_bot.backtest.progress import said, shown, watched


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "journals",
        nargs="+",
        type=Path,
        metavar="JOURNAL",
        help="a file or a folder of them; several are days, the oldest first",
    )
    parser.add_argument("--queue", choices=QUEUES, default="risk-averse", help="the queue model")
    parser.add_argument("--queue-power", type=float, default=2.0, metavar="N")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write parity.html there")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--textfile", type=Path, metavar="FILE.prom", help="mm_bot_backtest_parity for Prometheus"
    )


def run(given: argparse.Namespace) -> int:
    exchange = Exchange(queue=given.queue, queue_power=given.queue_power)
    days: list[dict[str, Any]] = []
    for path in given.journals:
        with shown(f"reading {path.name}", None) as bar:
            journal = read(path, bar.told)
        days.append(parity(journal, exchange, watch=watched))
        if bar.interrupted or not days[-1]["whole"]:
            said("interrupted: of what was read and replayed until then")
            break
    if given.textfile is not None:
        beside = given.textfile.with_suffix(".new")
        beside.write_text(exposition(days[-1]))
        beside.replace(given.textfile)  # a collector never reads half of it
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "parity.html").write_text(page_of(days))
        said(f"the page is {given.out / 'parity.html'}")
    if given.json:
        print(json.dumps(days if len(days) > 1 else days[0], indent=2, sort_keys=True))
        return 0
    print("\n".join(line for found in days for line in lines(found)))
    return 0


def lines(found: dict[str, Any]) -> list[str]:
    """For people."""
    told = [f"{found['about']}; {found['says']}; longest gap {found['longest_gap_seconds']} s"]
    for kind in ("order_replay", "closed_loop"):
        told.append(kind.replace("_", " "))
        told += [f"  {name:<28} {value}" for name, value in found[kind].items()]
    differing = found["differing_orders"]
    told.append(f"orders that differ in order replay: {len(differing)} of {found['orders']}")
    told += [
        f"  {each['order_id']} at {each['price']}: {each['real_lots']:g} lots there, "
        f"{each['here_lots']:g} here; {each['why']}"
        for each in differing[:10]
    ]
    return told
