"""Coinbase by HTTP: every request signed, within the key's budget of an hour.

1. A request is sent once. One that was not sent at all is a `NotSentError`; one that was sent and
   has no documented answer a `LostError`, whose outcome nobody knows; an answer that refuses it a
   `RefusedError`. A failure inside of a 200 is the caller's to see.
2. Reads wait for their turn and leave `ORDER_RESERVE` of what may go at once to orders, and those
   leave half of that to cancels.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import orjson

from mm_bot.errors import DeniedError, EdgeError
from mm_bot.io.bucket import Bucket
from mm_bot.io.errors import FOREIGN, NOT_SENT, describe, excerpt
from mm_bot.io.http import open_client
from mm_bot.venues.coinbase.config import CoinbaseConfig
from mm_bot.venues.coinbase.token import Tokens
from mm_bot.venues.coinbase.wire import COINBASE, read

PREFIX: Final = "/api/v3/brokerage"
TOO_MANY: Final = 429
NOT_FOUND: Final = 404
AT_ONCE: Final = 100
"""Requests, of the budget of an hour."""
ORDER_RESERVE: Final = 0.4
"""The part of those that reads leave."""
PAGE: Final = "250"
PAGES: Final = 200
"""More pages than this in one read are an answer that never ends."""
_UNAUTHORISED: Final = (401, 403)
_WHOSE_KEY: Final = (
    "is MM_COINBASE_KEY_NAME the name of MM_COINBASE_PRIVATE_KEY, is the key not revoked, does its "
    "list of addresses have this machine, and is this machine's clock right?"
)
_JSON: Final = {"content-type": "application/json"}
Asked = Mapping[str, str]


class NotSentError(EdgeError):
    """The request did not leave us."""


class LostError(EdgeError):
    """The request left us and no answer of the documented kind came: it may have been executed."""


class RefusedError(EdgeError):
    """The exchange answered that it does not do it."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(COINBASE, f"{status}: {why}")


class CoinbaseApi:
    """What the exchange is asked and told."""

    def __init__(self, config: CoinbaseConfig, tokens: Tokens) -> None:
        self._tokens = tokens
        self._host = urlsplit(config.rest_url).netloc
        self._reads = open_client(config.rest_url, config.request_timeout_ms)
        self._writes = open_client(config.rest_url, config.request_timeout_ms)
        self._bucket = Bucket(config.requests_per_hour / 3600, config.requests_per_hour / AT_ONCE)

    async def read(self, path: str, **asked: str) -> Any:
        """The JSON of an answer; raises RefusedError where there is no such thing."""
        await self._bucket.wait(leave=self._bucket.burst * ORDER_RESERVE)
        try:
            answer = await self._reads.get(
                f"{PREFIX}/{path}", params=asked, headers=self._headers("GET", path)
            )
        except FOREIGN as error:
            raise EdgeError(COINBASE, f"{path}: {describe(error)}") from None
        said = excerpt(answer.text)
        if answer.status_code == NOT_FOUND:
            raise RefusedError(NOT_FOUND, f"{path}: {said or 'not found'}")
        if answer.status_code in _UNAUTHORISED:
            raise DeniedError(COINBASE, f"{path}: {answer.status_code} {said}; {_WHOSE_KEY}")
        if answer.status_code != httpx.codes.OK:
            raise EdgeError(COINBASE, f"{path}: {answer.status_code} {said}".rstrip())
        return read.json(answer.content)

    async def rows(self, path: str, name: str, **asked: str) -> AsyncIterator[object]:
        """Every entry of a list, page by page until no cursor is given."""
        asked = {"limit": PAGE, **asked}
        for _ in range(PAGES):
            page = read.members(await self.read(path, **asked), path)
            for entry in read.array(page.get(name), f"{path}.{name}"):
                yield entry
            cursor = page.get("cursor")
            if not cursor or page.get("has_next") is False:
                return
            asked["cursor"] = read.text(page, "cursor", path)
        raise EdgeError(COINBASE, f"{path}: more than {PAGES} pages")

    async def all(self, path: str, name: str, **asked: str) -> list[object]:
        """The same as a list."""
        return [entry async for entry in self.rows(path, name, **asked)]

    async def write(
        self,
        path: str,
        body: bytes,
        *,
        is_cancel: bool,
        may_send: Callable[[], bool] = lambda: True,
    ) -> dict[str, Any]:
        """The body of a 200, whatever it says.

        Raises:
            NotSentError, LostError, RefusedError: see the module's contract.
        """
        reserve = 0 if is_cancel else self._bucket.burst * ORDER_RESERVE / 2
        if not self._bucket.take(leave=reserve):
            raise NotSentError(COINBASE, "not sent: the key's hourly budget leaves no room now")
        headers = {**_JSON, **self._headers("POST", path)}
        try:
            answer = await self._writes.post(
                f"{PREFIX}/{path}",
                content=body,
                headers=headers,
                extensions={"may_send": may_send, "urgent": is_cancel},
            )
        except NOT_SENT as error:
            raise NotSentError(COINBASE, f"not sent: {describe(error)}") from None
        except FOREIGN as error:
            raise LostError(COINBASE, f"{path}: {describe(error)}") from None
        return _taken(path, answer)

    async def aclose(self) -> None:
        await self._reads.aclose()
        await self._writes.aclose()

    def _headers(self, method: str, path: str) -> dict[str, str]:
        token = self._tokens.of_request(method, self._host, f"{PREFIX}/{path}")
        return {"authorization": f"Bearer {token}"}


def _taken(path: str, answer: httpx.Response) -> dict[str, Any]:
    status, said = answer.status_code, excerpt(answer.text)
    try:
        content: object = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        content = None
    if status == httpx.codes.OK and isinstance(content, dict):
        return content
    is_told = status == httpx.codes.BAD_REQUEST and isinstance(content, dict)
    if status == TOO_MANY or status in _UNAUTHORISED or is_told:
        raise RefusedError(status, said or "no text: is this machine's clock right?")
    raise LostError(COINBASE, f"{path}: {status} {said}".rstrip())
