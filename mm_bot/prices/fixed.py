"""A price from the settings. It is true whenever it is read, and says nothing about the world."""

from __future__ import annotations

from mm_bot.core.exact import Price
from mm_bot.prices.source import Reading


class FixedSource:
    """Always `price`."""

    name = "fixed"
    min_interval_ms = 0

    def __init__(self, price: Price) -> None:
        self._reading = Reading(price=price, as_of_ms=None)

    async def read(self) -> Reading:
        return self._reading

    async def aclose(self) -> None:
        pass
