"""Cancels that share a request."""

from __future__ import annotations

import asyncio

import pytest

from mm_bot.core.commands import Outcome, Verdict
from mm_bot.venues.ethereal.api import NotSentError, RefusedError
from mm_bot.venues.ethereal.cancels import MOST, Cancels


def ended(failing: Exception, count: int) -> list[Outcome | BaseException]:
    """How so many cancels at once end, of which the first request fails like that."""
    asked: list[int] = []

    async def send(client_ids: list[str], order_ids: list[str]) -> object:
        asked.append(len(client_ids))
        if len(asked) == 1:
            raise failing
        return {"data": [{"clientOrderId": name, "result": "Ok"} for name in client_ids]}

    async def run() -> list[Outcome | BaseException]:
        cancels = Cancels(send)
        each = (cancels.cancel(f"mm{number}", is_client_id=True) for number in range(count))
        async with asyncio.timeout(5):
            return await asyncio.gather(*each, return_exceptions=True)

    found = asyncio.run(run())
    assert sum(asked) == count
    return found


def test_a_bug_in_one_request_is_told_by_its_own_cancels_alone() -> None:
    """Nobody waits for ever, and the names of the next request go out."""
    *first, last = ended(KeyError("unforeseen"), MOST + 1)
    assert {type(each) for each in first} == {KeyError}
    assert isinstance(last, Outcome)
    assert last.verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("failing", "verdict"),
    [
        (NotSentError("ethereal", "no room"), Verdict.REFUSED),
        (RefusedError(429, "TooMany"), Verdict.UNKNOWN),
    ],
)
def test_a_failed_request_ends_each_of_its_cancels(failing: Exception, verdict: Verdict) -> None:
    """Refused is only what never left; another no says nothing of what rests."""
    for each in ended(failing, 3):
        assert isinstance(each, Outcome)
        assert each.verdict is verdict
