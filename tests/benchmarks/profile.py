"""`make profile`: a flame graph of requote cycles, and which imports and waits a start consists of.

A thread looks at the main thread's stack every millisecond while `Bot.cycle` runs over the real
venue. Waiting for the exchange shows as the event loop's own frames.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from integration_harness.stack.up import ExchangeOptions, LocalExchange
from mm_bot.host.process import run_process
from mm_bot.observe.log import Log
from tests.benchmarks import flame
from tests.benchmarks.cycles import PRICES
from tests.benchmarks.in_process import opened

_LOOK_S = 0.001
_SHOWN_IMPORTS = 25
_REPOSITORY = str(Path(__file__).parents[2])


class Sampler:
    """Counts the stacks of the thread that made it, between `start` and `stop`."""

    def __init__(self) -> None:
        self.stacks: Counter[flame.Stack] = Counter()
        self._of = threading.get_ident()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_LOOK_S):
            self.stacks[_named(sys._current_frames()[self._of])] += 1


def _named(frame: FrameType | None) -> flame.Stack:
    names = []
    while frame is not None:
        code = frame.f_code
        where = Path(code.co_filename)
        folder = "" if code.co_filename.startswith(_REPOSITORY) else f"{where.parent.name}/"
        names.append(f"{folder}{where.stem}.{code.co_name}")
        frame = frame.f_back
    return tuple(reversed(names))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.profile")
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--levels", type=int, default=5)
    parser.add_argument("--svg", type=Path, default=Path("profile.svg"))
    given = parser.parse_args()

    async def measure(log: Log) -> None:
        with TemporaryDirectory() as folder:
            async with opened(exchange, Path(folder), levels=given.levels) as ours:
                await ours.bot.cycle()
                sampler = Sampler()
                sampler.start()
                for ours.anchor.price in islice(cycle(PRICES), given.turns):
                    await ours.bot.cycle()
                sampler.stop()
        title = f"{given.turns} cycles of {given.levels} levels a side, all of them replaced"
        given.svg.write_text(flame.svg(sampler.stacks, title))

    with LocalExchange(ExchangeOptions(chain_agrees=True)) as exchange:
        rc = run_process(measure, log_level="ERROR", secrets=())
    if rc:
        return rc
    print(_imports())
    print(f"\n{given.svg} is written")
    return 0


def _imports() -> str:
    """The costliest imports of a start by themselves, and the whole of them."""
    began = time.perf_counter()
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import mm_bot.__main__, mm_bot.app.run"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    took_ms = (time.perf_counter() - began) * 1000
    rows = []
    for line in told.splitlines():
        own, _, rest = line.removeprefix("import time:").partition("|")
        if own.strip().isdigit():
            rows.append((int(own), rest.rpartition("|")[2].strip()))
    rows.sort(reverse=True)
    lines = [f"a start imports {len(rows)} modules in {took_ms:.0f} ms; by themselves, in ms:"]
    lines += [f"{own / 1000:8.1f}  {name}" for own, name in rows[:_SHOWN_IMPORTS]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
