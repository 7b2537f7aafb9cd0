"""The state file: read once at start, replaced whole at every change, never half-written.

1. A reader sees the old content or the new one, whatever dies when: each write goes to a file
   beside it, is synced, renamed over it, and the folder is synced.
2. What `reserve_nonces` and `flush` returned from is on disk. `save` only hands over: writes run
   in a thread, one at a time, and of several waiting states the latest alone is written.
3. The nonce fields never go back, whatever older state is saved.
4. A file that is torn or belongs to another process is set aside under another name and reported;
   the bot goes on without it. A file that cannot be read or written at start is a SettingsError.
5. A failed write loses nothing but time: `problem` tells of it, the next save tries again, and
   whoever needed it durable gets the EdgeError.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mm_bot.core.instrument import Side
from mm_bot.errors import EdgeError, SettingsError
from mm_bot.host.disk import Disk
from mm_bot.host.persistent import PersistentState, StateIdentity
from mm_bot.host.state_text import ForeignStateError, decode, encode

_SETTING = "MM_STATE_FILE"
WRITE_WITHIN_S = 2.0
"""A disk that takes longer counts as one that refuses."""
PROBE_BYTES = 65_536
"""What a start must be able to write: more than a state file ever has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the start found."""

    state: PersistentState
    set_aside: str | None
    """Why and under which name a file was set aside; None where there was nothing to set aside."""
    existed: bool
    """Whether `state` comes from a file."""


class StateFile:
    """The one owner of the file. Also the `NonceStore` that nonce blocks are reserved in."""

    def __init__(
        self,
        path: Path,
        identity: StateIdentity,
        *,
        disk: Disk | None = None,
        read_only: bool = False,
        usable: Callable[[PersistentState], object] = lambda state: None,
    ) -> None:
        """`usable` raises ForeignStateError for a state that we would never have written.
        `read_only` is for dry runs, which may run beside the one writer: the file is read and
        then left alone, every save only remembered."""
        self._path = Path(os.path.realpath(path))  # a link stays one; what it names is replaced
        self._identity = identity
        self._disk = disk or Disk()
        self._usable = usable
        self._read_only = read_only
        self.written: Callable[[PersistentState, bytes], None] = lambda state, content: None
        """Told of every state that is on disk now, with its text."""
        self._state = PersistentState()
        self._wanted = 0
        """How many changes were handed over; `_durable` counts those known to be on disk."""
        self._durable = 0
        self._noted = False
        """Whether a nonce was noted that no write has been asked for yet."""
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._refusal: str | None = None
        self._writing_since: float | None = None
        """Monotonic seconds; None while nothing is being written."""

    @property
    def identity(self) -> StateIdentity:
        return self._identity

    @property
    def problem(self) -> str | None:
        """Why the last write failed, or that it takes too long; None where neither."""
        since = self._writing_since
        if since is not None and time.monotonic() - since > WRITE_WITHIN_S:
            return f"{self._path} is not written after {WRITE_WITHIN_S:g} s"
        return self._refusal

    @property
    def state(self) -> PersistentState:
        """The latest state, on disk or on its way there."""
        return self._state

    def check_writable(self) -> None:
        """Proves, by doing it, that the folder takes our writes. Changes nothing that is there.

        Raises:
            SettingsError: naming the path, the fault and the remedy.
        """
        if self._read_only:
            return
        folder = self._path.parent
        if not folder.is_dir():
            raise self._fault(f"there is no folder {folder}; create it")
        if self._path.is_dir():
            raise self._fault("that is a folder; name a file in it")
        probe = self._path.with_name(f"{self._path.name}.probe-{os.getpid()}")
        try:
            try:
                self._disk.write(probe, bytes(PROBE_BYTES))
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            remedy = "free space there, let this user write, or name another place"
            raise self._fault(f"cannot write in {folder}: {error.strerror}; {remedy}") from error

    def load(self, now_ms: int) -> Loaded:
        """Reads the file, once, before anything is saved.

        Raises:
            SettingsError: where a file is there and cannot be read or set aside.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return Loaded(state=self._state, set_aside=None, existed=False)
        except OSError as error:
            raise self._fault(f"cannot read it: {error.strerror}") from error
        try:
            state = decode(content, self._identity)
            self._usable(state)
            self._state = state
        except ForeignStateError as reason:
            done = "ignored"
            if not self._read_only:
                done = f"set aside as {self._set_aside(now_ms).name}"
            note = f"state file {self._path} is {done}: {reason}"
            return Loaded(state=self._state, set_aside=note, existed=False)
        return Loaded(state=self._state, set_aside=None, existed=True)

    @property
    def durable(self) -> int:
        """The number of the last state that is on disk, see `save`."""
        return self._durable

    def save(self, state: PersistentState) -> int:
        """Hands `state` over for writing and returns its number at once; an unchanged one is not
        written. Its nonce fields count only where they are ahead. Needs a running loop."""
        known = self._state
        merged = replace(
            state,
            nonce_reserved_until=max(state.nonce_reserved_until, known.nonce_reserved_until),
            next_buy_nonce=max(state.next_buy_nonce, known.next_buy_nonce),
            next_sell_nonce=max(state.next_sell_nonce, known.next_sell_nonce),
        )
        if merged != known or self._noted:
            self._state = merged
            self._noted = False
            self._wanted += 1
        if self._durable < self._wanted and not self._read_only:
            self._start_writer()
        return self._wanted

    async def flush(self) -> None:
        """Returns once everything handed over before is on disk.

        Raises:
            EdgeError: where the write failed.
        """
        if self._noted:
            self._noted = False
            self._wanted += 1
        if self._durable >= self._wanted or self._read_only:
            return
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._wanted, written))
        self._start_writer()
        try:
            async with asyncio.timeout(WRITE_WITHIN_S):
                await written
        except TimeoutError:
            late = f"{self._path} is not written after {WRITE_WITHIN_S:g} s"
            raise EdgeError("state file", late) from None

    def nonce_floor(self) -> int:
        return self._state.nonce_floor

    async def reserve_nonces(self, until: int) -> None:
        """Durable on return; see `NonceStore`."""
        self._state = replace(
            self._state, nonce_reserved_until=max(until, self._state.nonce_reserved_until)
        )
        self._wanted += 1
        await self.flush()

    def note_nonce(self, side: Side, nonce: int) -> None:
        """Part of the next write; see `NonceStore`."""
        following = nonce + 1
        if side is Side.BUY:
            self._state = replace(self._state, next_buy_nonce=following)
        else:
            self._state = replace(self._state, next_sell_nonce=following)
        self._noted = True

    def _start_writer(self) -> None:
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_until_durable(), name="state-file")

    async def _write_until_durable(self) -> None:
        """Writes the latest state until nothing newer waits, or once where the disk refuses."""
        failure: BaseException = EdgeError("state file", "the write was abandoned")
        try:
            while self._durable < self._wanted:
                generation, state = self._wanted, self._state
                content = encode(state, self._identity)
                self._writing_since = time.monotonic()
                await asyncio.to_thread(self._disk.replace_content, self._path, content)
                self._refusal = None
                self._durable = generation
                self._answer(generation, None)
                self.written(state, content)
        except OSError as error:
            self._refusal = f"cannot write {self._path}: {error.strerror or error}"
            failure = EdgeError("state file", self._refusal)
        finally:
            self._writing_since = None
            if self._durable < self._wanted:
                self._answer(self._wanted, failure)

    def _answer(self, generation: int, failure: BaseException | None) -> None:
        """Wakes who waited for a generation up to this one."""
        waiting, self._waiting = self._waiting, []
        for target, written in waiting:
            if target > generation:
                self._waiting.append((target, written))
            elif written.done():
                continue  # cancelled by its caller
            elif failure is None:
                written.set_result(None)
            else:
                written.set_exception(failure)

    def _set_aside(self, now_ms: int) -> Path:
        for attempt in range(1000):
            suffix = f".set-aside-{now_ms}" + (f"-{attempt}" if attempt else "")
            where = self._path.with_name(self._path.name + suffix)
            if not os.path.lexists(where):
                break
        try:
            os.rename(self._path, where)
        except OSError as error:
            raise self._fault(f"cannot set it aside: {error.strerror}") from error
        return where

    def unwritable(self, error: EdgeError) -> SettingsError:
        """What ends a process at its start or end where the disk refuses."""
        return self._fault(
            f"{error.reason}; free space there, let this user write, or name another place. Orders "
            "and fills are in Postgres: nothing of them is lost"
        )

    def _fault(self, what: str) -> SettingsError:
        return SettingsError([f"{_SETTING}={self._path}: {what}"])
