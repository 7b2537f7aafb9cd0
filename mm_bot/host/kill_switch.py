"""The kill switch: a file whose mere presence stops the bot, watched apart from the cycle.

Any directory entry of that name counts: a file, a folder, a link that leads nowhere. Only a clear
"no such file" means that the switch is off. A path that cannot be examined (no permission, an
input/output error) counts as on, because a switch that nobody can read must fail towards stopping;
`problem` then says why.

Where the kernel tells of changes in the file's folder they are seen at once, and looking for them
is for folders that other machines change, seldom where none can; elsewhere looking is all there is.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from mm_bot.clock import Clock, SystemClock
from mm_bot.host.folder_watch import told_of_all, watched

INTERVAL_MS = 50
WATCHED_INTERVAL_MS = 200
"""From look to look where the kernel tells of changes, but other machines may change the folder."""
LOCAL_INTERVAL_MS = 2_000
"""The same where nobody else can: for a folder further up that is replaced. Each cycle and each
post looks too."""
STORM_PAUSE_MS = 2
"""After a look that saw no change: others' files in that folder may come and go by the thousand."""


class KillSwitch:
    """Without a path it is never on."""

    def __init__(
        self,
        path: Path | None,
        *,
        interval_ms: float = INTERVAL_MS,
        watched_interval_ms: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`watched_interval_ms` is by the folder's file system unless given."""
        assert interval_ms > 0, interval_ms
        self._path = path
        self._interval_ms = interval_ms
        self._watched_interval_ms = watched_interval_ms
        self._clock: Clock = clock or SystemClock()
        self.problem: str | None = None
        """Why the last look could not tell; the switch then counts as on."""

    def active(self) -> bool:
        """Looks at the file now. One `lstat`, a few microseconds."""
        self.problem = None
        if self._path is None:
            return False
        try:
            os.lstat(self._path)
        except FileNotFoundError:
            return False
        except OSError as error:
            self.problem = f"kill switch {self._path} cannot be examined: {error.strerror}"
        return True

    async def watch(self, on_change: Callable[[bool], None]) -> None:
        """Runs until cancelled and calls `on_change` with the new state at each change, at most
        one interval after it. The switch counts as off before the first look, so one that is on
        from the start is told of at once. `on_change` only signals: it must not block or raise.
        """
        if self._path is None:
            return
        known = stirred = False
        told = asyncio.Event()
        watch = watched(self._path.parent, told.set)
        rest_ms = self._rest_ms()
        try:
            while True:
                told.clear()
                active = self.active()
                if active is not known:
                    known = active
                    on_change(active)
                elif stirred:
                    await self._clock.sleep_ms(STORM_PAUSE_MS)
                stirred = False
                if watch is None:
                    await self._clock.sleep_ms(self._interval_ms)
                    watch = watched(self._path.parent, told.set)
                    rest_ms = self._rest_ms()
                else:
                    stirred = await _told(told, rest_ms / 1000)
                    watch = watch.renewed()
                    if watch is None or not watch.same:
                        rest_ms = self._rest_ms()
        finally:
            if watch is not None:
                watch.close()

    def _rest_ms(self) -> float:
        """From look to look while the kernel tells of changes."""
        assert self._path is not None, "there is something to watch"
        if self._watched_interval_ms is not None:
            return self._watched_interval_ms
        return LOCAL_INTERVAL_MS if told_of_all(self._path.parent) else WATCHED_INTERVAL_MS


async def _told(event: asyncio.Event, limit_s: float) -> bool:
    """Waits for the event, at most so long; whether it came in time. One timer and no task: this
    is most of what a quiet bot does."""
    timer = asyncio.get_running_loop().call_later(limit_s, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
    return asyncio.get_running_loop().time() < timer.when()
