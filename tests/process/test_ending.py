"""Every signal that asks a process to end, and an end in time whatever hangs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from integration_harness.stack.up import LocalExchange
from tests.process.running import Running
from tests.process.starting import ENDS_WITHIN_S

HANGS = """
import asyncio, sys, time
from mm_bot.host.ending import Ending
from mm_bot.host.process import run_process
from mm_bot.host.shutdown import Shutdown

async def work(log):
    shutdown = Shutdown(lambda: ending.within(0.5))
    shutdown.listen()
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 3_600)
    print("up", flush=True)
    if sys.argv[1] == "loop":
        time.sleep(3_600)
    await shutdown.requested.wait()

ending = Ending()
sys.exit(run_process(work, log_level="INFO", secrets=(), ending=ending))
"""


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_each_of_them_is_a_stop(
    by: signal.Signals, exchange: LocalExchange, tmp_path: Path
) -> None:
    """Asked to cancel when it stops, the bot leaves nothing resting, writes its summary, and says
    that it is proven; exit 0."""
    environment = {
        **exchange.bot_environment(exchange.spot.symbol),
        "MM_STATE_FILE": str(tmp_path / "state.json"),
        "MM_MAX_LONG_INVENTORY": "1000000",
        "MM_ANCHOR_SOURCE_TYPE": "fixed",
        "MM_ANCHOR_FIXED_PRICE": "1600",
        "MM_CANCEL_ON_SHUTDOWN": "true",
    }
    with Running(environment) as bot:
        bot.until_ready()
        ended = bot.stop(by)
    assert ended.exit_code == 0, ended.output
    (told,) = [json.loads(x) for x in ended.output.splitlines() if '"event":"cancelled_all"' in x]
    assert (told["proven"], told["may_be_live"]) == (True, [])
    assert told["block"] > 0
    assert told["executable_until_ms"] > time.time() * 1000
    assert '"event":"summary"' in ended.output


@pytest.mark.parametrize("what", ["thread", "loop"])
def test_nothing_that_hangs_keeps_a_process(what: str) -> None:
    """A thread that waits for ever, as a look-up of a name may, or a loop that does, as a write to
    a pipe that nobody reads may: asked to stop, the process ends all the same, with its code."""
    with subprocess.Popen(
        [sys.executable, "-c", HANGS, what],
        env={"PATH": os.environ.get("PATH", "")},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(ENDS_WITHIN_S) == 0
        finally:
            process.kill()
