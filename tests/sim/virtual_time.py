"""An event loop whose time is virtual: where nothing can run, it jumps to the next timer.

Real input and output never happen in it, so a run is a pure function of its seed. Everything that
asyncio times (sleep, wait, timeouts) is virtual too.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context, ContextVar
from typing import Any, Protocol, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
_Arguments = TypeVarTuple("_Arguments")

EPOCH_MS = 1_800_057_590_000
"""Ten seconds before a UTC day ends."""


class Host(Protocol):
    """What runs in a process that may stand still."""

    def deliver(self, callback: Callable[[], object]) -> None:
        """Call it now, or once the process runs again."""

    def stepped(self) -> None:
        """Told of each step that is about to run in it, from one await to the next."""


HOST: ContextVar[Host | None] = ContextVar("host", default=None)
"""The process that what runs in this context belongs to: none of its timers fires while it stands
still."""


class _Jump(selectors.BaseSelector):
    """Never waits: turns the time the loop would wait into virtual time."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.readable: list[int] = []
        """Of the registered, those that have something to read now."""
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, 0, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.readable:
            ready = [self._keys[each] for each in self.readable if each in self._keys]
            self.readable.clear()
            return [(key, selectors.EVENT_READ) for key in ready]
        if timeout is None:
            raise RuntimeError("nothing is scheduled and nothing can run: a deadlock")
        self.elapsed_s += max(0.0, timeout)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at second 0, whatever the machine's clock says."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._jump.elapsed_s

    def call_soon(
        self,
        callback: Callable[[Unpack[_Arguments]], object],
        *args: *_Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        host = HOST.get() if context is None else context.get(HOST)
        if host is not None:
            host.stepped()
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Arguments]], object],
        *args: *_Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        host = HOST.get() if context is None else context.get(HOST)
        if host is None:
            return super().call_at(when, callback, *args, context=context)

        def fire() -> None:
            if not handle.cancelled():  # it may have been, since its time came
                callback(*args)

        handle = super().call_at(when, host.deliver, fire, context=context)
        return handle

    def has_read(self, number: int) -> None:
        """Something came to a descriptor of that number, which no file stands behind."""
        self._jump.readable.append(number)

    def pause(self, duration_s: float) -> None:
        self._jump.elapsed_s += duration_s


def stand_still(duration_s: float) -> None:
    """The process is paused: time passes, and nothing of it runs."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.pause(duration_s)


class VirtualClock:
    """The bot's clock over the running virtual loop."""

    def __init__(self) -> None:
        self._offset_ms = EPOCH_MS
        self._step_ms = 0

    def now_ms(self) -> int:
        return self._offset_ms + round(self.monotonic_ms())

    def monotonic_ms(self) -> float:
        return asyncio.get_running_loop().time() * 1000

    def settle(self) -> int:
        step_ms, self._step_ms = self._step_ms, 0
        self._offset_ms += step_ms
        return step_ms

    def step(self, step_ms: int) -> None:
        """Somebody sets the machine's clock."""
        self._step_ms += step_ms

    async def sleep_ms(self, duration_ms: float) -> None:
        await asyncio.sleep(max(0.0, duration_ms) / 1000)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in virtual time. What a callback raises, nobody else would hear of."""
    raised: list[BaseException] = []

    def note(loop: asyncio.AbstractEventLoop, told: dict[str, Any]) -> None:
        error = told.get("exception")
        if "handle" in told and error is not None:
            raised.append(error)
        else:
            loop.default_exception_handler(told)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.get_loop().set_exception_handler(note)
        result = runner.run(main)
    if raised:
        raise raised[0]
    return result
