"""The chain's node: fast to start, truthful about the time, the same after an outage."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from integration_harness.stack.evm_node import DEV_KEYS, EvmNode
from integration_harness.stack.rpc import Rpc
from integration_harness.stack.supervisor import Supervisor, answers

SENDER, RECEIVER = DEV_KEYS[0][0], "0x" + "77" * 20
# A program that returns the time it is run at.
TIMESTAMP_CODE = "0x4260005260206000f3"


@pytest.fixture
def node() -> Iterator[EvmNode]:
    with Supervisor() as supervisor:
        node = EvmNode(supervisor, chain_id=8453)
        node.start()
        yield node


@pytest.fixture
def rpc(node: EvmNode) -> Iterator[Rpc]:
    with Rpc(node.url, timeout_seconds=1) as rpc:
        yield rpc


def test_starts_fast_as_asked() -> None:
    """The node answers within a second (a tenth, alone), under the chain id it was given."""
    with Supervisor() as supervisor:
        node = EvmNode(supervisor, chain_id=84532)
        started = time.monotonic()
        node.start()
        assert time.monotonic() - started < 1
        with Rpc(node.url) as rpc:
            assert rpc.call("eth_chainId") == hex(84532)


def test_development_keys(rpc: Rpc) -> None:
    """The node's unlocked accounts are the keys this package knows."""
    accounts = rpc.call("eth_accounts")
    assert accounts == [address.lower() for address, _ in DEV_KEYS]


def test_calls_see_the_present(rpc: Rpc) -> None:
    """On an idle chain calls are evaluated at the present, though no transaction came."""
    time.sleep(2.5)
    seen = int(rpc.call("eth_call", {"data": TIMESTAMP_CODE}, "latest"), 16)
    assert abs(seen - time.time()) < 2.2


def test_state_survives_an_outage(node: EvmNode, rpc: Rpc) -> None:
    """After stop and start the same port serves the same chain, and the clock is not behind."""
    payment = {"from": SENDER, "to": RECEIVER, "value": "0x5"}
    rpc.call("eth_sendTransaction", payment)
    height = int(rpc.call("eth_blockNumber"), 16)
    node.stop()
    assert not answers(node.port)
    node.start()
    assert rpc.call("eth_getBalance", RECEIVER, "latest") == "0x5"
    assert int(rpc.call("eth_blockNumber"), 16) >= height
    rpc.call("eth_sendTransaction", payment)
    time.sleep(1.2)
    assert rpc.call("eth_getBalance", RECEIVER, "latest") == "0xa"
    block = rpc.call("eth_getBlockByNumber", "latest", False)
    assert abs(int(block["timestamp"], 16) - time.time()) < 2.2


def test_frozen_node(node: EvmNode, rpc: Rpc) -> None:
    """A frozen node accepts connections and answers nothing, and goes on when thawed."""
    node.freeze()
    assert answers(node.port)
    with pytest.raises(TimeoutError):
        rpc.call("eth_chainId")
    node.thaw()
    assert rpc.call("eth_chainId") == hex(8453)
