"""One local stack for all scenarios of the session, as quick as they can be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration_harness.run import Runner
from integration_harness.scenarios import SCENARIOS
from integration_harness.settings import read_options
from integration_harness.stack.up import LocalExchange
from integration_harness.target import Target, local_target


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    """Runs scenarios on its own local exchange; each leaves an empty market behind."""
    options = read_options(["all", "--quick"], {"MM_INT_TIMEOUT_SECONDS": "40"}, tuple(SCENARIOS))
    with Runner(options, {}) as running:
        yield running


@pytest.fixture
def target(exchange: LocalExchange) -> Target:
    """The spot market of the session's local exchange."""
    return local_target(exchange, exchange.spot)
