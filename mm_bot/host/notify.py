"""What systemd is told: ready, status, still alive, stopping. Elsewhere all of it does nothing.

The protocol of sd_notify: datagrams of `NAME=value` lines to the socket in `NOTIFY_SOCKET`, a path
or, with a leading @, an abstract name. Nothing here waits or raises: a manager that is gone or
whose socket is full loses a message, never the bot a cycle.

1. READY=1 goes out once, when the bot says that it runs.
2. Until then each report asks for more time, so that waiting for the one-writer lock is no failed
   start, while a start that hangs is one.
3. WATCHDOG=1 goes out only while cycles end in time: a loop that hangs is restarted.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

INTERVAL_S = 5.0
"""From report to report, where the watchdog does not want them more often."""
EXTENSION_S = 30.0
"""How much more time a start asks for with each report."""
_MICROSECONDS = 1_000_000
_STATUS_CHARACTERS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What the bot says of itself."""

    running: bool
    """A first cycle has ended."""
    alive: bool
    """Cycles end in time, or start-up goes on as it should."""
    status: str
    """For people, one line; it must contain no secret."""


class Notify:
    """The manager's socket, or none. Made from the environment by `from_environment`."""

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s
        """Within which time the manager wants to hear that we are alive; None for never."""
        self._address = None if address is None else _kernel_address(address)
        self._socket: socket.socket | None = None

    @property
    def listening(self) -> bool:
        """Whether there is anybody to tell."""
        return self._address is not None

    @property
    def interval_s(self) -> float:
        """How often to report: three times within the watchdog's time."""
        if self.watchdog_s is None:
            return INTERVAL_S
        return min(INTERVAL_S, self.watchdog_s / 3)

    def ready(self, status: str) -> None:
        self.send("READY=1", f"STATUS={_one_line(status)}")

    def status(self, status: str) -> None:
        self.send(f"STATUS={_one_line(status)}")

    def watchdog(self) -> None:
        self.send("WATCHDOG=1")

    def starting(self, status: str) -> None:
        """Not ready yet, and this is why; asks for more time."""
        extension = int(EXTENSION_S * _MICROSECONDS)
        self.send(f"EXTEND_TIMEOUT_USEC={extension}", f"STATUS={_one_line(status)}")

    def stopping(self, status: str = "stopping") -> None:
        self.send("STOPPING=1", f"STATUS={_one_line(status)}")

    def send(self, *lines: str) -> bool:
        """One datagram of these lines; whether the kernel took it."""
        if self._address is None:
            return False
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Nothing is told any more."""
        self._address = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def from_environment(environment: Mapping[str, str], process_id: int | None = None) -> Notify:
    """The manager that started this process, if one wants to hear of it.

    WATCHDOG_PID names the process that the watchdog is for; another one's is not ours. An address
    that is neither a path nor abstract (a virtual machine's vsock) is not supported: nobody.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")) or len(address) < 2:
        return Notify(None)
    ours = str(os.getpid() if process_id is None else process_id)
    watched = environment.get("WATCHDOG_PID", ours) == ours
    within = environment.get("WATCHDOG_USEC", "")
    if watched and re.fullmatch("[0-9]{1,18}", within) and int(within) > 0:
        return Notify(address, int(within) / _MICROSECONDS)
    return Notify(address)


async def report(
    notify: Notify,
    look: Callable[[], Pulse],
    sleep_ms: Callable[[float], Awaitable[None]],
) -> None:
    """Keep the manager told until cancelled; returns at once where there is none."""
    ready = False
    told = ""
    while notify.listening:
        pulse = look()
        if pulse.running and not ready:
            ready = True
            notify.ready(pulse.status)
        elif not ready:
            if pulse.alive:
                notify.starting(pulse.status)
        elif pulse.status != told:
            notify.status(pulse.status)
        told = pulse.status
        if ready and pulse.alive and notify.watchdog_s is not None:
            notify.watchdog()
        await sleep_ms(notify.interval_s * 1000)


def _kernel_address(address: str) -> str:
    """An abstract name starts with a zero byte for the kernel, with @ for people."""
    return "\0" + address[1:] if address.startswith("@") else address


def _one_line(text: str) -> str:
    """A status is one line; a line break would begin another assignment."""
    return " ".join(text.split())[:_STATUS_CHARACTERS]
