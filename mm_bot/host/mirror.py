"""An optional copy of the state in Redis, for whoever watches from afar and for a lost disk.

1. It is written after the state file and never before, the latest state alone, by a task of its
   own: no cycle waits for it, and a Redis that is away costs a warning and a metric.
2. Nothing is read from it but at a start without a state file: then the times until which the
   breaker and the shock pause hold win over a fresh beginning, and so do the day's trips and the
   forced reductions of the last hour. The base of the day's result is of books that are lost, so it
   begins anew.
3. Two keys for each market and account: `<prefix><chain>:<owner>:<market>:<subaccount>:state`, the
   state file's own text, and `...:quote`, the best order of each side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson

from mm_bot.core.exact import Price, plain
from mm_bot.core.instrument import Side
from mm_bot.core.orders import OrderId
from mm_bot.host.persistent import PersistentState, StateIdentity
from mm_bot.host.state_text import ForeignStateError, decode

if TYPE_CHECKING:
    from redis.asyncio import Redis

WITHIN_S = 2.0
RETRY_S = 1.0
LAST_WORD_S = 0.5
_HOLDS = ("breaker", "shock", "regime")
"""Whose times win, by the name of the step."""
Tell = Callable[..., None]


class Mirror:
    """`tell` is told of a Redis that is lost (`mirror.lost`) and back (`mirror.back`)."""

    def __init__(self, url: str, prefix: str, identity: StateIdentity, tell: Tell) -> None:
        from redis.asyncio import Redis  # a bot without a mirror does without it

        self._client: Redis = Redis.from_url(
            url, socket_timeout=WITHIN_S, socket_connect_timeout=WITHIN_S
        )
        whose = (identity.chain_id, identity.owner.lower(), identity.market, identity.subaccount_id)
        self._key = prefix + ":".join(str(each) for each in whose)
        self._identity = identity
        self._tell = tell
        self._latest: tuple[PersistentState, bytes] | None = None
        self._writer: asyncio.Task[None] | None = None
        self.problem: str | None = None
        """Why the last write or read failed; None where it did not."""
        self.failures = 0

    def offer(self, state: PersistentState, content: bytes) -> None:
        """What the state file has now, and its text; written soon, or replaced by a newer one."""
        self._latest = state, content
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="mirror")

    async def held(self) -> Mapping[str, object]:
        """What of the strategy still holds, by its step; empty where nothing is known."""
        _, content = await self._tried(self._client.get(f"{self._key}:state"))
        if content is None:
            return {}
        if isinstance(content, str):  # the URL asks for texts
            content = content.encode()
        try:
            return _held(decode(content, self._identity))
        except ForeignStateError as error:
            self._tell("mirror.foreign", why=str(error))
            return {}

    async def aclose(self) -> None:
        """What is not written in a moment stays unwritten: the file has it."""
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=LAST_WORD_S)
            self._writer.cancel()
            with suppress(asyncio.CancelledError):
                await self._writer
        await self._client.aclose()

    async def _write(self) -> None:
        while (latest := self._latest) is not None:
            self._latest, (state, content) = None, latest
            values = {f"{self._key}:state": content, f"{self._key}:quote": _quote(state)}
            if not (await self._tried(self._client.mset(values)))[0]:
                self._latest = self._latest or latest
                await asyncio.sleep(RETRY_S)

    async def _tried(self, answer: Awaitable[Any]) -> tuple[bool, Any]:
        """Whether it came, and the answer; a failure is counted, and told once until one comes."""
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(WITHIN_S):
                found = await answer
        except (RedisError, OSError, TimeoutError, ValueError, RecursionError) as error:
            # The last two are the library's where what answers is no Redis.
            self.failures += 1
            why = str(error) or type(error).__name__
            if self.problem is None:
                self._tell("mirror.lost", why=why)
            self.problem = why
            return False, None
        if self.problem is not None:
            self._tell("mirror.back")
        self.problem = None
        return True, found


def _held(state: PersistentState) -> dict[str, object]:
    found = {name: state.strategy[name] for name in _HOLDS if name in state.strategy}
    breaker = found.get("breaker")
    if isinstance(breaker, dict):
        found["breaker"] = {**breaker, "base": None}
    return found


def _quote(state: PersistentState) -> bytes:
    """The best order of each side, of those that may be live."""
    best: dict[str, object] = {}
    for side in Side:
        mine = [
            order
            for order in state.live_orders
            if (parts := OrderId.parse(order.order_id)) is not None and parts.side is side
        ]
        known = [order for order in mine if order.price]
        first = min(known, key=lambda order: side.best_first(Price(order.price)), default=None)
        best[side.value] = (
            None
            if first is None
            else {
                "order_id": first.order_id,
                "price": plain(first.price),
                "size": plain(first.size),
            }
        )
    return orjson.dumps(best)
