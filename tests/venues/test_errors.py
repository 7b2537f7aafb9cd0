"""Foreign exceptions: every one of them has a place, and none brings a secret along."""

from __future__ import annotations

import httpx
import orjson
import psycopg
import pytest

from mm_bot.errors import EdgeError
from mm_bot.io import errors
from mm_bot.io.errors import FOREIGN, NOT_SENT, edge, redact
from mm_bot.io.postgres_address import database_address


def exception_classes(module: object) -> list[type[Exception]]:
    """Every exception class a library shows."""
    shown = (getattr(module, name) for name in dir(module))
    return [x for x in shown if isinstance(x, type) and issubclass(x, Exception)]


def test_every_httpx_exception_is_mapped() -> None:
    """No exception of httpx escapes `edge`; a new one makes this fail."""
    found = exception_classes(httpx)
    assert len(found) > 20
    assert [x for x in found if not issubclass(x, FOREIGN)] == []


def test_every_psycopg_exception_is_mapped() -> None:
    """All of psycopg's errors are `psycopg.Error`, which the session maps; warnings are none."""
    found = exception_classes(psycopg) + exception_classes(psycopg.errors)
    strangers = {x for x in found if not issubclass(x, psycopg.Error | psycopg.Warning)}
    assert strangers == {psycopg.Rollback}  # raised by callers, to leave a transaction


def test_not_sent_is_only_what_failed_before_sending() -> None:
    """Of all transport errors only those of connecting prove that nothing arrived."""
    transport = [x for x in exception_classes(httpx) if issubclass(x, httpx.TransportError)]
    sure = {x.__name__ for x in transport if issubclass(x, NOT_SENT)}
    assert sure == {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"}


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("http://user:secret@host"),
        httpx.ReadTimeout("secret"),
        TimeoutError("secret"),
        OSError("secret"),
        orjson.JSONDecodeError("secret", "secret", 0),
    ],
)
def test_foreign_text_stays_outside(error: Exception) -> None:
    """An edge error names the class of what happened, never its text."""
    with pytest.raises(EdgeError) as caught, edge("api"):
        raise error
    assert caught.value.source == "api"
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "secret" not in errors.describe(psycopg.errors.InvalidPassword("secret"))


def test_what_is_no_outside_failure_passes_through() -> None:
    """A bug stays a bug."""
    with pytest.raises(KeyError), edge("api"):
        raise KeyError("bug")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@api.example:8443/v1?key=k", "https://api.example:8443"),
        ("https://node.example/v2/abcdef", "https://node.example"),
        ("http://[::1]:8545", "http://[::1]:8545"),
        ("pw@host", "<malformed url>"),
        ("http://host:pw", "<malformed url>"),
    ],
)
def test_addresses_are_shown_without_credentials(url: str, shown: str) -> None:
    """Scheme, host and port are left of a URL."""
    assert redact(url) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://mm:pw@db.example:6432/markets?sslmode=require", "db.example:6432/markets"),
        ("host=db.example dbname=markets password=pw", "db.example:5432/markets"),
        ("postgresql://mm:pw@db.example:pw/x y z", "<malformed database url>"),
    ],
)
def test_databases_are_shown_without_credentials(url: str, shown: str) -> None:
    """Host, port and database are left of a connection string."""
    assert database_address(url) == shown


def test_the_module_names_no_error_twice() -> None:
    """`describe` says what kind of failure it was in words."""
    assert errors.describe(httpx.ReadTimeout("")) == "no answer in time (ReadTimeout)"
    assert errors.describe(httpx.ConnectError("")) == "no connection: ConnectError"
