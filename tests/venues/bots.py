"""Bots as processes on a fake exchange: `starting` them, and waiting for what they do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from integration_harness.bot_process import BotProcess
from integration_harness.stack.supervisor import Supervisor

Start = Callable[..., BotProcess]
REDUCING = {
    "MM_MAX_LONG_INVENTORY": "1",
    "MM_HARD_LONG_INVENTORY": "2",
    "MM_FORCED_REDUCTION": "true",
    "MM_REDUCE_ORDER_SECONDS": "5",
}
"""A bot that leads a position of more than 2 back."""


@contextmanager
def starting(folder: Path, environment: Mapping[str, str]) -> Iterator[Start]:
    """Starts bots around a fixed anchor, with the same state file each time, and ends them all. The
    proxy that their environment names answers nobody: none of their connections may use it."""
    common = {
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "MM_ORDER_SIZE": "0.5",
        "MM_ANCHOR_SOURCE_TYPE": "fixed",
        "MM_ANCHOR_MIN_PRICE": "100",
        "MM_KILL_SWITCH_FILE": str(folder / "kill"),
        "MM_POLL_INTERVAL_MS": "200",
        "MM_QUOTE_REFRESH_INTERVAL_MS": "100",
    }
    with Supervisor() as supervisor:
        bots: list[BotProcess] = []

        def started(**changes: str) -> BotProcess:
            settings = {**common, **environment, **changes}
            bot = BotProcess(supervisor, f"bot{len(bots)}", settings, folder / "state.json")
            bots.append(bot)
            return bot.start()

        yield started
        for bot in bots:
            bot.close()


def wait(what: str, holds: Callable[[], bool], bot: BotProcess, seconds: float = 20) -> None:
    """Until it holds, while the bot runs. What is looked at again after this may have changed: a
    test that needs the values of that moment keeps them in what it waits for."""
    give_up_at = time.monotonic() + seconds
    while not holds():
        assert bot.running, bot.log_tail()
        assert time.monotonic() < give_up_at, f"{what}\n{bot.log_tail()}"
        time.sleep(0.05)


def ended(bot: BotProcess, seconds: float = 20) -> int | None:
    """Its exit code, once it has ended by itself."""
    give_up_at = time.monotonic() + seconds
    while bot.running:
        assert time.monotonic() < give_up_at, bot.log_tail()
        time.sleep(0.05)
    return bot.exit_code
