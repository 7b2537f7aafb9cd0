"""Prices out of other prices: `InvertedSource` for an inverted pair, `ProductSource` for a cross.

The result is as old as the oldest price in it. Its guard is the one around the whole, which has one
age limit; `PatientSource` is for a part that by its nature is older.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

from mm_bot.clock import Clock
from mm_bot.core.exact import Price, multiply, round_half_even
from mm_bot.prices.parse import INVERSE_DECIMALS, inverse
from mm_bot.prices.source import AnchorSource, Reading

PRODUCT_DECIMALS = 18
"""Enough for a rate like 0.0002 that is inverted afterwards."""


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

    def __init__(self, left: AnchorSource, right: AnchorSource) -> None:
        self.name = f"multiply({left.name},{right.name})"
        self.min_interval_ms = max(left.min_interval_ms, right.min_interval_ms)
        self._sources = (left, right)

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
        known = [r.as_of_ms for r in readings if r.as_of_ms is not None]
        return Reading(
            price=Price(round_half_even(price, Decimal(1), PRODUCT_DECIMALS)),
            # A side without a time of its own is as new as the read, hence never the older one.
            as_of_ms=min(known, default=None),
            widening_bps=left.widening_bps + right.widening_bps,
        )

    async def aclose(self) -> None:
        for source in self._sources:
            await source.aclose()


class PatientSource:
    """A source whose data may be `leeway_ms` older than the limit that it is held to, since it is
    only renewed that seldom: its time is told that much later, but not later than now."""

    def __init__(self, source: AnchorSource, *, leeway_ms: int, clock: Clock) -> None:
        self.name = source.name
        self.min_interval_ms = source.min_interval_ms
        self._source = source
        self._leeway_ms = leeway_ms
        self._clock = clock

    async def read(self) -> Reading:
        reading = await self._source.read()
        as_of_ms, now_ms = reading.as_of_ms, self._clock.now_ms()
        if as_of_ms is None or as_of_ms > now_ms:
            return reading
        return replace(reading, as_of_ms=min(as_of_ms + self._leeway_ms, now_ms))

    async def aclose(self) -> None:
        await self._source.aclose()
