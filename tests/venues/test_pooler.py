"""A lock is believed only in a session of the primary that is ours alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from integration_harness.stack.up import LocalExchange
from mm_bot.io.postgres import Session, UnfitSessionError
from mm_bot.io.postgres_link import Statement
from mm_bot.venues.numo.order_table import OrderTable
from tests.process.starting import run
from tests.venues.desk import watch
from tests.venues.pooler import Pooler
from tests.venues.written_table import Table

ONE = Statement.of("SELECT 1")


def test_a_pooler_that_shares_sessions_is_refused(exchange: LocalExchange) -> None:
    """An exclusive session through it is an error that names the remedy; any other is served, and
    told to be unfit for a lock."""

    async def main() -> str | None:
        refused = Session(pooler.url, "mm-bot test", 2_000, exclusive=True)
        with pytest.raises(UnfitSessionError, match=r"shares sessions.*MM_DATABASE_URL"):
            await refused.query(ONE, {})
        await refused.aclose()
        served = Session(pooler.url, "mm-bot test", 2_000)
        assert await served.query(ONE, {}) == [(1,)]
        await served.aclose()
        return served.unfit

    with Pooler(exchange.database_url) as pooler:
        assert asyncio.run(main())


def test_a_session_of_our_own_is_fit(exchange: LocalExchange) -> None:
    """Straight to the primary nothing is refused, and no second connection is made."""

    async def main() -> None:
        session = Session(exchange.database_url, "mm-bot alone", 2_000, exclusive=True)
        await session.query(ONE, {})
        assert session.unfit is None
        assert " primary " in session.proof
        with psycopg.connect(exchange.admin_database_url) as admin:
            count = admin.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mm-bot alone'"
            ).fetchone()
        assert count == (1,)
        await session.aclose()

    asyncio.run(main())


def test_two_writers_through_one_shared_session_hold_no_lock(exchange: LocalExchange) -> None:
    """Both are served by one server session, where an advisory lock may be taken twice: the second
    sees that its own session holds it already, and the first that its session is another's."""

    async def main() -> tuple[bool, bool, bool]:
        sessions = [Session(pooler.url, f"mm-bot {n}", 2_000) for n in range(2)]
        first, second = (OrderTable(s, desk, takes_lock=True) for s in sessions)
        await first.try_lock()
        found = await second.try_lock()
        again = await first.still_locked()
        read = await first.read(watch())
        for session in sessions:
            await session.aclose()
        return found, again, read.lock_held

    table = Table(exchange)
    desk = table.account(table.spot)
    with Pooler(exchange.database_url, sessions=1) as pooler:
        assert asyncio.run(main()) == (False, False, False)


def test_a_bot_behind_such_a_pooler_ends_with_3(exchange: LocalExchange, tmp_path: Path) -> None:
    """The process names the address, what is wrong with it, and which one to use; it places
    nothing."""
    with Pooler(exchange.database_url) as pooler:
        ended = run(
            {
                **exchange.bot_environment(exchange.spot.symbol),
                "MM_DATABASE_URL": pooler.url,
                "MM_METRICS_ADDR": "127.0.0.1:0",
                "MM_STATE_FILE": str(tmp_path / "state.json"),
            }
        )
    assert ended.exit_code == 3, ended.output
    assert f"127.0.0.1:{pooler.port}" in ended.output
    assert "shares sessions" in ended.output
    assert "order.place" not in ended.output
