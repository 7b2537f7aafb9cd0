"""What bots on fake exchanges are priced by."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from integration_harness.anchor_server import AnchorServer


@pytest.fixture
def anchor() -> Iterator[AnchorServer]:
    """A price source whose price may be moved."""
    running = AnchorServer(Decimal(3000))
    running.start()
    yield running
    running.close()
