"""JSON-RPC to Derive: over one logged-in socket, or by HTTP while that is down.

1. A request is sent once. One that was not sent at all is a `NotSentError`; one that was sent and
   not answered a `LostError`, whose outcome nobody knows; an answered error a `RefusedError` with
   the exchange's code.
2. The socket reconnects by itself, logs in, arms cancel-on-disconnect, subscribes, and only then
   counts as up. What it pushes is a hint: `on_push` gets it, decisions rest on what is asked.
3. Requests keep to the published rates. Orders leave a part to cancels.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final

import httpx
import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from mm_bot.errors import EdgeError
from mm_bot.fields.keccak import keccak_256
from mm_bot.io.backoff import Backoff
from mm_bot.io.bucket import Bucket
from mm_bot.io.errors import NOT_SENT, describe
from mm_bot.io.http import open_client
from mm_bot.io.tasks import ended
from mm_bot.io.websocket import connecting
from mm_bot.venues.derive.codes import DENIED
from mm_bot.venues.derive.config import DeriveConfig
from mm_bot.venues.derive.their_clock import TheirClock
from mm_bot.venues.signing import Signer

DERIVE: Final = "derive"
BURST_S: Final = 5
"""So many seconds of the rate may come at once: the published limit's own measure."""
CANCEL_RESERVE_PART: Final = 3
"""Orders leave the third part of a burst to cancels."""
RATE_LIMITED: Final = -32000
FIRST_PAUSE_MS: Final = 250
LONGEST_PAUSE_MS: Final = 15_000
"""Before another try where there is no session; one that lasted so long was none that failed."""
PING_S: Final = 20.0
LARGEST_MESSAGE: Final = 4 * 2**20
_PRIVATE: Final = "private/"
_PERSONAL: Final = b"\x19Ethereum Signed Message:\n"

Push = Callable[[str, Any], None]


class NotSentError(EdgeError):
    """The request did not leave us."""


class LostError(EdgeError):
    """The request left us and no answer came: it may have been executed."""


