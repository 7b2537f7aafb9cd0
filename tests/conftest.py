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
