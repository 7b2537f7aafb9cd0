"""Orders of which a sending has no known end: what a later answer to the same bytes may say."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from mm_bot.core.commands import Outcome, Verdict

KEPT: Final = 1_000


class Unsure:
    """A refusal of bytes that were sent before with an unknown end says nothing of that sending:
    the first may have been taken, and have used up what the second was refused for."""

    def __init__(self) -> None:
        self._orders: dict[str, None] = {}

    def judged(self, order_id: str, outcome: Outcome) -> Outcome:
        """The outcome of an order, given how its earlier sendings ended."""
        if outcome.verdict is Verdict.ACCEPTED:
            self._orders.pop(order_id, None)
        elif outcome.verdict is Verdict.UNKNOWN:
            self._orders[order_id] = None
            while len(self._orders) > KEPT:
                del self._orders[next(iter(self._orders))]
        elif order_id in self._orders:
            return replace(outcome, verdict=Verdict.UNKNOWN)
        return outcome
