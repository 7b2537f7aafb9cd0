"""What every test may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest

from integration_harness.stack.up import ExchangeOptions, LocalExchange

# Two shared cores: how long one example takes says nothing.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


@pytest.fixture(scope="session")
def exchange() -> Iterator[LocalExchange]:
    """One running local exchange for the whole session; tests leave no live order behind."""
    with LocalExchange(ExchangeOptions(chain_agrees=True)) as running:
        yield running


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fail-on-skip", action="store_true", help="a test that was skipped fails the session"
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not session.config.getoption("--fail-on-skip") or reporter is None:
        return
    skipped = reporter.stats.get("skipped", [])
    if skipped:
        reporter.write_line("")
        reporter.write_line(f"{len(skipped)} skipped, and nothing may be skipped here", red=True)
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
