"""Claims about signals, with real ones and real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from mm_bot.host.shutdown import PARENT_GONE, STOPS

PROGRAM = """
import asyncio, sys
from mm_bot.host.shutdown import Shutdown

async def main():
    shutdown = Shutdown()
    restore = shutdown.listen()
    print("ready", flush=True)
    await shutdown.requested.wait()
    print("asked by", shutdown.signal_name, flush=True)
    if sys.argv[1] == "hangs":
        while True:
            pass
    restore()

asyncio.run(main())
"""


def start(how: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", STOPS)
def test_one_signal_asks(number: signal.Signals) -> None:
    """The first signal sets the event, tells its name, and the program ends as it likes."""
    with start("ends") as process:
        process.send_signal(number)
        output, _ = process.communicate(timeout=10)
        assert output == f"asked by {number.name}\n"
        assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(number: signal.Signals) -> None:
    """A second signal of either kind ends even a program that never looks up again."""
    with start("hangs") as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "asked by SIGTERM\n"
        time.sleep(0.05)
        assert process.poll() is None
        process.send_signal(number)
        process.wait(timeout=10)
        assert process.returncode == -number


def test_a_killed_supervisor_asks_once_however_often_the_kernel_says_so() -> None:
    """The kernel tells of a parent's death once for each of its threads: a program that is ending
    because of it goes on to its end, and a SIGTERM still ends it at once."""
    assert PARENT_GONE is not None, "the tests run on Linux"
    with start("hangs") as process:
        process.send_signal(PARENT_GONE)
        assert process.stdout is not None
        assert process.stdout.readline() == "asked by SIGPWR\n"
        for _ in range(20):
            process.send_signal(PARENT_GONE)
        time.sleep(0.05)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)
        assert process.returncode == -signal.SIGTERM
