"""A copy of the exchange's database as it is now, on the same server: what a dead replica shows."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from integration_harness.stack import up
from integration_harness.stack.postgres import READER, grant_reader

COPY_NAME: Final = "frozen_copy"
_SCHEMA: Final = Path(up.__file__).parent / "schema.sql"
_TABLES: Final = ("active_orders", "trade_fills", "market_events")


def make_copy(admin_url: str) -> None:
    """Copy every row of the exchange's tables, as of one moment."""
    drop_copy(admin_url)
    name = sql.Identifier(COPY_NAME)
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(name))
        admin.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, sql.Identifier(READER))
        )
    with psycopg.connect(admin_url) as source, psycopg.connect(_url_of_copy(admin_url)) as copy:
        source.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        copy.execute(_SCHEMA.read_text().encode())
        # The triggers wrote the events once already.
        copy.execute("SET session_replication_role = replica")
        for table in _TABLES:
            _copy_table(source, copy, table)
        grant_reader(copy)


def drop_copy(admin_url: str) -> None:
    """Remove it, whoever reads it."""
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(COPY_NAME))
        )


def _copy_table(
    source: psycopg.Connection[tuple[object, ...]],
    copy: psycopg.Connection[tuple[object, ...]],
    table: str,
) -> None:
    name = sql.Identifier(table)
    out = sql.SQL("COPY {} TO STDOUT").format(name)
    into = sql.SQL("COPY {} FROM STDIN").format(name)
    with source.cursor().copy(out) as read, copy.cursor().copy(into) as write:
        for data in read:
            write.write(data)


def _url_of_copy(admin_url: str) -> str:
    return urlunsplit(urlsplit(admin_url)._replace(path=f"/{COPY_NAME}"))
