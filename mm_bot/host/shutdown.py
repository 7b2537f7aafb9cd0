"""SIGTERM and SIGINT as an event.

The first signal sets `requested` and hands both signals back to the operating system's default, so
that a second one ends the process at once, whatever it is busy with.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """Wait on `requested`; `signal_name` says what asked for it ("" where nothing did yet)."""

    def __init__(self) -> None:
        self.requested = asyncio.Event()
        self.signal_name = ""

    def listen(self) -> Callable[[], None]:
        """Starts listening in the running loop; the returned function puts back what was there."""
        loop = asyncio.get_running_loop()
        previous = {number: signal.getsignal(number) for number in _SIGNALS}
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._received, number)

        def restore() -> None:
            for number, handler in previous.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)

        return restore

    def request(self, why: str) -> None:
        """The same as a first signal, asked for from inside."""
        self.signal_name = self.signal_name or why
        self.requested.set()

    def _received(self, number: signal.Signals) -> None:
        self.request(number.name)
        loop = asyncio.get_running_loop()
        for each in _SIGNALS:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
