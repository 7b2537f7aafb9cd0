"""The anchor of the bot under test: an HTTP server on loopback whose price a scenario sets.

It can be frozen: it goes on answering 200 with the price and the time of that moment.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A killed bot resets its connection; that is no error of ours."""


class AnchorServer:
    """Answers every GET with the price and its own time."""

    def __init__(self, price: Decimal) -> None:
        self.price = price
        self._frozen: bytes | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = server.body()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """The bot's reads are nobody's news."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/price"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def body(self) -> bytes:
        """The answer of now."""
        return self._frozen or self._answer()

    def freeze(self) -> None:
        """Answer from now on as at this moment."""
        self._frozen = self._answer()

    def thaw(self) -> None:
        """Undo `freeze`."""
        self._frozen = None

    def _answer(self) -> bytes:
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        return f'{{"price": {self.price}, "generated_at": "{now}"}}'.encode()
