"""What is asked past psycopg's cursors is what they would have asked, and been told."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_harness.stack.up import LocalExchange
from mm_bot.io.postgres_link import Link, Statement, open_link
from mm_bot.io.postgres_wire import text_of
from mm_bot.venues.numo import order_queries

TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9),
    st.sampled_from(("", "NULL", '"', "\\", "{a,b}", "'; --", " ")),
)
ECHO = Statement.of("""
    SELECT %(text)s::text, %(number)s::bigint, %(truth)s::boolean, %(texts)s::text[]::text,
           to_json(%(texts)s::text[]), json_build_object('n', %(number)s::bigint), %(none)s::text,
           pg_backend_pid() > 0, (%(number)s::bigint % 7)::int, 'a'::name, NULL::jsonb
""")
EVERYTHING = {
    "owner": "0x" + "7" * 40, "subaccount": "7", "asset": "a", "sub_id": "0", "assets": ["a"],
    "sub_ids": ["0"], "order_ids": ['"', "x"], "nonces": ["1", "2"], "fills_after": 0,
    "include_unexpired": True, "signed_since": None, "asked": ["x"], "key": -(2**63),
}  # fmt: skip
STATEMENTS = ("OBSERVE", "FIND", "MORE_FILLS", "HIGHEST_NONCE", "STILL_LOCKED", "LOCK_HOLDER")


async def both_ways(link: Link, statement: Statement, values: dict[str, object]) -> None:
    ours = await link.fetch(statement, values, prepare=True)
    assert ours == await link.fetch(statement, values, prepare=False)
    assert [list(map(type, row)) for row in ours] == [
        list(map(type, row)) for row in await link.fetch(statement, values, prepare=True)
    ]


def test_every_value_goes_and_comes_as_psycopg_has_it(exchange: LocalExchange) -> None:
    """Texts with quotes and braces, whole numbers of 64 bits, truths, lists, JSON, and nothing."""
    with asyncio.Runner() as runner:
        link = runner.run(open_link(exchange.database_url, {}, "mm-bot test"))

        @given(TEXTS, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.lists(TEXTS, max_size=4))
        def echoed(text: str, number: int, truth: bool, texts: list[str]) -> None:
            values = {"text": text, "number": number, "truth": truth, "texts": texts, "none": None}
            runner.run(both_ways(link, ECHO, values))

        echoed()
        for name in STATEMENTS:
            runner.run(both_ways(link, getattr(order_queries, name), EVERYTHING))
        runner.run(link.close())
    with pytest.raises(psycopg.DataError):
        text_of(["a", "b\0"])


def test_a_question_larger_than_the_socket_takes_arrives(exchange: LocalExchange) -> None:
    """What cannot be written at once is written as the server reads, and its answer read whole;
    whoever waits when the connection is closed is told."""
    echo, much = Statement.of("SELECT %(text)s::text"), "much" * 2**20

    async def run() -> None:
        link = await open_link(exchange.database_url, {}, "mm-bot test")
        assert await link.fetch(echo, {"text": much}, prepare=True) == [(much,)]
        closing = asyncio.ensure_future(
            link.fetch(Statement.of("SELECT pg_sleep(60)"), {}, prepare=True)
        )
        await asyncio.sleep(0)
        await link.close()
        with pytest.raises(psycopg.OperationalError):
            await closing

    asyncio.run(run())
