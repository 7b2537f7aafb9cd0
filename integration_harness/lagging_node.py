"""A node that is behind: a JSON-RPC proxy that answers as of some blocks ago.

1. `behind` blocks lie between what it answers and the head; it may be changed at any time.
2. With `alternating` every second request is answered as of the head: two backends behind one
   address, of which one lags.
3. What names a block itself, and everything that is not asked of a block, passes as it is.
"""

from __future__ import annotations

import itertools
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import httpx
import orjson

_HEAD: Final = ("latest", "pending", "safe", "finalized")
_BLOCK_AT: Final = {
    "eth_call": 1,
    "eth_getBalance": 1,
    "eth_getBlockByNumber": 0,
    "eth_getCode": 1,
    "eth_getStorageAt": 2,
    "eth_getTransactionCount": 1,
}
"""Where in a method's parameters the block stands."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error of ours."""


class LaggingNode:
    """In front of one node, on a free loopback port; listens from `start` to `close`."""

    def __init__(self, rpc_url: str, *, behind: int = 0, alternating: bool = False) -> None:
        self.behind = behind
        self.alternating = alternating
        self._client = httpx.Client(base_url=rpc_url, timeout=10)
        self._numbers = itertools.count()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status, answer = proxy.answer(body)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Silent."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url: Final = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._client.close()

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to one request, single or batch; 502 without a node."""
        try:
            return self._answer(body)
        except httpx.HTTPError as error:
            return 502, orjson.dumps({"error": str(error)})

    def _answer(self, body: bytes) -> tuple[int, bytes]:
        behind = self.behind
        if self.alternating and next(self._numbers) % 2:
            behind = 0
        if not behind:
            reply = self._post(body)
            return reply.status_code, reply.content
        head = {"jsonrpc": "2.0", "id": 0, "method": "eth_blockNumber", "params": []}
        number = int(self._post(orjson.dumps(head)).json()["result"], 16)
        block = hex(max(0, number - behind))
        asked = orjson.loads(body)
        calls = asked if isinstance(asked, list) else [asked]
        shifted = [_as_of(call, block) for call in calls]
        reply = self._post(orjson.dumps(shifted if isinstance(asked, list) else shifted[0]))
        answered = reply.json()
        numbers = {call.get("id") for call in calls if call.get("method") == "eth_blockNumber"}
        for each in answered if isinstance(answered, list) else [answered]:
            if each.get("id") in numbers and "result" in each:
                each["result"] = block
        return reply.status_code, orjson.dumps(answered)

    def _post(self, body: bytes) -> httpx.Response:
        return self._client.post("/", content=body, headers={"content-type": "application/json"})


def _as_of(call: dict[str, Any], block: str) -> dict[str, Any]:
    """The same call with the head replaced by a block."""
    at = _BLOCK_AT.get(str(call.get("method")))
    params = call.get("params") or []
    if at is None or not isinstance(params, list) or len(params) < at:
        return call
    given = params[at] if len(params) > at else "latest"
    if given not in _HEAD:
        return call
    return {**call, "params": [*params[:at], block, *params[at + 1 :]]}
