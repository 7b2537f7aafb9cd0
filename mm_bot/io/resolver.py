"""Host names to addresses, in a way that cannot hold up anything else.

A look-up of the system may take minutes and cannot be cancelled, and the event loop's own threads
are few and joined at exit. So each look-up has a daemon thread of its own, which nobody waits for
at exit; there is at most one under way for a name, whoever asks; and the last good addresses of a
name are used where a new look-up does not answer at once.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import ipaddress
import socket
import threading
from collections.abc import Callable
from typing import Final

FRESH_WITHIN_S: Final = 0.05
"""How long a new look-up may take where the last good addresses are known."""

Address = tuple[socket.AddressFamily, str]
"""A family and a numeric host."""
LookUp = Callable[[str], tuple[Address, ...]]
"""Blocks; raises OSError or UnicodeError."""


def system_look_up(host: str) -> tuple[Address, ...]:
    """What the system's resolver says, in its order of preference."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys((family, str(where[0])) for family, _, _, _, where in found))


class Resolver:
    """Addresses of names, from `look_up`."""

    def __init__(self, look_up: LookUp = system_look_up) -> None:
        self._look_up = look_up
        self._good: dict[str, tuple[Address, ...]] = {}
        self._under_way: dict[str, concurrent.futures.Future[tuple[Address, ...]]] = {}
        self._turn = threading.Lock()

    async def addresses(self, host: str) -> tuple[Address, ...]:
        """At least one address. Where none was known yet this takes as long as the look-up does;
        bound it, and cancel it freely.

        Raises:
            OSError: where there is no such name, or nobody to ask.
            UnicodeError: where it can be no name.
        """
        numeric = _numeric(host)
        if numeric is not None:
            return (numeric,)
        answer = asyncio.wrap_future(self._started(host))
        known = self._good.get(host)
        if known is None:
            return await answer
        await asyncio.wait((answer,), timeout=FRESH_WITHIN_S)
        if answer.done() and answer.exception() is None:
            return answer.result()
        answer.cancel()
        return known

    def _started(self, host: str) -> concurrent.futures.Future[tuple[Address, ...]]:
        with self._turn:
            future = self._under_way.get(host)
            if future is None:
                future = self._under_way[host] = concurrent.futures.Future()
                future.set_running_or_notify_cancel()  # from here on no waiter can cancel it
                threading.Thread(target=self._run, args=(host, future), daemon=True).start()
            return future

    def _run(self, host: str, future: concurrent.futures.Future[tuple[Address, ...]]) -> None:
        try:
            found = self._look_up(host)
            if not found:
                raise socket.gaierror(socket.EAI_NONAME, "no address")
        except Exception as error:
            with self._turn:
                del self._under_way[host]
            future.set_exception(error)
        else:
            with self._turn:
                self._good[host] = found
                del self._under_way[host]
            future.set_result(found)


SYSTEM: Final = Resolver()
"""The process's own, so that all clients share what is known."""


def _numeric(host: str) -> Address | None:
    try:
        version = ipaddress.ip_address(host.partition("%")[0]).version
    except ValueError:
        return None
    return (socket.AF_INET6 if version == 6 else socket.AF_INET), host
