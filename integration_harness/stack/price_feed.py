"""The local chain's cNGN/USD feed, spoken to in cNGN per USDC."""

from __future__ import annotations

import time
from decimal import Decimal
from fractions import Fraction
from typing import Final

from integration_harness.stack.deployment import Deployment
from integration_harness.stack.rpc import Rpc, call_data

# An estimate is too low where the transaction's block falls into another second than the last.
_GAS: Final = 300_000
_MINED_SECONDS: Final = 10


def feed_answer(price: Decimal, decimals: int) -> int:
    """USD per cNGN with the feed's decimals, to the nearest."""
    answer: Fraction = 10**decimals / Fraction(price)
    return (2 * answer.numerator + answer.denominator) // (2 * answer.denominator)


class PriceFeed:
    """Sets the feed from its owner's account, which the node holds unlocked."""

    def __init__(self, rpc_url: str, deployment: Deployment, decimals: int) -> None:
        self._rpc_url = rpc_url
        self._owner = deployment.deployer.address
        self._address = deployment.addresses.feed
        self._decimals = decimals

    def set(self, price: Decimal, updated_at_seconds: int | None = None) -> None:
        """Answer this price, as of now or of the given time; returns when it is on chain."""
        answer = feed_answer(price, self._decimals)
        data = (
            call_data("setAnswer(int256)", answer)
            if updated_at_seconds is None
            else call_data("setRound(int256,uint256)", answer, updated_at_seconds)
        )
        request = {"from": self._owner, "to": self._address, "data": data, "gas": hex(_GAS)}
        with Rpc(self._rpc_url) as rpc:
            transaction = rpc.call("eth_sendTransaction", request)
            give_up_at = time.monotonic() + _MINED_SECONDS
            while (receipt := rpc.call("eth_getTransactionReceipt", transaction)) is None:
                assert time.monotonic() < give_up_at, "the feed's new answer is not mined"
                time.sleep(0.005)
            assert receipt["status"] == "0x1", "the feed refused the answer"
