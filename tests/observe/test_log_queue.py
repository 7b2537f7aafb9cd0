"""Claims about a log that nobody reads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from integration_harness.stack.supervisor import free_port
from integration_harness.stack.up import LocalExchange
from mm_bot.observe.log import Log
from mm_bot.observe.log_queue import QueuedStream
from tests.cli.bench import RICH, environment_of, open_account, wait_for


def test_a_full_pipe_holds_nobody_up_and_what_was_lost_is_said() -> None:
    """Writing returns at once though nothing reads; what does not fit is counted; once somebody
    reads, whole lines come in their order, and then how many are missing."""
    reader, writer = os.pipe()
    stream = QueuedStream(writer, holds=200_000)
    log = Log(stream=stream)
    total = 5_000
    for number in range(total):
        log.info("event", number=number, text="x" * 100)
    assert stream.dropped > 0
    assert log.dropped == stream.dropped
    stream.drain(0.01)  # nothing reads: it gives up

    lines: list[dict[str, object]] = []
    with open(reader, encoding="utf-8") as source:
        while lost(lines) < stream.dropped:
            lines.append(json.loads(source.readline()))
        log.info("last")
        lines.append(json.loads(source.readline()))
    os.close(writer)
    numbers = [int(str(line["number"])) for line in lines if line["event"] == "event"]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == total - stream.dropped
    assert lines[-1]["event"] == "last"


def lost(lines: list[dict[str, object]]) -> int:
    """As the lines themselves say."""
    return sum(int(str(line["lines"])) for line in lines if line["event"] == "log.dropped")


def test_a_bot_whose_log_nobody_reads_goes_on(exchange: LocalExchange, tmp_path: Path) -> None:
    """With a full pipe for stderr that is never read it quotes, pages answer, the kill switch
    cancels, and SIGTERM ends it with exit code 0."""
    account = open_account(exchange, RICH)
    port = free_port()
    environment = environment_of(
        exchange,
        account.subaccount_ids[0],
        tmp_path,
        MM_METRICS_ADDR=f"127.0.0.1:{port}",
    )
    reader, writer = os.pipe()
    fill(writer)
    bot = subprocess.Popen(
        [sys.executable, "-m", "mm_bot"], env={**os.environ, **environment}, stderr=writer
    )
    os.close(writer)

    def page(path: str) -> str:
        try:
            return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5).text
        except httpx.TransportError:
            return ""

    def live(side: str) -> bool:
        return f'mm_bot_live_orders{{side="{side}"}} 1.0' in page("/metrics")

    try:
        wait_for(lambda: live("buy") and live("sell"), "both sides quoted", 30)
        (tmp_path / "kill").touch()
        wait_for(lambda: '"live":[]' in page("/status"), "everything cancelled", 30)
        bot.send_signal(signal.SIGTERM)
        assert bot.wait(30) == 0
    finally:
        bot.kill()
        bot.wait()
        os.close(reader)


def fill(pipe: int) -> None:
    """Until it takes no more."""
    os.set_blocking(pipe, False)
    try:
        while True:
            os.write(pipe, b"x" * 4_096)
    except BlockingIOError:
        os.set_blocking(pipe, True)
