"""The last good price of each source, over restarts: `AcceptedPrices`.

The first reading of a process has nothing before it in that process. What the one before accepted
is its witness for a day (`mm_bot.prices.witness`), so a unit that changed while nobody looked is
refused as it is in flight.

1. One write at a time, in a thread, at most one a minute and one at the end; nobody waits for it.
2. A disk that refuses, or a file that is not what is written here, costs the next process its
   witness and a warning, and nothing else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from mm_bot.core.exact import Price
from mm_bot.core.memory import Accepted
from mm_bot.host.accepted_file import price_in
from mm_bot.host.disk import Disk

EVERY_MS = 60_000
MOST_BYTES = 65_536
_FIELD = "accepted_prices"


@dataclass(slots=True)
class AcceptedPrices:
    """`path` None remembers nothing. `warn` is told what could not be read or written."""

    path: Path | None
    warn: Callable[[str], None]
    prices: dict[str, Accepted] = field(default_factory=dict)
    """By source: what an earlier process accepted, then what this one did."""
    _written_ms: int = 0
    _unwritten: bool = False
    _writing: asyncio.Task[None] | None = None

    def load(self) -> None:
        """What an earlier process left."""
        if self.path is None:
            return
        try:
            with self.path.open("rb") as file:
                self.prices = _read(file.read(MOST_BYTES + 1))
        except FileNotFoundError:
            return
        except OSError as error:
            self.warn(f"cannot read {self.path}: {error.strerror}")
        except ValueError as error:
            self.warn(f"{self.path} is not what this service writes, passed over: {error!r:.80}")

    def note(self, source: str, price: Price, now_ms: int) -> None:
        """`source` has just given a good price. Needs a running loop."""
        self.prices[source] = Accepted(price=price, at_ms=now_ms)
        self._unwritten = self.path is not None
        due = not 0 <= now_ms - self._written_ms < EVERY_MS
        if self._unwritten and due and (self._writing is None or self._writing.done()):
            self._written_ms = now_ms
            self._writing = asyncio.create_task(self._write(), name="accepted-prices")

    async def aclose(self) -> None:
        """Writes what is not written yet."""
        if self._writing is not None:
            await self._writing
        if self._unwritten:
            await self._write()

    async def _write(self) -> None:
        assert self.path is not None
        self._unwritten = False
        told = {
            source: {"price": str(each.price), "at_ms": each.at_ms}
            for source, each in self.prices.items()
        }
        content = json.dumps({_FIELD: told}).encode() + b"\n"
        try:
            await asyncio.to_thread(Disk().replace_content, self.path, content)
        except OSError as error:
            self.warn(f"cannot write {self.path}: {error.strerror}; a restart compares with less")


def _read(content: bytes) -> dict[str, Accepted]:
    if len(content) > MOST_BYTES:
        raise ValueError("it is too large")
    members = orjson.loads(content)  # has a bound on nesting
    prices = members.get(_FIELD) if isinstance(members, dict) else None
    if not isinstance(prices, dict):
        raise ValueError(f"it has no object {_FIELD!r}")
    found = {}
    for source, each in prices.items():
        text, at_ms = map(each.get, ("price", "at_ms")) if isinstance(each, dict) else ("", None)
        price = price_in(text) if isinstance(text, str) else None
        if price is None or type(at_ms) is not int:
            raise ValueError(f"{source} is {each!r:.60}")
        found[source] = Accepted(price=price, at_ms=at_ms)
    return found
