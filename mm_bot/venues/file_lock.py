"""The one-writer lock of exchanges that have none to offer: a locked file of this machine.

The system lets go of it when the process ends, however it ends. It says nothing of other machines.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from mm_bot.errors import IdentityError, SettingsError

_POLL_S: Final = 0.5


class FileLock:
    """A file that at most one process holds."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._handle: IO[str] | None = None

    @property
    def held(self) -> bool:
        return self._handle is not None

    def claim(self) -> str | None:
        """None where it is ours now, else who holds it; raises SettingsError where there can be no
        such file."""
        if self._handle is not None:
            return None
        try:
            handle = self._path.open("a+")
        except OSError as error:
            raise SettingsError(
                [f"the lock file {self._path} cannot be opened ({type(error).__name__})"]
            ) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            holder = handle.read(200).strip()
            handle.close()
            return f"{holder or 'a process'} by {self._path}"
        handle.truncate(0)
        handle.write(f"mm-bot {self._name} pid={os.getpid()}")
        handle.flush()
        self._handle = handle
        return None

    async def hold(self, whose: str, *, wait: bool, on_waiting: Callable[[str], None]) -> None:
        """It is ours, where `wait` says so after whoever has it; raises IdentityError where not."""
        while (holder := self.claim()) is not None:
            if not wait:
                raise IdentityError(
                    f"another process is the writer of {self._name}, {whose}: {holder}"
                )
            on_waiting(holder)
            await asyncio.sleep(_POLL_S)

    def release(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None
