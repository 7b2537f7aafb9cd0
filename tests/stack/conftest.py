"""A chain with the exchange's contracts on it, started once, and as new for every test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from integration_harness.stack.chain import Chain
from integration_harness.stack.deploy import DeployOptions, deploy
from integration_harness.stack.evm_node import EvmNode
from integration_harness.stack.supervisor import Supervisor
from tests.stack.signing_desk import DAY_SECONDS, FIRST_MARK, ONE, SPOT_PRICE, Order


@pytest.fixture(scope="session")
def one_chain() -> Iterator[Chain]:
    """One future, which ends in 90 days and is marked at 1,600."""
    options = DeployOptions(marks={int(time.time()) + 90 * DAY_SECONDS: FIRST_MARK})
    with Supervisor() as supervisor:
        node = EvmNode(supervisor)
        node.start()
        deployment = deploy(node.url, supervisor.folder / "deployments", options)
        with Chain(node.url, deployment) as chain:
            yield chain


@pytest.fixture
def chain(one_chain: Chain) -> Iterator[Chain]:
    """The exchange's contracts as just deployed; what a test does to them is undone after it."""
    snapshot = one_chain.request("evm_snapshot")
    yield one_chain
    one_chain.request("evm_revert", snapshot)


@pytest.fixture
def ask(chain: Chain) -> Order:
    """The maker offers 1,000 cNGN."""
    return Order(
        owner=chain.deployment.maker,
        is_bid=False,
        price=SPOT_PRICE,
        amount=1000 * ONE,
        nonce=1,
        asset=chain.deployment.addresses.wrapped_cngn,
    )


@pytest.fixture
def bid(ask: Order, chain: Chain) -> Order:
    """A taker wants them."""
    return replace(ask, owner=chain.deployment.takers[0], is_bid=True)
