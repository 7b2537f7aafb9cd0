"""The process that outlives its parent just long enough to leave nothing behind.

Run as a script by `supervisor`: its standard input is a pipe only the parent holds open. At its end
(the parent closed it, or died in whatever way) every registered process is killed with all its
descendants and the folder is removed. It imports little, so that it is up within milliseconds, and
lives in a session of its own, so that Ctrl-C does not reach it.

The register is the file `processes` in the folder: a line `+pid` for each start, `-pid` for each
end. It is unlinked before it is read, and a starting child checks, after it wrote its line, that
the file is still there: so a child is either read here or gives up by itself.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time

REGISTER = "processes"


def process_table() -> dict[int, tuple[int, str]]:
    """Every process there is: its parent's id and the letter of its state."""
    table: dict[int, tuple[int, str]] = {}
    if not os.path.isdir("/proc/self"):
        listing = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
        )
        for line in listing.stdout.splitlines():
            pid, parent, state = line.split()[:3]
            table[int(pid)] = (int(parent), state[0])
        return table
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        fields = _status(f"/proc/{entry}/stat")
        if fields:
            table[int(entry)] = (int(fields[1]), fields[0].decode())
    return table


def _status(path: str) -> list[bytes]:
    """The state, the parent's id and so on; empty where it ended while we looked."""
    try:
        with open(path, "rb") as stat:
            # The command's name is in parentheses and may hold anything, even parentheses.
            return stat.read().rpartition(b")")[2].split()
    except OSError:
        return []


def descendants(pid: int) -> tuple[int, ...]:
    """The children of a process, their children and so on; zombies do not count."""
    table = process_table()
    found = [pid]
    for parent in found:
        found += [child for child, (of, state) in table.items() if of == parent and state != "Z"]
    return tuple(found[1:])


def is_alive(pid: int) -> bool:
    """Whether a process exists and is more than a zombie."""
    return process_table().get(pid, (0, "Z"))[1] not in "ZX"


def is_stopped(pid: int) -> bool:
    """Whether every thread of a process is stopped (or it is gone): it takes them a moment."""
    threads = f"/proc/{pid}/task"
    if not os.path.isdir("/proc/self"):
        return process_table().get(pid, (0, "T"))[1] in "TZX"
    try:
        found = [_status(f"{threads}/{thread}/stat") for thread in os.listdir(threads)]
    except FileNotFoundError:
        return True
    return all(not fields or fields[0] in (b"T", b"Z", b"X") for fields in found)


def kill_tree(pid: int) -> tuple[int, ...]:
    """SIGKILL a process, its group and all descendants; the ids of the descendants.

    Descendants are looked up too, since some (those of Postgres) make a group of their own.
    """
    send(pid, signal.SIGSTOP)  # so that it starts no more of them while we look
    for _ in range(1000):
        if is_stopped(pid):
            break
        time.sleep(0.001)
    below = descendants(pid)
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        send(pid, signal.SIGKILL)
    for child in below:
        send(child, signal.SIGKILL)
    return below


def send(pid: int, number: int) -> None:
    """Send a signal; nothing happens where the process is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _wait_for_parent(parent: int) -> None:
    # The parent's id is looked at as well: a process it forked may hold the pipe open still.
    while os.getppid() == parent:
        if select.select([0], [], [], 1.0)[0] and not os.read(0, 1024):
            return


def _registered(register: int) -> tuple[int, ...]:
    text = b""
    while chunk := os.read(register, 65536):
        text += chunk
    running: dict[int, None] = {}
    for line in text.decode().split():
        pid = int(line[1:])
        if line[0] == "+":
            running[pid] = None
        else:
            running.pop(pid, None)
    return tuple(running)


def _remove(folder: str) -> None:
    import shutil

    # Something killed a moment ago may still have been writing a file.
    for _ in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return
        time.sleep(0.02)


def _main(folder: str, parent: int) -> None:
    path = os.path.join(folder, REGISTER)
    register = os.open(path, os.O_RDONLY)
    _wait_for_parent(parent)
    os.unlink(path)
    for pid in _registered(register):
        kill_tree(pid)
    _remove(folder)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
