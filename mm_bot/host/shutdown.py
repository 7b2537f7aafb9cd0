"""Every signal that asks a process to end, as an event.

The first one sets `requested` and hands all of them back to the operating system's default, so
that a second one ends the process at once, whatever it is busy with. `PARENT_GONE` alone stays one
word however often it comes. They are handled by Python itself rather than by the event loop:
`on_request` is called though the loop stands still.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import FrameType

_ENDING = "TERM INT HUP QUIT USR1 USR2 ALRM VTALRM PROF XCPU PWR POLL STKFLT"
STOPS = tuple(
    signal.Signals[f"SIG{name}"]
    for name in _ENDING.split()
    if f"SIG{name}" in signal.Signals.__members__
)
"""All that end a process which does not handle them and that tell of no fault in it, as far as this
system has them: a log rotation's, a limit's on processor time, a power supply's."""
PARENT_GONE: signal.Signals | None = getattr(signal, "SIGPWR", None)
"""What a supervisor has the kernel send where it is killed itself, once for each of its threads.
None where the system cannot; Linux can."""


class Shutdown:
    """Wait on `requested`; `signal_name` says what asked for it ("" where nothing did yet)."""

    def __init__(self, on_request: Callable[[], None] = lambda: None) -> None:
        """`on_request` is called once, in a signal's handler."""
        self._on_request = on_request
        self._loop: asyncio.AbstractEventLoop | None = None
        self.requested = asyncio.Event()
        self.signal_name = ""
        self._asked = False
        """By a signal."""

    def listen(self) -> Callable[[], None]:
        """Starts listening in the running loop; the returned function puts back what was there."""
        self._loop = asyncio.get_running_loop()
        previous = {number: signal.signal(number, self._received) for number in STOPS}

        def restore() -> None:
            self._loop = None
            for number, handler in previous.items():
                signal.signal(number, handler)

        return restore

    def request(self, why: str) -> None:
        """The same as a first signal, asked for from inside."""
        self.signal_name = self.signal_name or why
        self.requested.set()

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            return
        self._asked = True
        for each in STOPS:
            if each is not PARENT_GONE:
                signal.signal(each, signal.SIG_DFL)
        self._on_request()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.request, signal.Signals(number).name)
