"""A proxy in front of the markets API: it keeps a record, and loses or delays traffic on demand.

1. A reply that is lost is that of a request the API has acted on.
2. A request that is held still arrives, though its sender may long have given it up.
3. The record holds every order and every cancel that was sent, with what the API answered, even
   where the sender was told nothing. It is what "no nonce was used twice" is checked against.
   What the proxy answered itself, or swallowed, is in it too, with the status of that (0 for none).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

import httpx
import orjson

from integration_harness.loopback import LoopbackServer

PLACE: Final = "/v1/orders"
CANCEL: Final = "/v1/orders/cancel"
_MOST_HEADER_BYTES: Final = 65_536
_HOP_BY_HOP: Final = frozenset({"connection", "content-length", "host", "transfer-encoding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What becomes of one request and its reply. Nothing by default."""

    held_seconds: float = 0.0
    """Before the API gets it."""
    lost: bool = False
    delay_seconds: float = 0.0
    """Before its sender gets the reply."""
    swallowed: bool = False
    """The API never gets it, and nobody answers."""
    answered: tuple[int, bytes] | None = None
    """The API never gets it: this status and body are the answer."""
    first: Callable[[], None] | None = None
    """Done before the API gets it, in a thread of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One order or cancel that went to the API. Times are monotonic seconds."""

    path: str
    nonce: str
    order_id: str
    signature: str
    status: int
    lost: bool
    sent_at: float
    answered_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


Rule = Callable[[str, int], Fault]
"""The fate of a request, from the request's path and its number on that path, counted from 0."""


def faithful(path: str, number: int) -> Fault:
    """Everything arrives, at once."""
    return Fault()


class ApiProxy(LoopbackServer):
    """In front of one API; `rule` may be changed while it runs."""

    def __init__(self, upstream: str) -> None:
        super().__init__()
        self.rule: Rule = faithful
        self.record: list[Sent] = []
        self.clock_ahead_seconds: float | None = None
        """Answers carry a Date that is so far ahead; None: they carry none."""
        self._upstream = httpx.AsyncClient(base_url=upstream, timeout=30)
        self._counts: dict[str, int] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def orders(self) -> tuple[Sent, ...]:
        """Every order sent so far."""
        return tuple(each for each in self.record if each.path == PLACE)

    def cancels(self) -> tuple[Sent, ...]:
        """Every cancel sent so far."""
        return tuple(each for each in self.record if each.path == CANCEL)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await _read(reader)) is not None:
            if not await self._forward(request, writer):
                return

    async def stopping(self) -> None:
        await self._upstream.aclose()

    async def _forward(self, request: _Request, writer: asyncio.StreamWriter) -> bool:
        """False where the reply was lost, and the connection with it."""
        path = request.target.partition("?")[0]
        fault = Fault()
        if request.method == "POST":
            number = self._counts.get(path, 0)
            self._counts[path] = number + 1
            fault = self.rule(path, number)
        if fault.held_seconds:
            await asyncio.sleep(fault.held_seconds)
        if fault.first is not None:
            await asyncio.to_thread(fault.first)
        if fault.swallowed or fault.answered is not None:
            return self._answer_alone(path, request, fault, writer)
        sent_at = time.monotonic()
        try:
            answer = await self._upstream.request(
                request.method, request.target, headers=request.headers, content=request.body
            )
        except httpx.HTTPError:
            return False
        if request.method == "POST":
            times = (sent_at, time.monotonic())
            self._keep(path, request.body, answer.status_code, fault, times)
        if fault.delay_seconds:
            await asyncio.sleep(fault.delay_seconds)
        if fault.lost:
            return False
        kind = answer.headers.get("content-type", "application/json")
        writer.write(_response(answer.status_code, kind, answer.content, self._date()))
        await writer.drain()
        return True

    def _date(self) -> str:
        if self.clock_ahead_seconds is None:
            return ""
        return f"date: {formatdate(time.time() + self.clock_ahead_seconds, usegmt=True)}\r\n"

    def _answer_alone(
        self, path: str, request: _Request, fault: Fault, writer: asyncio.StreamWriter
    ) -> bool:
        status, body = fault.answered or (0, b"")
        now = time.monotonic()
        self._keep(path, request.body, status, fault, (now, now))
        if fault.answered is None:
            return False
        writer.write(_response(status, "application/json", body))
        return True

    def _keep(
        self, path: str, body: bytes, status: int, fault: Fault, times: tuple[float, float]
    ) -> None:
        if path not in (PLACE, CANCEL):
            return
        content = orjson.loads(body)
        self.record.append(
            Sent(
                path=path,
                nonce=str(content.get("nonce", "")),
                order_id=str(content.get("order_id", "")),
                signature=str(content.get("signature", "")),
                status=status,
                lost=fault.lost,
                sent_at=times[0],
                answered_at=times[1],
            )
        )


def _response(status: int, kind: str, body: bytes, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
    return f"{head}{more}\r\n".encode() + body


async def _read(reader: asyncio.StreamReader) -> _Request | None:
    """The next request of a connection; None at its end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    assert len(head) <= _MOST_HEADER_BYTES
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.split(":", 1) for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    kept = {name: value for name, value in headers.items() if name not in _HOP_BY_HOP}
    return _Request(method=method, target=target, headers=kept, body=body)
