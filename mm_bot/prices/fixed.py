"""A price from the settings. It is true whenever it is read, and says nothing about the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from mm_bot.core.exact import Price
from mm_bot.fields.model import variable
from mm_bot.prices.source import Reading
from mm_bot.prices.spec import PRICE, SourceContext, SourceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedSpec:
    """`fixed`"""

    price: Price

    def build(self, context: SourceContext) -> FixedSource:
        return FixedSource(self.price)


class FixedSettings(SourceSettings):
    word = "fixed"
    of_this_market = True
    made_up = True

    price: Annotated[Price | None, PRICE] = variable("FIXED_PRICE", "For `fixed`.")

    def spec(self, market: str, feed: str) -> FixedSpec:
        assert self.price is not None, "else a fault"
        return FixedSpec(price=self.price)


SOURCE = FixedSettings


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
