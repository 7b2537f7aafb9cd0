"""Keeps one stream of an outside system open: `Stream`, with the back-off all streams share.

A session connects, hands over what it receives, and ends by raising. The next one starts after
the back-off, for ever. Whoever reads waits for what it needs, or is told why the last session
ended. The first `until` starts it, so that building a source touches nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from mm_bot.clock import Clock
from mm_bot.errors import EdgeError
from mm_bot.io.backoff import EVEN, Random
from mm_bot.io.tasks import ended
from mm_bot.prices.backoff import FailurePauses
from mm_bot.prices.source import AnchorError, RejectReason, unexpected

T = TypeVar("T")
Session = Callable[[], Awaitable[None]]


class Stream:
    """Runs `session` again and again; `error` is why the last one ended, None while one is good."""

    def __init__(
        self,
        name: str,
        session: Session,
        clock: Clock,
        random: Random = EVEN,
        on_stream: Callable[[str], None] | None = None,
    ) -> None:
        """`on_stream` is called at each change with why it is lost, empty where it delivers."""
        self._on_stream = on_stream
        self._told: str | None = None
        self.error: EdgeError | None = None
        self._name = name
        self._session = session
        self._clock = clock
        self._pauses = FailurePauses(random)
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless begun; needs a running event loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"stream-{self._name}")

    def delivered(self) -> None:
        """Called by the session when it has handed over something good."""
        self.error = None
        self._pauses.reset()
        self._tell("")
        self._move()

    async def until(self, ready: Callable[[], T | None]) -> T:
        """What `ready` gives, as soon as it gives anything.

        Raises:
            EdgeError: where it gives nothing and the last session failed.
        """
        self.start()
        while (value := ready()) is None:
            if self.error is not None:
                raise self.error
            await self._moved.wait()
        return value

    async def aclose(self) -> None:
        """End the session under way. May be called twice."""
        task, self._task = self._task, None
        await ended(task)

    async def _run(self) -> None:
        while True:
            try:
                await self._session()
                self.error = AnchorError(self._name, RejectReason.BROKEN_ANSWER, "the stream ended")
            except EdgeError as error:
                self.error = error
            except Exception as error:
                # As in the runner: what nobody foresaw in a stranger's data costs this session.
                self.error = unexpected(self._name, error)
            self._tell(self.error.reason)
            self._move()
            await self._clock.sleep_ms(self._pauses.after(self.error))

    def _tell(self, why: str) -> None:
        """Whether it delivers is told, not each further reason why it does not."""
        if self._on_stream is not None and (self._told is None or bool(self._told) != bool(why)):
            self._told = why
            self._on_stream(why)

    def _move(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