class RefusedError(EdgeError):
    """The exchange answered with an error."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(DERIVE, f"{code}: {message}")


def pace(per_minute: int) -> tuple[float, float]:
    """That limit as the rate a second and the burst of a bucket."""
    rate_per_s = per_minute / 60
    return rate_per_s, max(3.0, rate_per_s * BURST_S)


class DeriveApi:
    """Public and private methods. `start` begins the socket; HTTP needs no beginning."""

    def __init__(self, config: DeriveConfig, clock: TheirClock, on_push: Push) -> None:
        self._config = config
        self._clock = clock
        self._on_push = on_push
        self._signer = Signer(config.signer_key)
        self._http = open_client(config.http_url, config.request_timeout_ms)
        self._timeout_s = config.request_timeout_ms / 1000
        self._socket: ClientConnection | None = None
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._next_id = 0
        self._task: asyncio.Task[None] | None = None
        self.matching = Bucket(*pace(config.requests_per_minute))
        self.other = Bucket(*pace(config.requests_per_minute))
        self.problem = "not connected yet"
        """Why the socket is down; empty while it is up."""
        self.denied = False
        """Whether that is because of who we are."""
        self.logged_in = False
        """Whether the socket of now has proven who we are; else private methods go over HTTP, where
        each request proves it."""
        self.up = asyncio.Event()
        self.down = asyncio.Event()

    def start(self, session: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Keep a socket open; `session` is run in each new one before it counts as up."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(session), name="derive-socket")

    async def read(self, method: str, params: Mapping[str, object]) -> Any:
        """The result of a method that changes nothing; waits for its turn."""
        await self.other.wait()
        return await self._call(method, params)

    async def write(self, method: str, body: bytes, *, is_cancel: bool) -> Any:
        """The result of a method that goes to the matching engine; `body` is its params.

        Raises:
            NotSentError: also where the rate leaves no room for it.
        """
        reserve = self.matching.burst / CANCEL_RESERVE_PART
        if not self.matching.take(leave=0 if is_cancel else reserve):
            raise NotSentError(DERIVE, "not sent: the exchange's rate leaves no room now")
        try:
            return await self._call(method, orjson.Fragment(body))
        except RefusedError as error:
            if error.code == RATE_LIMITED:
                self.matching.drain()
            raise

    async def aclose(self) -> None:
        task, self._task = self._task, None
        await ended(task)
        await self._http.aclose()

    def login(self) -> dict[str, object]:
        """What proves to a socket that we are the wallet: a personal signature over the time."""
        stamp = self._stamp()
        return {
            "wallet": self._config.owner,
            "timestamp": stamp,
            "signature": self._personal(stamp),
        }

    def _stamp(self) -> str:
        return str(self._clock.theirs(time.time_ns() // 1_000_000))

    def _personal(self, text: str) -> str:
        data = text.encode()
        digest = keccak_256(_PERSONAL + str(len(data)).encode() + data)
        return "0x" + self._signer.sign(digest).hex()

    async def _call(self, method: str, params: object) -> Any:
        if self._socket is not None and (self.logged_in or not method.startswith(_PRIVATE)):
            return await self.over_socket(method, params)
        return await self._over_http(method, params)

    async def over_socket(self, method: str, params: object) -> Any:
        """The same over the socket of now, whether or not it counts as up."""
        socket = self._socket
        if socket is None:
            raise NotSentError(DERIVE, f"no socket: {self.problem}")
        self._next_id += 1
        number = self._next_id
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(self._timeout_s):
                await socket.send(orjson.dumps(request).decode())
                return _result(await answer)
        except TimeoutError:
            raise LostError(DERIVE, f"{method}: no answer in time") from None
        except (WebSocketException, OSError) as error:
            raise LostError(DERIVE, f"{method}: {describe(error)}") from None
        finally:
            self._waiting.pop(number, None)

    async def _over_http(self, method: str, params: object) -> Any:
        headers = {"content-type": "application/json"}
        if method.startswith(_PRIVATE):
            stamp = self._stamp()
            headers["X-DeriveWallet"] = self._config.owner
            headers["X-DeriveTimestamp"] = stamp
            headers["X-DeriveSignature"] = self._personal(stamp)
        try:
            answer = await self._http.post(
                f"/{method}", content=orjson.dumps(params), headers=headers
            )
        except NOT_SENT as error:
            raise NotSentError(DERIVE, f"not sent: {describe(error)}") from None
        except (httpx.HTTPError, OSError) as error:
            raise LostError(DERIVE, f"{method}: {describe(error)}") from None
        try:
            envelope = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            text = f"{method}: {answer.status_code}, and the body is no JSON"
            raise LostError(DERIVE, text) from None
        return _result(envelope)

    async def _run(self, session: Callable[[], Coroutine[Any, Any, None]]) -> None:
        pauses = Backoff(first_ms=FIRST_PAUSE_MS, longest_ms=LONGEST_PAUSE_MS)
        while True:
            began_s, self.denied = time.monotonic(), False
            try:
                await self._session(session)
                self.problem = "the exchange closed the socket"
            except EdgeError as error:
                self.problem = error.reason
                self.denied = isinstance(error, RefusedError) and error.code in DENIED
            except (WebSocketException, OSError, TimeoutError) as error:
                self.problem = describe(error)
            if (time.monotonic() - began_s) * 1000 > LONGEST_PAUSE_MS:
                pauses.reset()
            await pauses.wait()

    async def _session(self, session: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async with connecting(
            self._config.socket_url,
            open_timeout=self._timeout_s,
            max_size=LARGEST_MESSAGE,
            ping_interval=PING_S,
            ping_timeout=PING_S,
        ) as socket:
            self._socket = socket
            reading = asyncio.create_task(self._receive(socket))
            try:
                beginning = asyncio.create_task(session())
                await asyncio.wait({reading, beginning}, return_when=asyncio.FIRST_COMPLETED)
                if not beginning.done():
                    beginning.cancel()
                    with suppress(asyncio.CancelledError):
                        await beginning
                    raise LostError(DERIVE, "the socket ended while it was set up")
                await beginning
                self.problem = ""
                self.down.clear()
                self.up.set()
                await reading
            finally:
                self.up.clear()
                self.down.set()
                self._socket, self.logged_in = None, False
                reading.cancel()
                for answer in self._waiting.values():
                    if not answer.done():
                        answer.set_exception(ConnectionResetError("the socket ended"))

    async def _receive(self, socket: ClientConnection) -> None:
        async for message in socket:
            try:
                envelope = orjson.loads(message)
            except orjson.JSONDecodeError:
                continue  # no answer of ours has this form; whoever waits runs out of time
            if not isinstance(envelope, dict):
                continue
            number = envelope.get("id")
            answer = self._waiting.get(number) if isinstance(number, int) else None
            if answer is not None:
                if not answer.done():
                    answer.set_result(envelope)
            elif envelope.get("method") == "subscription":
                pushed = envelope.get("params")
                if isinstance(pushed, dict) and isinstance(pushed.get("channel"), str):
                    self._on_push(pushed["channel"], pushed.get("data"))


def _result(envelope: object) -> Any:
    if not isinstance(envelope, dict):
        raise LostError(DERIVE, "the answer is no object")
    error = envelope.get("error")
    if isinstance(error, dict):
        code = error.get("code")
        text = f"{error.get('message', '')} {error.get('data') or ''}".strip()[:200]
        raise RefusedError(code if isinstance(code, int) else 0, text)
    if "result" not in envelope:
        raise LostError(DERIVE, "the answer has neither result nor error")
    return envelope["result"]
