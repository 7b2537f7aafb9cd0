"""The order table's session: cheap in any crowd, one writer at a time, lost and taken again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from mm_bot.core.instrument import Side
from mm_bot.core.snapshot import OwnOrders
from mm_bot.errors import EdgeError
from mm_bot.io.postgres import Session
from mm_bot.io.postgres_link import Statement
from mm_bot.venues.numo.order_table import OrderTable
from mm_bot.venues.numo.units import ref
from tests.benchmarks.crowded import asked_for_indexes
from tests.venues.desk import watch
from tests.venues.written_table import NONCES, THEM, Table


def crowd(table: Table, count: int) -> None:
    """So many live orders of a stranger on each side, from 1001 up."""
    table.execute(
        "INSERT INTO active_orders (order_id, owner_address, signer_address, subaccount_id,"
        " recipient_id, nonce, side, asset_address, sub_id, desired_amount, limit_price,"
        " limit_price_ticks, worst_fee, expiry, action_json, signature)"
        " SELECT %s || side || n, %s, 'x', 9, 1, nextval('trade_fills_trade_id_seq') + %s, side,"
        " %s, %s, '100', (1000 + n)::text, (1000 + n)::text, '0', %s, '{}', 'x'"
        " FROM generate_series(1, %s) n, unnest(ARRAY['buy', 'sell']) side",
        (
            f"crowd:{table.owner}:", THEM, next(NONCES) << 20,
            *(ref(table.future).asset, ref(table.future).sub_id, int(time.time()) + 300, count),
        ),
    )  # fmt: skip


@contextmanager
def documented_index(table: Table) -> Iterator[None]:
    """The index that docs/speed.md asks the exchange for."""
    statement = next(each for each in asked_for_indexes() if "owner" in each)
    name = statement.split()[3]
    with psycopg.connect(table.running.admin_database_url, autocommit=True) as connection:
        connection.execute(statement.encode())
        connection.execute("ANALYZE active_orders")
        try:
            yield
        finally:
            connection.execute(f"DROP INDEX {name}".encode())


def test_the_read_touches_a_few_rows_whatever_the_market_holds(table: Table) -> None:
    """With the documented index; without it the orders are the same."""
    crowd(table, 2_000)
    ours, _ = table.add(table.future, price="900", human=Side.BUY)
    aside, _ = table.add(table.future, price="901", subaccount=8)
    reads = 20

    async def use() -> OwnOrders:
        session = Session(table.running.database_url, "mm-bot test", 5000)
        try:
            orders = OrderTable(session, table.account(table.future), takes_lock=False)
            for _ in range(reads):
                read = await orders.read(watch())
            await session.query(Statement.of("SELECT pg_stat_force_next_flush()::text"), {})
            return read.orders
        finally:
            await session.aclose()

    def fetched() -> int:
        """Rows of the table that anybody ever fetched: the exchange's own services do, a little."""
        with psycopg.connect(table.running.admin_database_url, autocommit=True) as connection:
            row = connection.execute(
                "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_user_tables"
                " WHERE relname = 'active_orders'"
            ).fetchone()
            assert row is not None
            return int(row[0])

    without = table.read(table.future)
    with documented_index(table):
        before = fetched()
        found = asyncio.run(use())
        touched = fetched() - before
    best = [(order.side, str(order.price)) for order in found.others]
    assert sorted(best, key=str) == [
        (Side.BUY, "2999"), (Side.BUY, "3000"), (Side.BUY, "901"),
        (Side.SELL, "1001"), (Side.SELL, "1002"),
    ]  # fmt: skip
    assert [row.order_id for row in found.rows] == [ours]
    assert [order.order_id for order in found.others if order.ours] == [aside]
    assert sorted(found.others, key=str) == sorted(without.others, key=str)
    assert without.rows == found.rows
    assert 0 < touched < 100 * reads


