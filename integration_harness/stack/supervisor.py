"""Start child processes so that nothing is ever left behind.

A `Supervisor` owns a temporary folder and every process started through it. However this process
ends, `kill -9` included, the guardian (see `guardian`) kills those processes and removes the
folder. In the good case `close()` stops the children in order first.

1. A process is registered before its program runs.
2. Every wait has a deadline; one that runs out says what it waited for and shows the log's end.
3. Children live in sessions of their own: Ctrl-C reaches only this process.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from integration_harness.stack import guardian

# Not the platform's own choice: a path in there may be too long for a socket (104 bytes), and an
# unprivileged user must be able to walk into it.
_TEMPORARY = Path("/tmp")
_LOG_TAIL_LINES = 15

# Registers itself through its standard input, then becomes the program. $0 is the register.
LAUNCH = 'echo "+$$" >&0; [ -e "$0" ] || exit 1; exec "$@" </dev/null'


class StartError(Exception):
    """A child did not become what was waited for; the text ends with its last log lines."""


class ChildProcess:
    """A running child: made by `Supervisor.spawn`."""

    def __init__(
        self, *, name: str, process: subprocess.Popen[bytes], log_path: Path, register: Path
    ) -> None:
        self.name = name
        self.pid = process.pid
        self.log_path = log_path
        self._process = process
        self._register = register
        self._reaped = False

    @property
    def running(self) -> bool:
        return self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative where a signal ended it."""
        code = self._process.poll()
        if code is not None and not self._reaped:
            self._reaped = True
            if self._register.exists():
                with self._register.open("a") as register:
                    register.write(f"-{self.pid}\n")
        return code

    def wait_until(
        self, ready: Callable[[], bool], what: str, *, deadline_seconds: float = 60.0
    ) -> None:
        """Ask `ready` again and again; StartError at the deadline or if the child ends."""
        give_up_at = time.monotonic() + deadline_seconds
        while not ready():
            code = self.exit_code
            if code is not None and not ready():  # it may have become so with its last step
                raise StartError(
                    f"{self.name} ended with code {code} before {what}\n{self.log_tail()}"
                )
            if time.monotonic() > give_up_at:
                raise StartError(
                    f"{self.name}: no {what} within {deadline_seconds:g} s\n{self.log_tail()}"
                )
            time.sleep(0.004)

    def stop(self, number: int = signal.SIGTERM, *, grace_seconds: float = 5.0) -> None:
        """Ask it to end with a signal, and kill it where it does not within the grace period."""
        if not self.running:
            return
        self.thaw()
        guardian.send(self.pid, number)
        try:
            self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        assert not self.running

    def kill(self) -> None:
        """SIGKILL with all descendants; returns when every one of them is gone."""
        if not self.running:
            return
        below = guardian.kill_tree(self.pid)
        self._process.wait(10)
        give_up_at = time.monotonic() + 10
        while any(guardian.is_alive(pid) for pid in below):
            assert time.monotonic() < give_up_at, f"{self.name}: a killed process does not end"
            time.sleep(0.004)
        assert not self.running

    def freeze(self) -> None:
        """Stop it and all descendants where they are: connections stay open, nothing answers."""
        # The parent first, so that it starts no more of them; each needs a moment to stop.
        self._stop_where_it_is(self.pid)
        for pid in guardian.descendants(self.pid):
            self._stop_where_it_is(pid)

    def thaw(self) -> None:
        """Undo `freeze`."""
        for pid in (*guardian.descendants(self.pid), self.pid):
            guardian.send(pid, signal.SIGCONT)

    def log_tail(self) -> str:
        """The last lines of its output."""
        lines = self.log_path.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LOG_TAIL_LINES:])

    def _stop_where_it_is(self, pid: int) -> None:
        guardian.send(pid, signal.SIGSTOP)
        give_up_at = time.monotonic() + 10
        while not guardian.is_stopped(pid):
            assert time.monotonic() < give_up_at, f"{self.name}: a process does not freeze"
            time.sleep(0.001)


class Supervisor:
    """A temporary folder, the children started in it, and their guardian."""

    def __init__(self, prefix: str = "local-exchange-") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_TEMPORARY))
        # Others may pass through but not look around: Postgres runs as another user under root.
        self.folder.chmod(0o711)
        self._register = self.folder / guardian.REGISTER
        self._register.touch(mode=0o644)
        self._children: list[ChildProcess] = []
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__, str(self.folder), str(os.getpid())],
            stdin=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
        )

    def spawn(
        self,
        name: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        user_id: int | None = None,
        cwd: Path | None = None,
    ) -> ChildProcess:
        """Start a program; its output is appended to `<folder>/<name>.log`."""
        log_path = self.folder / f"{name}.log"
        with log_path.open("ab") as log, self._register.open("ab") as register:
            process = subprocess.Popen(
                ["/bin/sh", "-c", LAUNCH, str(self._register), *argv],
                stdin=register,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=cwd or self.folder,
                start_new_session=True,
                user=user_id,
                group=user_id,
                extra_groups=None if user_id is None else [],
            )
        child = ChildProcess(name=name, process=process, log_path=log_path, register=self._register)
        self._children = [*(known for known in self._children if known.running), child]
        return child

    def close(self) -> None:
        """Stop the children, last first, and have the folder removed."""
        for child in reversed(self._children):
            child.stop()
        self._children.clear()
        assert self._guardian.stdin is not None
        self._guardian.stdin.close()
        self._guardian.wait(30)

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def free_port() -> int:
    """A TCP port nobody listens on at this moment, on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether something accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
