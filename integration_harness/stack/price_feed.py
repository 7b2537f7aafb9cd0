"""The local chain's cNGN/USD feed, spoken to in cNGN per USDC."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from integration_harness.stack.chain import Chain
from integration_harness.stack.deployment import Deployment


def feed_answer(price: Decimal, decimals: int) -> int:
    """USD per cNGN with the feed's decimals, to the nearest."""
    answer: Fraction = 10**decimals / Fraction(price)
    return (2 * answer.numerator + answer.denominator) // (2 * answer.denominator)


class PriceFeed:
    """Sets the feed from its owner's account, which the node holds unlocked; from any thread."""

    def __init__(self, rpc_url: str, deployment: Deployment, decimals: int) -> None:
        self._rpc_url = rpc_url
        self._deployment = deployment
        self._decimals = decimals

    def set(self, price: Decimal, updated_at_seconds: int | None = None) -> None:
        """Answer this price, as of now or of the given time; returns when it is on chain."""
        answer = feed_answer(price, self._decimals)
        with Chain(self._rpc_url, self._deployment) as chain:
            if updated_at_seconds is None:
                chain.set_feed(answer)
            else:
                chain.set_feed_round(answer, updated_at_seconds)
