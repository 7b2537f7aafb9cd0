"""The embedded database: fast, alone, crash-proof, and closed to the bot but for reading."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import psycopg
import pytest

from integration_harness.stack.postgres import READER, Postgres, grant_reader
from integration_harness.stack.supervisor import Supervisor


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Supervisor() as supervisor:
        server = Postgres(supervisor)
        server.start()
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute("CREATE TABLE numbers (n bigint PRIMARY KEY)")
            admin.execute("INSERT INTO numbers VALUES (1), (2)")
            grant_reader(admin)
        yield server


def rows(server: Postgres) -> list[tuple[int]]:
    """What the bot's role reads."""
    with psycopg.connect(server.url(READER)) as connection:
        return connection.execute("SELECT n FROM numbers ORDER BY n").fetchall()


def test_not_root(server: Postgres) -> None:
    """The server's files belong to another user than root, whoever runs the tests."""
    assert server.folder.stat().st_uid != 0
    assert os.geteuid() in (0, server.folder.stat().st_uid)


def test_socket(server: Postgres) -> None:
    """The socket in the server's folder serves the administrator without a password."""
    with psycopg.connect(server.socket_url()) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("exchange",)


def test_password_is_needed(server: Postgres) -> None:
    """Over TCP a wrong password is refused."""
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url(READER, "wrong"))


def test_reader_can(server: Postgres) -> None:
    """The bot's role selects, listens, and takes advisory locks."""
    with psycopg.connect(server.url(READER), autocommit=True) as reader:
        assert reader.execute("SELECT count(*) FROM numbers").fetchone() == (2,)
        assert reader.execute("SELECT pg_try_advisory_lock(7)").fetchone() == (True,)
        reader.execute("LISTEN market_events")
        with psycopg.connect(server.url(), autocommit=True) as admin:
            assert admin.execute("SELECT pg_try_advisory_lock(7)").fetchone() == (False,)
            admin.execute("SELECT pg_notify('market_events', '42')")
        heard = list(reader.notifies(timeout=5, stop_after=1))
        assert [each.payload for each in heard] == ["42"]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO numbers VALUES (3)",
        "UPDATE numbers SET n = 4",
        "DELETE FROM numbers",
        "TRUNCATE numbers",
        "BEGIN; LOCK TABLE numbers IN EXCLUSIVE MODE",
        "SELECT * FROM numbers FOR UPDATE",
        "CREATE TABLE mine (n int)",
        "CREATE TEMPORARY TABLE mine (n int)",
        "CREATE SCHEMA mine",
    ],
)
def test_reader_cannot(server: Postgres, statement: str) -> None:
    """The bot's role changes nothing and creates nothing."""
    with (
        psycopg.connect(server.url(READER), autocommit=True) as reader,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        reader.execute(statement)


def test_survives_a_restart(server: Postgres) -> None:
    """After an orderly stop the same URL leads to the same rows, and old connections are dead."""
    old = psycopg.connect(server.url(READER))
    server.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url(READER))
    with pytest.raises(psycopg.OperationalError):
        old.execute("SELECT 1")
    old.close()
    server.start()
    assert rows(server) == [(1,), (2,)]


def test_survives_a_kill(server: Postgres) -> None:
    """After SIGKILL with a client connected, start recovers what was committed."""
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute("CREATE TABLE kept AS SELECT 5 AS n")
        server.kill()
    assert not server.running
    server.start()
    with psycopg.connect(server.url()) as admin:
        assert admin.execute("SELECT n FROM kept").fetchone() == (5,)


def test_frozen_server(server: Postgres) -> None:
    """A frozen server keeps its connections silent, and answers them once thawed."""
    with psycopg.connect(server.url(READER), autocommit=True) as reader:
        connection = reader.pgconn
        server.freeze()
        try:
            connection.send_query(b"SELECT 1")
            connection.nonblocking = 1
            time.sleep(0.2)
            connection.consume_input()
            assert connection.is_busy()
        finally:
            server.thaw()
        connection.nonblocking = 0
        result = connection.get_result()
        assert result is not None
        assert result.get_value(0, 0) == b"1"
        assert connection.get_result() is None
