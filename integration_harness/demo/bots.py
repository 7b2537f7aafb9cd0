"""Bots and the price service as their users run them: processes with environment variables, seen
through their own pages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from integration_harness.stack.supervisor import free_port


@dataclass(slots=True, kw_only=True)
class BotProcess:
    """One running process. Its log goes to a file, so that the table has the terminal to itself."""

    market: str
    """What it is for: the market of a bot, or the name of a service."""
    module: str = "mm_bot"
    listen_variable: str = "MM_METRICS_ADDR"
    environment: dict[str, str]
    log_path: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    last_status: dict[str, Any] = field(default_factory=dict)

    def start(self) -> None:
        environment = {
            "PATH": os.environ.get("PATH", ""),
            **self.environment,
            self.listen_variable: f"127.0.0.1:{self.port}",
        }
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module],
                env=environment,
                stdout=log,
                stderr=log,
                # Ctrl-C is ours to pass on, once the takers are gone.
                start_new_session=True,
            )

    def wait_until_ready(self, deadline_seconds: float = 60) -> None:
        """Raises RuntimeError with the end of the log where it does not come up."""
        give_up_at = time.monotonic() + deadline_seconds
        while time.monotonic() < give_up_at:
            if self.exit_code is not None:
                break
            if self._get("/readyz", {}).get("ready"):
                return
            time.sleep(0.05)
        raise RuntimeError(
            f"{self.module} for {self.market} is not ready; its log ends:\n{self.log_tail()}"
        )

    @property
    def exit_code(self) -> int | None:
        return self.process.poll() if self.process else None

    def status(self) -> dict[str, Any]:
        """`/status`, or the last one where it does not answer."""
        self.last_status = self._get("/status", self.last_status)
        return self.last_status

    def stop(self, deadline_seconds: float = 10) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(deadline_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def state(self) -> dict[str, Any]:
        """The state file."""
        content: dict[str, Any] = json.loads(Path(self.environment["MM_STATE_FILE"]).read_text())
        return content

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Every line of that event."""
        lines = self.log_path.read_text().splitlines()
        parsed = (json.loads(line) for line in lines if line.startswith("{"))
        return [line for line in parsed if line.get("event") == event]

    def log_tail(self, lines: int = 12) -> str:
        return "\n".join(self.log_path.read_text().splitlines()[-lines:])

    def _get(self, path: str, default: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=2)
            content: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError):
            return default
        return content
