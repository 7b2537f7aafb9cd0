"""The machine that a process runs on: its disk, and the kill switch's file.

A disk may refuse for a while. A process that dies loses what was handed over and not yet written;
what it was told to be durable is not lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random

from mm_bot.core.instrument import Side
from mm_bot.errors import EdgeError
from mm_bot.host.persistent import PersistentState, StateIdentity
from mm_bot.host.state_text import ForeignStateError, decode, encode
from tests.sim.virtual_time import VirtualClock

REFUSED = "No space left on device"


class Disk:
    """What is on it outlives every process."""

    def __init__(self, clock: VirtualClock, random: Random) -> None:
        self.clock = clock
        self.random = random
        self.saved = PersistentState()
        self.nonce_floor = 0
        self.refuses = False
        self.works_since_ms = 0
        self.delays_ms = random.choice(((0, 1, 5), (0, 1, 5), (5, 50, 250)))
        """How long a write takes."""
        self.nonce_block = random.choice((2, 8))

    def keep(self, state: PersistentState) -> None:
        """Written whole, or not at all: renamed into its place."""
        self.saved = state

    def lose(self) -> None:
        """The state file is gone, or torn and set aside."""
        self.saved = PersistentState()
        self.nonce_floor = 0

    def refuse_for(self, duration_ms: float) -> None:
        self.refuses = True
        asyncio.get_running_loop().call_later(duration_ms / 1000, self.work)

    def work(self) -> None:
        self.refuses = False
        self.works_since_ms = self.clock.now_ms()


class FileDisk(Disk):
    """Keeps the state as the bytes of its file."""

    def __init__(self, clock: VirtualClock, random: Random, identity: StateIdentity) -> None:
        self._identity = identity
        super().__init__(clock, random)

    def keep(self, state: PersistentState) -> None:
        self.saved = decode(encode(state, self._identity), self._identity)
        assert self.saved == state, "what is read is what was written"

    def lose(self) -> None:
        """Torn anywhere, or with a byte turned: it is read as what it was, or as none of ours."""
        whole = bytearray(encode(self.saved, self._identity))
        place = self.random.randrange(len(whole))
        torn = whole[:place]
        if self.random.random() < 0.5:
            whole[place] ^= 1 << self.random.randrange(8)
            torn = whole
        with suppress(ForeignStateError):  # anything else would have ended the bot
            decode(bytes(torn), self._identity)
        super().lose()


class Mount:
    """One process's hold of the disk, as `StateFile`; nothing reaches it once the process died."""

    def __init__(self, disk: Disk) -> None:
        self.crashed = False
        self.durable = 0
        self.problem: str | None = None
        self.disk = disk
        self._state = disk.saved
        self._wanted = 0
        self._writing: asyncio.Task[None] | None = None

    def save(self, state: PersistentState) -> int:
        if state != self._state:
            self._state = state
            self._wanted += 1
        if self.durable < self._wanted:
            self._start()
        return self._wanted

    async def flush(self) -> None:
        while self.durable < self._wanted:
            before = self.durable
            await asyncio.shield(self._start())
            if self.durable == before:
                raise EdgeError("disk", REFUSED)

    def _start(self) -> asyncio.Task[None]:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return self._writing

    async def _write(self) -> None:
        number, state = self._wanted, self._state
        await self._pause()
        if self.crashed:
            return
        self.problem = REFUSED if self.disk.refuses else None
        if not self.disk.refuses:
            self.disk.keep(state)
            self.durable = number
            if self.durable < self._wanted:
                self._writing = asyncio.create_task(self._write())

    async def _pause(self) -> None:
        await self.disk.clock.sleep_ms(self.disk.random.choice(self.disk.delays_ms))

    def nonce_floor(self) -> int:
        return self.disk.nonce_floor

    async def reserve_nonces(self, until: int) -> None:
        await self._pause()
        if self.disk.refuses:
            raise EdgeError("disk", REFUSED)
        if not self.crashed:
            self.disk.nonce_floor = until

    def note_nonce(self, side: Side, nonce: int) -> None:
        pass


class Switch:
    """The kill switch's file."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.on = False
        self.visible = True
        self._changes: list[asyncio.Event] = []

    def active(self) -> bool:
        return self.on and self.visible

    def flip(self) -> None:
        self.on = not self.on
        for change in self._changes:
            change.set()

    async def watch(self, on_change: Callable[[bool], None], clock: VirtualClock) -> None:
        """As one that looks every 50 ms of `clock`."""
        known, change = False, asyncio.Event()
        self._changes.append(change)
        while True:
            if self.active() is not known:
                known = not known
                on_change(known)
            await change.wait()
            change.clear()
            await clock.sleep_ms(self._random.uniform(0, 50))
