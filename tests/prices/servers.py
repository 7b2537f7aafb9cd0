"""Real servers that answer badly on purpose: raw TCP, so that every fault can be said exactly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

REQUEST_BYTES_MAX = 64 * 1024


@dataclass(kw_only=True)
class Answer:
    """What is sent back, byte for byte."""

    body: bytes = b""
    status: str = "200 OK"
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    delay_seconds: float = 0.0
    body_pause_seconds: float = 0.0
    """Between any two bytes of the body."""
    raw: bytes | None = None
    """Instead of all of the above."""
    cut: bool = False
    """Hang up in the middle of the body."""


@dataclass(kw_only=True)
class RawServer:
    """Answers each request by `script`; keeps what it was asked."""

    port: int
    script: Callable[[bytes], Answer]
    requests: list[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, answer: Answer) -> None:
        """From now on, to everybody."""
        self.script = lambda request: answer


def json_answer(text: str, **changes: object) -> Answer:
    answer = Answer(body=text.encode())
    for name, value in changes.items():
        setattr(answer, name, value)
    return answer


@asynccontextmanager
async def raw_server(answer: Answer | None = None) -> AsyncIterator[RawServer]:
    """A server on a free port of the loopback."""
    first = answer or json_answer('{"price": 1600}')
    served = RawServer(port=0, script=lambda request: first, requests=[])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            served.requests.append(request)
            await send(served.script(request), writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client hung up, which is what many of the tests are about
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=REQUEST_BYTES_MAX)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()


async def send(answer: Answer, writer: asyncio.StreamWriter) -> None:
    """As the answer says, byte for byte."""
    await asyncio.sleep(answer.delay_seconds)
    if answer.raw is not None:
        writer.write(answer.raw)
        await writer.drain()
        return
    headers = {"content-length": str(len(answer.body)), "connection": "close", **answer.headers}
    lines = [f"HTTP/1.1 {answer.status}", *(f"{name}: {text}" for name, text in headers.items())]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
    body = answer.body[: len(answer.body) // 2] if answer.cut else answer.body
    if not answer.body_pause_seconds:
        writer.write(body)
        await writer.drain()
        return
    for byte in body:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(answer.body_pause_seconds)
