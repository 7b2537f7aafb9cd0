"""The bot as its users start it: a process with environment variables, and what it shows.

Everything known of it comes from its pages, its log and its state file. Nothing of its code is
imported.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from integration_harness.stack.supervisor import ChildProcess, Supervisor, free_port

_REPOSITORY: Final = Path(__file__).parents[1]
_STOP_GRACE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of the bot's log: its event's name and its fields."""

    event: str
    fields: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.event} {dict(self.fields)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """The start-up reconciliation as the bot logged it."""

    adopted_bids: tuple[str, ...]
    adopted_asks: tuple[str, ...]
    canceled: Mapping[str, str]
    """Order id to the reason why it was not adopted."""

    @property
    def adopted(self) -> tuple[str, ...]:
        return (*self.adopted_bids, *self.adopted_asks)


class BotProcess:
    """One run of the bot. `start` may be called once."""

    def __init__(
        self, supervisor: Supervisor, name: str, environment: Mapping[str, str], state_file: Path
    ) -> None:
        self.name = name
        self.state_file = state_file
        self._port = free_port()
        self.environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(_REPOSITORY),
            **environment,
            "MM_METRICS_ADDR": f"127.0.0.1:{self._port}",
            "MM_STATE_FILE": str(state_file),
        }
        self._supervisor = supervisor
        self._child: ChildProcess | None = None
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=5)

    def start(self) -> BotProcess:
        """Launch without waiting."""
        assert self._child is None
        self._child = self._supervisor.spawn(
            self.name, (sys.executable, "-m", "mm_bot"), environment=self.environment
        )
        return self

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        return None if self._child is None else self._child.exit_code

    def why_over(self) -> str | None:
        """Why there is nothing to wait for any more; None while it runs."""
        if self.running:
            return None
        return f"{self.name} ended with code {self.exit_code}\n{self.log_tail()}"

    def stop(self, *, grace_seconds: float = _STOP_GRACE_SECONDS) -> int:
        """SIGTERM, as an operator stops it; the exit code."""
        assert self._child is not None
        self._child.stop(signal.SIGTERM, grace_seconds=grace_seconds)
        code = self._child.exit_code
        assert code is not None
        return code

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        if self._child is not None:
            self._child.kill()

    def close(self) -> None:
        """End it in whatever way, and let go of the connection."""
        self.kill()
        self._client.close()

    def ready(self) -> tuple[bool, tuple[str, ...]]:
        """What `/readyz` says: ready or not, and every reason why not."""
        response = self._client.get("/readyz")
        content = response.json()
        assert (response.status_code == 200) is content["ready"]
        return content["ready"], tuple(content["reasons"])

    def status(self) -> dict[str, Any]:
        """The whole of `/status`."""
        content: dict[str, Any] = self._client.get("/status").raise_for_status().json()
        return content

    def metrics(self) -> dict[str, float]:
        """Every sample of `/metrics`, by its name with its labels."""
        text = self._client.get("/metrics").raise_for_status().text
        samples = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples if name}

    def state(self) -> dict[str, Any]:
        """The state file; empty where there is none yet."""
        try:
            content: dict[str, Any] = json.loads(self.state_file.read_text())
        except FileNotFoundError:
            return {}
        return content

    def log(self, *events: str) -> tuple[LogLine, ...]:
        """The log's lines so far, of the given events or all."""
        if self._child is None:
            return ()
        found = []
        for text in self._child.log_path.read_text(errors="replace").splitlines():
            try:
                fields = json.loads(text)
            except ValueError:
                continue  # what no logger wrote, such as a fault in the settings
            if not events or fields.get("event") in events:
                found.append(LogLine(event=fields.pop("event", ""), fields=fields))
        return tuple(found)

    def log_tail(self) -> str:
        """The last lines of its output."""
        return "" if self._child is None else self._child.log_tail()

    @property
    def log_path(self) -> Path | None:
        return None if self._child is None else self._child.log_path

    def startup(self) -> Startup | None:
        """The first start-up reconciliation; None until there is one."""
        lines = self.log("startup")
        if not lines:
            return None
        fields = lines[0].fields
        return Startup(
            adopted_bids=tuple(fields["adopted_bid"]),
            adopted_asks=tuple(fields["adopted_ask"]),
            canceled=dict(fields["canceled"]),
        )

    def placed_ids(self) -> tuple[str, ...]:
        """Every order it says it signed anew, in order."""
        return tuple(line.fields["order_id"] for line in self.log("order.place"))

    def cancelled_ids(self) -> tuple[str, ...]:
        """Every order it says it tried to cancel, in order; one may come several times."""
        return tuple(line.fields["order_id"] for line in self.log("order.cancel"))
