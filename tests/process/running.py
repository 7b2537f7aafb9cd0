"""A bot as a process whose log is read through a pipe, so that no limit on files touches it."""

from __future__ import annotations

import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import httpx

from integration_harness.stack.supervisor import free_port
from tests.process.starting import ENDS_WITHIN_S, Ended, start

WITHIN_S = 60
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


class Running:
    """Ended, at the latest, with the `with` block."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.port = free_port()
        self._lines: list[str] = []
        self._process = start({**environment, "MM_METRICS_ADDR": f"127.0.0.1:{self.port}"})
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def output(self) -> str:
        return "".join(self._lines)

    def status(self) -> dict[str, Any]:
        """`/status`; empty where it does not answer."""
        try:
            found: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.port}/status").json()
        except httpx.TransportError:
            return {}
        return found

    def until(self, holds: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
        """The first status of which that holds."""
        give_up_at = time.monotonic() + WITHIN_S
        while time.monotonic() < give_up_at and self._process.poll() is None:
            found = self.status()
            if found and holds(found):
                return found
            time.sleep(0.05)
        raise AssertionError(f"never {what}: {self.status()}\n{self.output[-3000:]}")

    def until_ready(self) -> dict[str, Any]:
        return self.until(lambda status: status["ready"], "ready")

    def refuse_writes(self) -> None:
        """From now on every write to a file fails, as on a full disk. Works for any user."""
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def allow_writes(self) -> None:
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, UNLIMITED)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> Ended:
        """How it ended."""
        self._process.send_signal(by)
        return self.ended()

    def ended(self) -> Ended:
        try:
            code = self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end: {self.output[-3000:]}") from None
        self._reader.join()
        return Ended(exit_code=code, output=self.output)

    def _read(self) -> None:
        assert self._process.stdout is not None
        self._lines.extend(iter(self._process.stdout.readline, ""))
