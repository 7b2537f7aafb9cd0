"""The parent: starts one process a market, starts it again where it ends, and stops all with proof.

1. A market that ends is started again after a pause that doubles from `FIRST_PAUSE_S` to
   `LAST_PAUSE_S`; one that lived `STEADY_S` begins anew. Not so after 0 (somebody ended it), 2, 3
   (the same again would end the same way) and 5 (somebody has to look first).
2. A stop sends SIGTERM to all at once and waits. A market whose process ended with 0 has proven by
   itself that nothing of it is live (`MM_CANCEL_ON_SHUTDOWN`); of every other one that is proven by
   `mm-bot cancel-all`. What cannot be proven is named, and the exit code is 5.
3. A parent that is killed takes its processes with it: the kernel sends each of them
   `PARENT_GONE`, once a thread of the parent, and each stops as by one SIGTERM.

Each market writes its own log, so that nobody who does not read can hold up a market.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from mm_bot.errors import NotProvenError, SettingsError
from mm_bot.fleet.plan import Fleet, Market
from mm_bot.host.shutdown import PARENT_GONE, Shutdown
from mm_bot.observe.log import Log

FIRST_PAUSE_S: Final = 1.0
LAST_PAUSE_S: Final = 60.0
STEADY_S: Final = 60.0
STOP_WITHIN_S: Final = 25.0
"""A bot that cancels and proves takes up to 15."""
PROVE_WITHIN_S: Final = 15.0
_OFF: Final = ("false", "0", "no", "off")
FINAL_CODES: Final = frozenset({0, 2, 3, 5})
_PR_SET_PDEATHSIG: Final = 1


@dataclass(slots=True, kw_only=True)
class Child:
    """One market and its process of now."""

    market: Market
    state: str = "starting"
    """starting, running, waiting to start again, ended, stopping, stopped or NOT PROVEN."""
    restarts: int = 0
    exit_code: int | None = None
    """Of the last process that ended."""
    process: asyncio.subprocess.Process | None = field(default=None, repr=False)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    def told(self) -> dict[str, object]:
        """For people and programs."""
        return {
            "market": self.market.name,
            "state": self.state,
            "pid": self.process.pid if self.process is not None and self.running else None,
            "restarts": self.restarts,
            "exit_code": self.exit_code,
            "url": self.market.url,
        }


class Parent:
    """Of one fleet. `run` ends at a signal, or once no market is left to supervise."""

    def __init__(self, fleet: Fleet, log: Log, shutdown: Shutdown) -> None:
        self.children = tuple(Child(market=market) for market in fleet.markets)
        self._log = log
        self._shutdown = shutdown

    async def run(self) -> None:
        """Supervise until asked to stop.

        Raises:
            NotProvenError: naming the markets in which orders may still be live.
            SettingsError: where a log cannot be written.
        """
        ended = await asyncio.gather(
            *(self._keep(child) for child in self.children), return_exceptions=True
        )
        proven = await asyncio.gather(*(self._proven(child) for child in self.children))
        for error in ended:
            if isinstance(error, BaseException):
                raise error
        unproven = [c.market.name for c, p in zip(self.children, proven, strict=True) if not p]
        if unproven:
            raise NotProvenError(
                f"not proven empty: {', '.join(unproven)}; look with `mm-bot orders`, or repeat "
                "`mm-bot cancel-all`, each with the market's variables"
            )

    async def _keep(self, child: Child) -> None:
        """One market, until it has ended for good or all are to stop. Whoever starts a process
        here also sees it end."""
        pause_s, stopping = FIRST_PAUSE_S, self._shutdown.requested
        while not stopping.is_set():
            began_s = time.monotonic()
            try:
                child.process = await _spawn(child.market)
            except SettingsError:
                self._shutdown.request("a market that cannot be started")
                raise
            child.state = "running"
            self._log.info("fleet.started", market=child.market.name, pid=child.process.pid)
            child.exit_code = await self._ended(child, child.process)
            if stopping.is_set():
                return
            lived_s = time.monotonic() - began_s
            final = child.exit_code in FINAL_CODES
            child.state = "ended" if final else "waiting to start again"
            self._log.warning(
                "fleet.ended",
                market=child.market.name,
                code=child.exit_code,
                lived_s=round(lived_s, 1),
                again_in_s=None if final else pause_s,
            )
            if final:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await stopping.wait()
            pause_s = FIRST_PAUSE_S if lived_s >= STEADY_S else min(2 * pause_s, LAST_PAUSE_S)
            child.restarts += 1

    async def _ended(self, child: Child, process: asyncio.subprocess.Process) -> int:
        """The exit code, once it has ended by itself or was stopped."""
        ending = asyncio.create_task(process.wait())
        asked = asyncio.create_task(self._shutdown.requested.wait())
        await asyncio.wait({ending, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not ending.done():
            child.state = "stopping"
            process.send_signal(signal.SIGTERM)
            await asyncio.wait({ending}, timeout=STOP_WITHIN_S)
        if not ending.done():
            process.kill()
        return await ending

    async def _proven(self, child: Child) -> bool:
        """Whether nothing of a market that has ended is live, or was meant to stay."""
        market, how, proven = child.market, "by itself", child.exit_code == 0
        if proven and market.environment.get("MM_CANCEL_ON_SHUTDOWN", "").lower() in _OFF:
            how = "left resting: MM_CANCEL_ON_SHUTDOWN is off"
        if not proven:
            how, within = "by cancel-all", f"{PROVE_WITHIN_S:g}"
            proving = await _spawn(market, "cancel-all", "--within", within, "--json")
            proven = await proving.wait() == 0
        child.state = "stopped" if proven else "NOT PROVEN"
        tell = self._log.info if proven else self._log.error
        tell("fleet.stopped", market=market.name, proven=proven, how=how)
        return proven


async def _spawn(market: Market, *words: str) -> asyncio.subprocess.Process:
    """A process of `mm-bot` with the market's environment and log."""
    try:
        log = market.log.open("ab")
    except OSError as error:
        fault = f"{market.log}: cannot be written: {error.strerror}; give another fleet.folder"
        raise SettingsError([fault]) from None
    parent = os.getpid()

    def follow() -> None:
        """In the child, before its program: end with the parent, where the system can do that."""
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, PARENT_GONE)
            if os.getppid() != parent:
                os._exit(1)

    with log:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "mm_bot",
            *words,
            env=dict(market.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is the parent's to pass on
            preexec_fn=follow,
        )
