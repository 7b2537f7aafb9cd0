"""What is asked at once is told in the order in which it was asked, and ends when it is told to."""

from __future__ import annotations

import asyncio

import pytest

from mm_bot.errors import IdentityError
from mm_bot.io.tasks import ended, in_order
from mm_bot.venues.checks import Checks


@pytest.mark.parametrize("slow", [0, 1])
def test_the_first_fault_of_the_list_is_told_whichever_answers_first(slow: int) -> None:
    """A wrong contract explains a subaccount that it does not know, not the other way round; and
    what else was asked has ended."""
    ended = []

    async def fails(turn: int) -> None:
        for _ in range(10 if turn == slow else 0):
            await asyncio.sleep(0)
        ended.append(turn)
        Checks(strict=True).wrong("contracts", f"{turn}", f"fault {turn}")

    async def run() -> None:
        await in_order(fails(0), fails(1))

    with pytest.raises(IdentityError, match="fault 0"):
        asyncio.run(run())
    assert sorted(ended) == [0, 1]


def test_answers_come_in_the_order_of_the_questions() -> None:
    """Also where the second is there first."""

    async def answers(value: str, turns: int) -> str:
        for _ in range(turns):
            await asyncio.sleep(0)
        return value

    async def run() -> tuple[str, str]:
        return await in_order(answers("a", 5), answers("b", 0))

    assert asyncio.run(run()) == ("a", "b")


def test_all_have_ended_when_ended_comes_back() -> None:
    """A task that still runs, one that failed, one that tidies up for a while, and one that never
    was: whoever ends them hears of none of their troubles."""
    tidied = []

    async def fails() -> None:
        raise OSError

    async def tidies() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            tidied.append(True)

    async def run() -> None:
        tasks = [asyncio.create_task(work()) for work in (fails, tidies)]
        await asyncio.sleep(0)
        await ended(*tasks, None)
        assert all(task.done() for task in tasks)
        await ended(*tasks)

    asyncio.run(run())
    assert tidied == [True]
