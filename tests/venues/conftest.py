"""What bots on fake exchanges are priced by, and a table of orders to read."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from integration_harness.anchor_server import AnchorServer
from integration_harness.stack.up import LocalExchange
from tests.venues.written_table import Table


@pytest.fixture
def anchor() -> Iterator[AnchorServer]:
    """A price source whose price may be moved."""
    running = AnchorServer(Decimal(3000))
    running.start()
    yield running
    running.close()


@pytest.fixture
def table(exchange: LocalExchange) -> Table:
    """Markets and an owner of this test alone."""
    return Table(exchange)
