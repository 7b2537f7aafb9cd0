"""A virtual process's state file: a write takes a moment, and a crash keeps what was written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mm_bot.host.persistent import PersistentState

if TYPE_CHECKING:
    from tests.sim.world import World


class Disk:
    """One process's hold of `world.saved`; nothing reaches it any more once the process died."""

    def __init__(self, world: World) -> None:
        self.crashed = False
        self.durable = 0
        self._world = world
        self._state = world.saved
        self._wanted = 0
        self._writing: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str | None:
        return None

    def save(self, state: PersistentState) -> int:
        if state != self._state:
            self._state = state
            self._wanted += 1
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write())
        return self._wanted

    async def flush(self) -> None:
        while self.durable < self._wanted and self._writing is not None:
            await asyncio.shield(self._writing)

    async def _write(self) -> None:
        while self.durable < self._wanted and not self.crashed:
            number, state = self._wanted, self._state
            await self._world.clock.sleep_ms(self._world.random.choice((0, 1, 5)))
            if not self.crashed:
                self._world.saved = state
                self.durable = number
