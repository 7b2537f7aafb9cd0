"""`mm-backtest bench`: how fast a run is, against the engine driven by nobody."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from mm_bot.backtest.command_run import chosen
from mm_bot.backtest.engine import Engine, Exchange, Step
from mm_bot.backtest.path import mid_path
from mm_bot.backtest.progress import shown
from mm_bot.backtest.run import run as trade
from mm_bot.backtest.tape import Tape

DAY_S = 86_400


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", type=Path, metavar="EXPERIMENT.toml")
    parser.add_argument("--set", action="append", default=[], metavar="MM_NAME=VALUE")


def run(given: argparse.Namespace) -> int:
    experiment = chosen(given.experiment, given.set)
    tape = experiment.tape()
    path = mid_path(tape)
    began_s = time.process_time()
    with shown(f"{tape.seconds / 60:.0f} minutes of tape") as bar:
        done = trade(experiment, tape, path=path, progress=bar.told)
    run_s = time.process_time() - began_s
    if not done.whole:
        raise KeyboardInterrupt  # half a run says nothing about its speed
    empty_s = _empty(tape)
    events, cycles = len(tape.events), len(done.recorder.samples)
    print(f"{tape.about}: {events} events, {tape.seconds:.0f} s, poll {done.poll_ms} ms")
    print(f"the bot:   {cycles / run_s:10.0f} cycles/s {events / run_s:12.0f} events/s")
    print(f"nobody:    {'':10} {'':8} {events / empty_s:12.0f} events/s")
    print(f"ratio:     {run_s / empty_s:10.1f} times the engine alone")
    print(f"a day:     {run_s / tape.seconds * DAY_S:10.0f} s of one core, at this poll")
    return 0


def _empty(tape: Tape) -> float:
    """Seconds of one core for the same tape with every message looked at and nothing sent."""
    engine = Engine(tape, Exchange())
    began_s = time.process_time()
    while engine.step(1 << 62, watch=True) is not Step.END:
        engine.best_ticks()
    took_s = time.process_time() - began_s
    engine.close()
    return max(took_s, 1e-9)
