"""What is put between the bot and the exchange: a node that lags, and distance."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from integration_harness.delay_proxy import DelayProxy
from integration_harness.lagging_node import LaggingNode
from integration_harness.stack.evm_node import DEV_KEYS, EvmNode
from integration_harness.stack.supervisor import Supervisor

BLOCK = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}


@pytest.fixture
def node() -> Iterator[EvmNode]:
    """A node whose blocks come only when they are asked for."""
    with Supervisor() as supervisor:
        node = EvmNode(supervisor, block_time_seconds=3600)
        node.start()
        ask(node.url, "anvil_mine", "0xa")
        yield node


def ask(url: str, method: str, *params: object) -> object:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer: dict[str, object] = httpx.post(url, json=request).json()
    return answer["result"]


def sent(url: str) -> object:
    """How many transactions the first development account has sent, as of the head."""
    return ask(url, "eth_getTransactionCount", DEV_KEYS[0][0], "latest")


def test_a_lagging_node_answers_as_of_so_many_blocks_ago(node: EvmNode) -> None:
    """Head, block and state are those of three blocks ago, alone and in a batch."""
    proxy = LaggingNode(node.url, behind=3)
    proxy.start()
    try:
        ask(node.url, "eth_sendTransaction", {"from": DEV_KEYS[0][0], "to": DEV_KEYS[1][0]})
        assert (ask(node.url, "eth_blockNumber"), sent(node.url)) == ("0xb", "0x1")
        assert (ask(proxy.url, "eth_blockNumber"), sent(proxy.url)) == ("0x8", "0x0")
        block = ask(proxy.url, "eth_getBlockByNumber", "latest", False)
        assert isinstance(block, dict)
        assert block["number"] == "0x8"
        chain = {"jsonrpc": "2.0", "id": 2, "method": "eth_chainId", "params": []}
        answers = httpx.post(proxy.url, json=[BLOCK, chain]).json()
        assert [each["result"] for each in answers] == ["0x8", "0x7a69"]
        ask(node.url, "anvil_mine", "0x3")
        assert sent(proxy.url) == "0x1"
        proxy.behind = 0
        assert ask(proxy.url, "eth_blockNumber") == "0xe"
    finally:
        proxy.close()


def test_two_backends_alternate(node: EvmNode) -> None:
    """Every second request is answered by the one that lags."""
    proxy = LaggingNode(node.url, behind=4, alternating=True)
    proxy.start()
    try:
        seen = [ask(proxy.url, "eth_blockNumber") for _ in range(4)]
    finally:
        proxy.close()
    assert seen == ["0x6", "0xa", "0x6", "0xa"]


def test_distance_is_added_to_every_round_trip_and_nothing_is_lost(node: EvmNode) -> None:
    """No round trip is quicker than the delay, and many bytes arrive whole and in order."""
    at = urlsplit(node.url)
    assert at.hostname is not None
    assert at.port is not None
    proxy = DelayProxy(at.hostname, at.port, round_trip_ms=25)
    proxy.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}") as client:
            for _ in range(3):
                began = time.monotonic()
                assert client.post("/", json=BLOCK).json()["result"] == "0xa"
                assert time.monotonic() - began >= 0.025
    finally:
        proxy.close()


def test_a_delayed_stream_is_the_same_stream() -> None:
    """A megabyte echoed through the proxy comes back equal, and the end is passed on."""
    payload = bytes(range(256)) * 4096
    with socket.create_server(("127.0.0.1", 0)) as server:
        echo = threading.Thread(target=echo_one, args=(server,))
        echo.start()
        proxy = DelayProxy("127.0.0.1", server.getsockname()[1], round_trip_ms=5)
        proxy.start()
        try:
            with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
                sender = threading.Thread(target=client.sendall, args=(payload,))
                sender.start()
                received = b""
                while len(received) < len(payload):
                    received += client.recv(65_536)
                sender.join()
            assert received == payload
        finally:
            proxy.close()
            echo.join()


def echo_one(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        while data := connection.recv(65_536):
            connection.sendall(data)
