"""Changes of a folder's entries as the kernel tells them (inotify), so that nobody polls for them.

What it cannot tell is what another machine does to a network's folder, so whoever uses it looks now
and then all the same. Where the system has no inotify, or refuses it, there is no watch.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

# From inotify(7): entries made, removed, renamed, changed in their rights; the folder itself gone.
_EVENTS: Final = 0x100 | 0x200 | 0x40 | 0x80 | 0x4 | 0x400 | 0x800
_ONLY_FOLDERS: Final = 0x01000000
_READ_BYTES: Final = 65_536
_LOCAL: Final = {"ext2", "ext3", "ext4", "f2fs", "tmpfs", "xfs"}
"""File systems that nobody changes but through this kernel's own tree of names."""
MOUNTS: Final = Path("/proc/self/mountinfo")


class FolderWatch:
    """Calls `on_change` on the running loop after changes in `folder`, one call for many."""

    def __init__(self, folder: Path, on_change: Callable[[], None]) -> None:
        """Raises OSError where there is no such folder, or nothing watches one here."""
        self._folder = os.fsencode(folder)
        self._on_change = on_change
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "inotify_init1"):
            raise OSError("no inotify here")
        self._number = 0
        self.same = False
        """Whether the last `renewed` found the folder that was watched before."""
        self._descriptor = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        try:
            self._watch()
        except OSError:
            os.close(self._descriptor)
            raise
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._readable)

    def renewed(self) -> FolderWatch | None:
        """This watch, of the folder that has the name now: it may have been replaced. None, and
        closed, where there is none."""
        try:
            self._watch()
        except OSError:
            self.close()
            return None
        return self

    def close(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _watch(self) -> None:
        events = _EVENTS | _ONLY_FOLDERS
        add = self._libc.inotify_add_watch
        before, self._number = (
            self._number,
            self._checked(add(self._descriptor, self._folder, events)),
        )
        self.same = before == self._number  # the kernel numbers folders, not names

    def _readable(self) -> None:
        os.read(self._descriptor, _READ_BYTES)
        self._on_change()

    def _checked(self, result: int) -> int:
        if result < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        return result


def told_of_all(folder: Path, mounts: Path = MOUNTS) -> bool:
    """Whether every change there is this kernel's own, so that it tells of all: a file system of
    this machine, by a path in which no link may be led elsewhere. False where that is not known."""
    try:
        if os.path.realpath(folder) != os.path.abspath(folder):
            return False
        device = os.stat(folder).st_dev
        lines = mounts.read_text().splitlines()
    except (OSError, UnicodeError):
        return False
    # From proc(5): number, parent, major:minor, root, mount point, options, ... - type, source, ...
    here = f"{os.major(device)}:{os.minor(device)}"
    types = {line.partition(" - ")[2].split(" ")[0] for line in lines if line.split(" ")[2] == here}
    return bool(types) and types <= _LOCAL


def watched(folder: Path, on_change: Callable[[], None]) -> FolderWatch | None:
    """The watch, where there can be one."""
    try:
        return FolderWatch(folder, on_change)
    except OSError:
        return None
