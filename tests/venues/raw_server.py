"""A server that counts connections and answers with the bytes it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from mm_bot.io.http import LeanClient, open_client

Answer = Callable[["Server", asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Server:
    """Counts connections and requests, and answers each as it is told."""

    answer: Answer
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                self.requests.append(head + await reader.readexactly(length))
                await self.answer(self, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def with_server(
    answer: Answer,
    use: Callable[[LeanClient, Server], Awaitable[None]],
    timeout_ms: int = 10_000,
) -> Server:
    """Run `use` against a server that answers so."""

    async def run() -> Server:
        server = Server(answer)
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        client = open_client(f"http://127.0.0.1:{port}", timeout_ms)
        try:
            await use(client, server)
        finally:
            await client.aclose()
            listener.close()
            await asyncio.sleep(0.01)
        return server

    return asyncio.run(run())


async def fine(server: Server, writer: asyncio.StreamWriter) -> None:
    writer.write(OK)
