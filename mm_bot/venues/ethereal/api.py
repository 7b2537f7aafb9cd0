"""Ethereal by HTTP: reads that wait their turn, and writes that keep to the address's budget.

1. A request is sent once. One that was not sent at all is a `NotSentError`; one that was sent and
   has no documented answer a `LostError`, whose outcome nobody knows; an answer that refuses it a
   `RefusedError` with its status and code.
2. No more writes leave than the budget allows in any 60 s, however the exchange cuts its minutes;
   orders leave a fifth of it to cancels.
3. Being asked to wait on writes does not stop reads, nor the other way round.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import httpx
import orjson

from mm_bot.errors import EdgeError
from mm_bot.io.asked_to_wait import retry_after_s
from mm_bot.io.bucket import Bucket
from mm_bot.io.errors import FOREIGN, NOT_SENT, describe, excerpt
from mm_bot.io.http import open_client
from mm_bot.venues.ethereal.config import EtherealConfig
from mm_bot.venues.ethereal.wire import ETHEREAL, read

CREATED: Final = 201
ACCEPTED: Final = 202
TOO_MANY: Final = 429
NOT_FOUND: Final = 404
MINUTE_S: Final = 60.0
READS_PER_S: Final = 50.0
"""A part of the 20,000 points a minute of one IP; how many points a read costs is not published."""
READS_AT_ONCE: Final = 300.0
PAGE: Final = 100
PAGES: Final = 200
"""More pages than this in one read are an answer that never ends."""
_REFUSES: Final = (400, 401, 403, 422)
_JSON: Final = {"content-type": "application/json"}
_REMAINING: Final = ("ratelimit-remaining", "x-ratelimit-remaining")
_RESET: Final = ("ratelimit-reset", "x-ratelimit-reset")


class NotSentError(EdgeError):
    """The request did not leave us."""


class LostError(EdgeError):
    """The request left us and no answer of the documented kind came: it may have been executed."""


class RefusedError(EdgeError):
    """The exchange answered that it does not do it. `code` is its word for why."""

    def __init__(self, status: int, code: str) -> None:
        self.status = status
        self.code = code
        super().__init__(ETHEREAL, f"{status}: {code}")


class WriteBudget:
    """How many writes may leave in any minute; a reserve of them only for cancels."""

    def __init__(self, per_minute: int) -> None:
        self._limit = per_minute
        self._reserve = max(1, per_minute // 5)
        self._sent: deque[float] = deque()
        self._held_until_s = 0.0

    def take(self, *, is_cancel: bool) -> bool:
        """Whether one may leave now; it is counted then."""
        now_s = time.monotonic()
        while self._sent and now_s - self._sent[0] >= MINUTE_S:
            self._sent.popleft()
        left = self._limit - len(self._sent)
        if left <= (0 if is_cancel else self._reserve):
            return False
        if not is_cancel and now_s < self._held_until_s:
            return False
        self._sent.append(now_s)
        return True

    def unused(self) -> None:
        """The last one was not sent after all."""
        if self._sent:
            self._sent.pop()

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """What an answer says of the budget, others of the same address included: orders wait where
        it leaves no more than the reserve."""
        remaining, reset_s = _whole(headers, _REMAINING), _whole(headers, _RESET)
        spent = remaining is not None and remaining <= self._reserve
        if status != TOO_MANY and not spent:
            return
        wait_s = retry_after_s(headers) or (1 if reset_s is None else reset_s)
        self._held_until_s = time.monotonic() + min(float(wait_s), MINUTE_S)


def _whole(headers: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    for name in names:
        said = headers.get(name, "")
        if said.isascii() and said.isdecimal():
            return int(said[:9])
    return None


class EtherealApi:
    """What the exchange is asked and told."""

    def __init__(self, config: EtherealConfig) -> None:
        self._reads = open_client(config.rest_url, config.request_timeout_ms)
        self._writes = open_client(config.rest_url, config.request_timeout_ms)
        self.budget = WriteBudget(config.writes_per_minute)
        self._bucket = Bucket(READS_PER_S, READS_AT_ONCE)

    async def read(self, path: str, **asked: str) -> Any:
        """The JSON of an answer; raises RefusedError where the exchange has none."""
        await self._bucket.wait()
        try:
            answer = await self._reads.get(f"/v1/{path}", params=asked)
        except FOREIGN as error:
            raise EdgeError(ETHEREAL, f"{path}: {describe(error)}") from None
        if answer.status_code == NOT_FOUND:
            raise RefusedError(NOT_FOUND, f"{path}: not found")
        if answer.status_code != httpx.codes.OK:
            said = excerpt(answer.text)
            raise EdgeError(ETHEREAL, f"{path}: {answer.status_code} {said}".rstrip())
        return read.json(answer.content)

    async def rows(self, path: str, **asked: str) -> AsyncIterator[object]:
        """Every entry of a list, page by page."""
        for _ in range(PAGES):
            page = read.members(await self.read(path, limit=str(PAGE), **asked), path)
            for entry in read.array(page.get("data"), f"{path}.data"):
                yield entry
            if not page.get("hasNext"):
                return
            asked["cursor"] = read.text(page, "nextCursor", path)
        raise EdgeError(ETHEREAL, f"{path}: more than {PAGES} pages")

    async def all(self, path: str, **asked: str) -> list[object]:
        """The same as a list."""
        return [entry async for entry in self.rows(path, **asked)]

    async def write(
        self,
        path: str,
        body: bytes,
        expected: int,
        *,
        is_cancel: bool,
        may_send: Callable[[], bool] = lambda: True,
    ) -> Any:
        """The JSON of the answer that says it was taken.

        Raises:
            NotSentError, LostError, RefusedError: see the module's contract.
        """
        if not self.budget.take(is_cancel=is_cancel):
            raise NotSentError(ETHEREAL, "not sent: the address's write budget leaves no room now")
        extensions = {"may_send": may_send, "urgent": is_cancel}
        try:
            answer = await self._writes.post(
                f"/v1/{path}", content=body, headers=_JSON, extensions=extensions
            )
        except NOT_SENT as error:
            self.budget.unused()
            raise NotSentError(ETHEREAL, f"not sent: {describe(error)}") from None
        except FOREIGN as error:
            raise LostError(ETHEREAL, f"{path}: {describe(error)}") from None
        self.budget.heard(answer.status_code, answer.headers)
        return _taken(path, answer, expected)

    async def aclose(self) -> None:
        await self._reads.aclose()
        await self._writes.aclose()


def _taken(path: str, answer: httpx.Response, expected: int) -> Any:
    status = answer.status_code
    try:
        content: object = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        content = None
    if status == expected and content is not None:
        return content
    message = content.get("message") if isinstance(content, dict) else None
    code = "; ".join(map(str, message)) if isinstance(message, list) else message
    if status == TOO_MANY:
        kind = content.get("type") if isinstance(content, dict) else None
        raise RefusedError(status, str(kind or code or "too many requests")[:100])
    if status in _REFUSES and isinstance(code, str) and code:
        raise RefusedError(status, code[:200])
    raise LostError(ETHEREAL, f"{path}: {status} {excerpt(answer.text)}".rstrip())
