"""One of the exchange's own processes: started, stopped and started again under one name."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence

from integration_harness.stack.supervisor import ChildProcess, Supervisor


class Service:
    """A program with its environment; `ready` is asked with what the present run has logged."""

    def __init__(
        self,
        supervisor: Supervisor,
        *,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        ready: Callable[[str], bool],
    ) -> None:
        self.name = name
        self._supervisor = supervisor
        self._argv = tuple(argv)
        self._environment = dict(environment)
        self._ready = ready
        self._child: ChildProcess | None = None
        self._log_start = 0

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    @property
    def exit_code(self) -> int | None:
        return None if self._child is None else self._child.exit_code

    def launch(self, **environment: str) -> None:
        """Start without waiting; further variables hold for this run only."""
        assert not self.running
        log_path = self._supervisor.folder / f"{self.name}.log"
        self._log_start = log_path.stat().st_size if log_path.exists() else 0
        self._child = self._supervisor.spawn(
            self.name, self._argv, environment={**self._environment, **environment}
        )

    def wait_until_ready(self) -> None:
        """Return when it does its work, StartError where it does not."""
        child = self._started()
        child.wait_until(lambda: self._ready(self._log()), f"{self.name} ready")

    def start(self, **environment: str) -> None:
        """Launch and wait."""
        self.launch(**environment)
        self.wait_until_ready()

    def stop(self) -> None:
        """Let it finish what it is at and end."""
        if self._child is not None:
            self._child.stop(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._started().kill()

    def freeze(self) -> None:
        """Stop it where it is."""
        self._started().freeze()

    def thaw(self) -> None:
        """Undo `freeze`."""
        self._started().thaw()

    def log_tail(self) -> str:
        """The last lines it wrote."""
        return self._started().log_tail()

    def _log(self) -> str:
        with self._started().log_path.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def _started(self) -> ChildProcess:
        assert self._child is not None, f"{self.name} was never started"
        return self._child
