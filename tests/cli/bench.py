"""Commands with an environment of their own, and what they print; bots as processes.

Commands run in this process, which saves half a second each; `test_entry` runs real ones.

Whatever any command prints here is searched for every secret it was given.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from integration_harness.demo.bots import BotProcess
from integration_harness.stack.chain import Chain
from integration_harness.stack.deploy import ONE
from integration_harness.stack.deployment import Account, Deposit
from integration_harness.stack.up import LocalExchange
from mm_bot.cli.main import main

OWNER_KEY = "0x" + "c1" * 32
RICH = Deposit(cash=100_000 * ONE, wrapped_cngn=160_000_000 * ONE)
ONLY_USDC = Deposit(cash=500 * ONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.out)
        return content


def run(environment: Mapping[str, str], *words: str) -> Ran:
    """One command, without a terminal."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words, environment)
    return checked(Ran(code=code, out=out.getvalue(), err=err.getvalue()), environment)


def start(environment: Mapping[str, str], *words: str) -> Ran:
    """The same as a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-m", "mm_bot", *words],
        env={"PATH": os.environ.get("PATH", ""), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return checked(Ran(code=ended.returncode, out=ended.stdout, err=ended.stderr), environment)


def checked(ran: Ran, environment: Mapping[str, str]) -> Ran:
    """What was printed has no secret in it."""
    printed = (ran.out + ran.err).lower()
    for secret in secrets_of(environment):
        assert secret.lower() not in printed, "a secret was printed"
    return ran


def secrets_of(environment: Mapping[str, str]) -> Iterator[str]:
    """Keys and passwords, but for one as plain as the local reader's."""
    for name, text in environment.items():
        if name.endswith(("_PRIVATE_KEY", "_API_KEY")):
            yield text.strip().removeprefix("0x")
        password = urlsplit(text).password if "://" in text else None
        if password and len(password) > 8:
            yield password


def open_account(exchange: LocalExchange, *funds: Deposit) -> Account:
    """An owner of our own, with a subaccount for each of the funds."""
    with Chain(exchange.rpc_url, exchange.deployment) as chain:
        return chain.create_account("operator", OWNER_KEY, funds)


def environment_of(
    exchange: LocalExchange, subaccount_id: int, folder: Path, **changes: str
) -> dict[str, str]:
    """A bot on spot with a fixed anchor, whose files are in `folder`."""
    return {
        **exchange.bot_environment(exchange.spot.symbol),
        "MM_OWNER_PRIVATE_KEY": OWNER_KEY,
        "MM_SUBACCOUNT_ID": str(subaccount_id),
        "MM_STATE_FILE": str(folder / "state.json"),
        "MM_KILL_SWITCH_FILE": str(folder / "kill"),
        "MM_OPERATOR_MODE_FILE": str(folder / "mode"),
        "MM_ANCHOR_SOURCE_TYPE": "fixed",
        "MM_ANCHOR_FIXED_PRICE": "1600",
        "MM_POLL_INTERVAL_MS": "100",
        "MM_MAX_LONG_INVENTORY": "105000",
        "MM_MAX_SHORT_INVENTORY": "-105000",
        "MM_CANCEL_ON_SHUTDOWN": "true",
        **changes,
    }


@contextmanager
def running(environment: dict[str, str], folder: Path) -> Iterator[BotProcess]:
    """A ready bot; its environment then says where its pages are."""
    bot = BotProcess(
        market=environment["MM_MARKET_SYMBOL"],
        environment=environment,
        log_path=folder / "bot.log",
    )
    environment["MM_METRICS_ADDR"] = f"127.0.0.1:{bot.port}"
    try:
        bot.start()
        bot.wait_until_ready()
        yield bot
    finally:
        bot.stop()
        log = bot.log_path.read_text().lower()
        assert all(secret not in log for secret in secrets_of(environment)), "a secret in the log"


def wait_for(holds: Callable[[], bool], what: str, within_s: float = 5.0) -> None:
    give_up_at = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < give_up_at, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)
