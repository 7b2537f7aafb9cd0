"""The claim behind `service=` in the examples: the password can stay out of the environment."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from integration_harness.stack.up import LocalExchange
from mm_bot.errors import EdgeError
from mm_bot.io.postgres import Session
from mm_bot.io.postgres_link import Statement


def ask(database_url: str) -> object:
    """What a session of the bot answers to `SELECT 1`."""

    async def asked() -> object:
        session = Session(database_url, "test", 2_000)
        try:
            return (await session.query(Statement.of("SELECT 1"), {}))[0][0]
        finally:
            await session.aclose()

    return asyncio.run(asked())


def test_the_password_may_stand_in_a_service_file(
    exchange: LocalExchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL without a password logs in with that of the file in PGSERVICEFILE, and does not
    without the file."""
    url = urlsplit(exchange.database_url)
    bare = f"postgresql://{url.username}@{url.hostname}:{url.port}{url.path}"
    with pytest.raises(EdgeError):
        ask(bare)
    services = tmp_path / "pg_service.conf"
    services.write_text(f"[mm-bot]\npassword={url.password}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    assert ask(f"{bare}?service=mm-bot") == 1