@pytest.mark.parametrize("price", ["NaN", "1e400", ""])
def test_one_bad_row_of_a_stranger_is_left_out_and_named(table: Table, price: str) -> None:
    """Our own rows and the readable ones of others are read as ever."""
    bad, _ = table.add(table.future, owner=THEM, price=price)
    good, _ = table.add(table.future, owner=THEM, price="1590")
    ours, _ = table.add(table.future, price="1580")
    read = table.read(table.future)
    assert read.unreadable == (bad,)
    assert [o.order_id for o in read.others] == [good]
    assert [row.order_id for row in read.rows] == [ours]


def sessions(table: Table, count: int) -> list[Session]:
    url = table.running.database_url
    return [Session(url, f"mm-bot test {i} pid=1 host=h", 10_000) for i in range(count)]


def test_one_writer_at_a_time(table: Table) -> None:
    """The second is told who holds the lock, and gets it when the first session ends."""

    async def use() -> None:
        first, second = sessions(table, 2)
        account = table.account(table.spot)
        one, two = (OrderTable(s, account, takes_lock=True) for s in (first, second))
        watcher = OrderTable(second, account, takes_lock=False)
        try:
            assert (await one.read(watch())).lock_held
            assert not (await two.read(watch())).lock_held
            assert (await watcher.read(watch())).lock_held
            assert "mm-bot test 0 pid=1 host=h" in await two.lock_holder()
            await first.aclose()
            for _ in range(50):
                if await two.try_lock():
                    break
                await asyncio.sleep(0.02)
            assert two.lock_held
            assert not (await one.read(watch())).lock_held
        finally:
            await first.aclose()
            await second.aclose()

    asyncio.run(use())


def test_a_lost_session_is_a_lost_lock_until_it_is_taken_again(table: Table) -> None:
    """The server ends our session: one failed read, then rows and the lock are there again."""

    async def use() -> None:
        (session,) = sessions(table, 1)
        orders = OrderTable(session, table.account(table.spot), takes_lock=True)
        try:
            assert (await orders.read(watch())).lock_held
            pid = (await session.query(Statement.of("SELECT pg_backend_pid()"), {}))[0][0]
            await asyncio.to_thread(table.execute, "SELECT pg_terminate_backend(%s)", (pid,))
            with pytest.raises(EdgeError) as caught:
                await orders.read(watch())
            assert caught.value.source == "postgres"
            assert not orders.lock_held
            assert (await orders.read(watch())).lock_held
        finally:
            await session.aclose()

    asyncio.run(use())


@pytest.mark.parametrize("how", ["timeout", "cancelled"])
def test_a_query_given_up_does_not_poison_the_session(table: Table, how: str) -> None:
    """Timed out or cancelled, at once; and the next query's rows are its own."""

    async def use() -> None:
        (session,) = sessions(table, 1)
        slow = session.query(
            Statement.of("SELECT pg_sleep(9)"), {}, 0.1 if how == "timeout" else None
        )
        began = time.monotonic()
        try:
            if how == "timeout":
                with pytest.raises(EdgeError, match="no answer in time"):
                    await slow
            else:
                task = asyncio.ensure_future(slow)
                await asyncio.sleep(0.1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert await session.query(Statement.of("SELECT 42"), {}) == [(42,)]
            assert time.monotonic() - began < 8
        finally:
            await session.aclose()

    asyncio.run(use())


def test_a_refused_statement_keeps_the_session(table: Table) -> None:
    """An SQL error is named by its SQLSTATE, without text, and costs no reconnect; so is a query
    that the server cancels, or each would cost the lock of the session."""

    async def use() -> None:
        (session,) = sessions(table, 1)
        try:
            await session.query(Statement.of("SELECT 1"), {})
            before = session.generation
            with pytest.raises(EdgeError, match=r"UndefinedTable \(SQLSTATE 42P01\)"):
                await session.query(Statement.of("SELECT * FROM secret_table"), {})
            await session.query(
                Statement.of("SELECT set_config('statement_timeout', '50', false)"), {}
            )
            with pytest.raises(EdgeError, match="is the role's statement_timeout too short"):
                await session.query(Statement.of("SELECT pg_sleep(10)"), {})
            assert await session.query(Statement.of("SELECT 1"), {}) == [(1,)]
            assert session.generation == before
        finally:
            await session.aclose()

    asyncio.run(use())
