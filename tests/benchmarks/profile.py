"""`make profile`: a flame graph of requote cycles, and which imports and waits a start consists of.

The stack is looked at by the CPU that was used while `Bot.cycle` runs over the real venue.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from itertools import cycle, islice, takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType

from integration_harness.stack.supervisor import Supervisor
from integration_harness.stack.up import ExchangeOptions, LocalExchange
from mm_bot.host.process import run_process
from mm_bot.observe.log import Log
from tests.benchmarks import flame
from tests.benchmarks.cycles import PRICES
from tests.benchmarks.events import cpu_s, keep_code, rivals
from tests.benchmarks.in_process import opened

_LOOK_S = 0.001
"""The kernel makes of it as much as its own tick has, 4 ms on most."""
_SHOWN_IMPORTS = 25
_AS_A_START = """
import gc, os, time
gc.disable()
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
from mm_bot import kept_modules
kept_modules.of_this_package().begin()
from mm_bot import generated_code
generated_code.of_this_package().begin()
import mm_bot.__main__, mm_bot.settings, mm_bot.app.run, mm_bot.venues.numo.exchange
print(time.process_time() * 1000)
"""
_REPOSITORY = str(Path(__file__).parents[2])


class Sampler:
    """Counts the stacks of the main thread, a look in every few milliseconds of this process' CPU.

    A thread that looks would see it where it gives the interpreter away, hardly ever elsewhere."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[CodeType, ...]] = Counter()

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, _LOOK_S, _LOOK_S)

    def stop(self) -> Counter[flame.Stack]:
        """All of them, by name."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        stacks: Counter[flame.Stack] = Counter()
        for seen, times in self._seen.items():
            stacks[tuple(map(_name, seen))] += times
        return stacks

    def _look(self, _: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            stack.append(frame.f_code)
            frame = frame.f_back
        self._seen[tuple(reversed(stack))] += 1


def _name(code: CodeType) -> str:
    where = Path(code.co_filename)
    folder = "" if code.co_filename.startswith(_REPOSITORY) else f"{where.parent.name}/"
    return f"{folder}{where.stem}.{code.co_name}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.profile")
    parser.add_argument("--turns", type=int, default=3000)
    parser.add_argument("--levels", type=int, default=1)
    parser.add_argument("--starts", type=int, default=6)
    parser.add_argument("--svg", type=Path, default=Path("profile.svg"))
    given = parser.parse_args()

    async def measure(log: Log) -> None:
        with TemporaryDirectory() as folder:
            async with opened(exchange, Path(folder), levels=given.levels) as ours:
                await ours.bot.cycle()
                sampler = Sampler()
                began = time.monotonic(), time.process_time()
                sampler.start()
                for ours.anchor.price in islice(cycle(PRICES), given.turns):
                    await ours.bot.cycle()
                stacks = sampler.stop()
                took = time.monotonic() - began[0], time.process_time() - began[1]
        work = above_the_loop(stacks)
        cycles = f"{given.turns} cycles of {given.levels} x 2 quotes, all of them replaced"
        each = [1000 * seconds / given.turns for seconds in took]
        title = f"{cycles}: {each[0]:.1f} ms each, of which {each[1]:.1f} of our CPU, which this is"
        given.svg.write_text(flame.svg(work, title))

    with LocalExchange(ExchangeOptions(chain_agrees=True)) as exchange, Supervisor() as supervisor:
        rc = run_process(measure, log_level="ERROR", secrets=())
        if not rc:
            print(_start(exchange, supervisor, given.starts))
    if rc:
        return rc
    print(_imports())
    print(f"\n{given.svg} is written")
    return 0


def above_the_loop(stacks: Mapping[flame.Stack, int]) -> Counter[flame.Stack]:
    """What the event loop called, without the frames below it that every look has."""
    shared = zip(min(stacks), max(stacks), strict=False)  # what these two share they all do
    below = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], shared))
    return Counter({stack[below:]: n for stack, n in stacks.items() if len(stack) > below})


def _start(exchange: LocalExchange, supervisor: Supervisor, starts: int) -> str:
    """The least of some, from the process to both quotes: of it CPU, and waits."""
    keep_code()
    took = []
    with rivals(exchange, supervisor, "profile") as (bot, _):
        for _ in range(starts):
            began_at = time.time()
            bot.start()
            rested_at = bot.wait_for_new(set(), 2)
            took.append(((rested_at - began_at) * 1000, cpu_s(bot) * 1000))
            bot.stop()
    whole_ms, cpu_ms = min(took)
    return (
        f"a start takes {whole_ms:.0f} ms to both quotes (the least of {starts}), {cpu_ms:.0f} of "
        f"them CPU; it waits {max(0.0, whole_ms - cpu_ms):.0f} for API, node, Postgres and disk"
    )


def _imports() -> str:
    """The costliest imports of a start by themselves, and the whole of them. As a start does them:
    without the collector, and with the methods of dataclasses as they were kept."""
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", _AS_A_START],
        capture_output=True,
        text=True,
        check=True,
    )
    took_ms = float(told.stdout)
    rows = []
    for line in told.stderr.splitlines():
        own, _, rest = line.removeprefix("import time:").partition("|")
        if own.strip().isdigit():
            rows.append((int(own), rest.rpartition("|")[2].strip()))
    rows.sort(reverse=True)
    lines = [f"it imports {len(rows)} modules in {took_ms:.0f} ms of CPU; by themselves, in ms:"]
    lines += [f"{own / 1000:8.1f}  {name}" for own, name in rows[:_SHOWN_IMPORTS]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
