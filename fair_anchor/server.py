"""uvicorn as the service runs it: a socket taken beforehand, bounded clients, JSON throughout.

1. A taken address is a `SettingsError` that names the variable, before anything else is started.
2. At most `CONNECTIONS_MAX` clients and `HEAD_BYTES_MAX` a request; what exceeds that is cut.
3. What is no HTTP is answered in JSON too. Signals belong to the process, not to the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fair_anchor.app import Application
from fair_anchor.settings_table import LISTEN_ADDR
from mm_bot.errors import SettingsError
from mm_bot.ops.render import to_json

CONNECTIONS_MAX = 512
HEAD_BYTES_MAX = 16 * 1024
BACKLOG = 512
SHUTDOWN_SECONDS = 2

# What it does is said in our own events already.
logging.getLogger("uvicorn").setLevel(logging.WARNING)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        SettingsError: where the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        taken.listen(BACKLOG)
    except OSError as error:
        taken.close()
        raise SettingsError(
            [
                f"{LISTEN_ADDR.name}={host}:{port}: cannot listen there: {error.strerror}; "
                f"stop what uses that address, or set {LISTEN_ADDR.name} or PORT to another"
            ]
        ) from error
    taken.setblocking(False)
    return taken


class Server(uvicorn.Server):
    """Serves until `should_exit` is set."""

    def __init__(self, app: Application) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(HttpToolsProtocol):
    """One client."""

    _unread_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an isinstance check: other loops' transports are no subclass of asyncio's.
        super().connection_made(cast(asyncio.Transport, transport))
        if len(self.connections) > CONNECTIONS_MAX:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._unread_bytes += len(data)
        if self._unread_bytes > HEAD_BYTES_MAX:
            self.send_400_response("the request is too large")
            return
        super().data_received(data)

    def on_message_complete(self) -> None:
        self._unread_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        body = to_json({"error": msg}) + b"\n"
        head = (
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
