"""Connected sockets: whichever address of a name answers first, and the one store of authorities.

Happy eyeballs (RFC 8305): the addresses are tried one after the other, families in turn, each
`NEXT_AFTER_S` after the one before or as soon as that failed, and the first connection wins. A
name with a dead IPv6 address and a good IPv4 one costs a quarter of a second.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections import deque
from collections.abc import Iterable
from typing import Final

import httpx

from mm_bot.io.errors import NoConnectionError
from mm_bot.io.resolver import SYSTEM, Address, Resolver

NEXT_AFTER_S: Final = 0.25


async def dial(host: str, port: int, resolver: Resolver = SYSTEM) -> socket.socket:
    """A connected, non-blocking socket. Unbounded: the caller has the deadline.

    Raises:
        OSError: of the first address, where none answers.
    """
    waiting = deque(alternating(await resolver.addresses(host)))
    under_way: list[asyncio.Task[socket.socket]] = []
    first_error: BaseException | None = None
    winner: socket.socket | None = None
    try:
        while winner is None and (waiting or under_way):
            if waiting:
                under_way.append(asyncio.create_task(_connected(waiting.popleft(), port)))
            done, _ = await asyncio.wait(
                under_way,
                timeout=NEXT_AFTER_S if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in [task for task in under_way if task in done]:
                error = task.exception()
                if error is None and winner is None:
                    winner = task.result()
                elif error is not None:
                    first_error = first_error or error
                if error is not None or task.result() is winner:
                    under_way.remove(task)
    finally:
        for task in under_way:
            task.add_done_callback(_closed)
            task.cancel()
    if winner is None:
        assert first_error is not None, "no address, no error"
        raise first_error
    return winner


def alternating(addresses: Iterable[Address]) -> list[Address]:
    """The addresses in their order, but the families in turn."""
    queues: dict[socket.AddressFamily, deque[Address]] = {}
    for address in addresses:
        queues.setdefault(address[0], deque()).append(address)
    order = []
    while any(queues.values()):
        order += [queue.popleft() for queue in queues.values() if queue]
    return order


@functools.cache
def trust_store() -> ssl.SSLContext:
    """The authorities that every TLS connection of ours but Postgres's is checked against: those of
    `SSL_CERT_FILE` or `SSL_CERT_DIR` where one is set, else the bundled ones.

    Raises:
        NoConnectionError: where the file that is named cannot be read.
    """
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        reason = f"what SSL_CERT_FILE names holds no authorities ({type(error).__name__})"
        raise NoConnectionError(reason) from None


async def _connected(address: Address, port: int) -> socket.socket:
    family, host = address
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connection, (host, port))
    except BaseException:
        connection.close()
        raise
    return connection


def _closed(task: asyncio.Task[socket.socket]) -> None:
    """Close what came about after all."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
