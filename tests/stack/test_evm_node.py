"""The chain's node: fast to start, truthful about the time, the same after an outage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import requests
from web3 import Web3

from integration_harness.stack.evm_node import DEV_KEYS, EvmNode
from integration_harness.stack.node_client import ask, connected
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
def web3(node: EvmNode) -> Iterator[Web3]:
    with connected(node.url) as web3:
        yield web3


def is_present(look: Callable[[], int]) -> None:
    """The time it sees comes to be that of now, with a block's length and a rounded second."""
    give_up_at = time.monotonic() + 10
    while abs(look() - time.time()) >= 2.2:
        assert time.monotonic() < give_up_at
        time.sleep(0.1)


def test_starts_as_asked() -> None:
    """The node answers when `start` returns, under the chain id it was given."""
    with Supervisor() as supervisor:
        node = EvmNode(supervisor, chain_id=84532)
        node.start()
        with connected(node.url) as web3:
            assert web3.eth.chain_id == 84532


def test_development_keys(web3: Web3) -> None:
    """The node's unlocked accounts are the keys this package knows."""
    assert list(web3.eth.accounts) == [address for address, _ in DEV_KEYS]


def test_calls_see_the_present(web3: Web3) -> None:
    """On an idle chain calls are evaluated at the present, though no transaction came."""
    time.sleep(2.5)
    is_present(lambda: int(ask(web3, "eth_call", {"data": TIMESTAMP_CODE}, "latest"), 16))


def test_state_survives_an_outage(node: EvmNode, web3: Web3) -> None:
    """After stop and start the same port serves the same chain, and the clock is not behind."""
    payment = {"from": SENDER, "to": RECEIVER, "value": "0x5"}
    ask(web3, "eth_sendTransaction", payment)
    height = web3.eth.block_number
    node.stop()
    assert not answers(node.port)
    node.start()
    assert ask(web3, "eth_getBalance", RECEIVER, "latest") == "0x5"
    assert web3.eth.block_number >= height
    ask(web3, "eth_sendTransaction", payment)
    time.sleep(1.2)
    assert ask(web3, "eth_getBalance", RECEIVER, "latest") == "0xa"
    is_present(lambda: web3.eth.get_block("latest")["timestamp"])


def test_frozen_node(node: EvmNode, web3: Web3) -> None:
    """A frozen node accepts connections and answers nothing, and goes on when thawed."""
    node.freeze()
    assert answers(node.port)
    with (
        connected(node.url, timeout_seconds=1) as impatient,
        pytest.raises(requests.Timeout),
    ):
        ask(impatient, "eth_chainId")
    node.thaw()
    assert web3.eth.chain_id == 8453
