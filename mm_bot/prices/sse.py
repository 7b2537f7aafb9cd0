"""Server-sent events: the `data` of each event out of a body that arrives in pieces."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator

EVENT_BYTES_MAX = 64 * 1024

_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventTooLargeError(Exception):
    """One event is above `EVENT_BYTES_MAX`."""


async def events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The data of each complete event; one that is cut off at the end is left out.

    Raises:
        EventTooLargeError: before more than `EVENT_BYTES_MAX` of an event are kept.
    """
    data: list[bytes] = []
    size_bytes = 0
    async for line in _lines(chunks):
        if not line:
            if data:
                yield b"\n".join(data)
            data, size_bytes = [], 0
        elif line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
            size_bytes += len(line)  # the name too, so that empty lines are no way around
            if size_bytes > EVENT_BYTES_MAX:
                raise EventTooLargeError
        # Comments keep the connection open; names, ids and retry times are not used by our feeds.


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    rest = b""
    async for chunk in chunks:
        rest += chunk
        # A final CR may be half of a CRLF whose other half is still to come.
        held = rest[-1:] if rest.endswith(b"\r") else b""
        *lines, rest = _LINE_END.split(rest[: len(rest) - len(held)])
        rest += held
        for line in lines:
            yield line
        if len(rest) > EVENT_BYTES_MAX:
            raise EventTooLargeError
