"""Cancels that are asked for at the same moment go out as one request: a request is one of the
address's few writes, whatever it names.

Each order's own result decides its outcome. `Ok` alone is an acceptance; every other word leaves
it to the next read of our orders, `AlreadyFilled` and `NotFound` too: an index may lag.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from mm_bot.core.commands import Outcome, Verdict
from mm_bot.errors import EdgeError
from mm_bot.venues.ethereal.api import NotSentError
from mm_bot.venues.ethereal.wire import read

MOST: Final = 200
"""Names in one request."""
Send = Callable[[list[str], list[str]], Awaitable[object]]
"""Client ids and ids of the exchange in, its answer out."""


Waiting = tuple[str, bool, asyncio.Future[Outcome]]
"""A name, whether it is a client id, and where the outcome goes."""


class Cancels:
    """`cancel` one; what goes out together is nobody's business."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: list[Waiting] = []
        self._sending: set[asyncio.Task[None]] = set()

    async def cancel(self, name: str, *, is_client_id: bool) -> Outcome:
        """How the cancel of the order of that name ended."""
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((name, is_client_id, answer))
        if len(self._waiting) == 1:
            task = asyncio.create_task(self._flush())
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return await answer

    async def _flush(self) -> None:
        await asyncio.sleep(0)  # whoever else asks in this turn of the loop comes along
        waiting, self._waiting = self._waiting, []
        for begin in range(0, len(waiting), MOST):
            part = waiting[begin : begin + MOST]
            try:
                outcomes = await self._sent(part)
            except Exception as error:  # a bug: told by each who waits, and the next part goes out
                for _, _, answer in part:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for (_, _, answer), outcome in zip(part, outcomes, strict=True):
                if not answer.done():
                    answer.set_result(outcome)

    async def _sent(self, part: Sequence[Waiting]) -> list[Outcome]:
        names = {
            is_client: [n for n, c, _ in part if c is is_client] for is_client in (True, False)
        }
        try:
            results = _results(await self._send(names[True], names[False]))
        except EdgeError as error:
            verdict = Verdict.REFUSED if isinstance(error, NotSentError) else Verdict.UNKNOWN
            return [Outcome(verdict=verdict, detail=error.reason)] * len(part)
        return [_outcome(results.get(name)) for name, _, _ in part]


def _results(answer: object) -> Mapping[str, str]:
    """The word for each order, by either of its names."""
    found: dict[str, str] = {}
    entries = read.array(read.members(answer, "cancel").get("data"), "cancel.data")
    for entry in entries:
        members = read.members(entry, "cancel result")
        result = read.text(members, "result", "cancel result")
        for name in ("id", "clientOrderId"):
            value = members.get(name)
            if isinstance(value, str) and value:
                found[value] = result
    return found


def _outcome(result: str | None) -> Outcome:
    if result == "Ok":
        return Outcome(verdict=Verdict.ACCEPTED)
    detail = "the answer does not name it" if result is None else result
    return Outcome(verdict=Verdict.UNKNOWN, detail=detail)
