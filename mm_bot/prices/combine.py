"""Prices out of other prices: `InvertedSource` for an inverted pair, `ProductSource` for a cross.

The result has the time and the age limit of the part that is the first to grow too old, by its own
limit where it has one; the guard is the one around the whole.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from decimal import Decimal

from mm_bot.clock import Clock
from mm_bot.core.exact import Price, multiply, round_half_even
from mm_bot.prices.guarded import fresh_until_ms
from mm_bot.prices.parse import INVERSE_DECIMALS, inverse
from mm_bot.prices.source import AnchorSource, Reading
from mm_bot.prices.spec import SourceContext, SourceSpec

PRODUCT_DECIMALS = 18
"""Enough for a rate like 0.0002 that is inverted afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertSpec:
    """1 / `of`, rounded half-even to `decimals`."""

    of: SourceSpec
    decimals: int = INVERSE_DECIMALS

    def build(self, context: SourceContext) -> InvertedSource:
        return InvertedSource(self.of.build(context), decimals=self.decimals)


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiplySpec:
    """`left` x `right`, rounded half-even to 18 decimals: a cross rate. A stream on one side sets
    no pace for the other, so it is read at its interval."""

    left: SourceSpec
    right: SourceSpec

    def build(self, context: SourceContext) -> ProductSource:
        context = replace(context, moved=asyncio.Event())
        return ProductSource(
            self.left.build(context),
            self.right.build(context),
            max_age_ms=context.max_age_ms,
            clock=context.clock,
        )


class InvertedSource:
    """1 / the source's price, rounded half-even to `decimals`."""

    def __init__(self, source: AnchorSource, *, decimals: int = INVERSE_DECIMALS) -> None:
        self.name = f"invert({source.name})"
        self.min_interval_ms = source.min_interval_ms
        self._source = source
        self._decimals = decimals

    async def read(self) -> Reading:
        reading = await self._source.read()
        price = inverse(reading.price, self.name, self._decimals)
        return replace(reading, price=price)

    async def aclose(self) -> None:
        await self._source.aclose()


class ProductSource:
    """left x right, rounded half-even to `PRODUCT_DECIMALS`; both are read at the same time."""

    def __init__(
        self, left: AnchorSource, right: AnchorSource, *, max_age_ms: int | None, clock: Clock
    ) -> None:
        """`max_age_ms` is the limit of a part that has none of its own."""
        self.name = f"multiply({left.name},{right.name})"
        self.min_interval_ms = max(left.min_interval_ms, right.min_interval_ms)
        self._sources = (left, right)
        self._max_age_ms = max_age_ms
        self._clock = clock

    async def read(self) -> Reading:
        # Both are waited for, so that no read is left behind when the other one fails.
        results = await asyncio.gather(
            *(source.read() for source in self._sources), return_exceptions=True
        )
        readings = []
        for result in results:
            if isinstance(result, BaseException):
                raise result
            readings.append(result)
        left, right = readings
        price = multiply(left.price.value, right.price.value)
        now_ms = self._clock.now_ms()
        first_stale = min(readings, key=lambda part: self._fresh_until(part, now_ms))
        return replace(
            first_stale,
            price=Price(round_half_even(price, Decimal(1), PRODUCT_DECIMALS)),
            max_age_ms=self._limit_ms(first_stale),
            widening_bps=left.widening_bps + right.widening_bps,
        )

    def _limit_ms(self, part: Reading) -> int | None:
        return self._max_age_ms if part.max_age_ms is None else part.max_age_ms

    def _fresh_until(self, part: Reading, now_ms: int) -> tuple[int, bool]:
        """A part that tells no time is as new as the read, less what a cache says; of two that are
        alike the one that tells its time counts."""
        untold = part.as_of_ms is None
        as_of_ms = now_ms - part.age_ms if part.as_of_ms is None else part.as_of_ms
        return fresh_until_ms(as_of_ms, self._limit_ms(part)), untold

    async def aclose(self) -> None:
        for source in self._sources:
            await source.aclose()
