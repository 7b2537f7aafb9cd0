"""The exchange, with our wallet and its session key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration_harness.venues.derive.server import DeriveServer
from tests.venues.derive.account import OWNER, SIGNER, SUBACCOUNT


@pytest.fixture
def server() -> Iterator[DeriveServer]:
    running = DeriveServer()
    running.add_trader(OWNER, SUBACCOUNT, SIGNER)
    running.start()
    yield running
    running.close()
