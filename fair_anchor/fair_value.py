"""From a spot to the answer about one market (pure): `quote_future`, `quote_spot`, `RateTable`.

1. The price is `mm_bot.core.carry.fair_value` of the spot, which the bot's oracle anchor uses too.
2. A rate is the future's own, else the curve's at its expiry, else the flat one.
3. An answer's `generated_at` is the time its spot is true for: whoever judges its age judges the
   data, however often and lately it was repeated.
4. Numbers are written with every digit they have; no float is formed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum

import orjson

from mm_bot.core.carry import fair_value, years_to_expiry
from mm_bot.core.exact import Price, add, multiply, plain, round_half_even, subtract

RATE_DECIMALS = 12
"""Of a rate between two points of the curve."""
YEARS_DECIMALS = 12

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Confidence(Enum):
    """How much stands behind a spot."""

    HIGH = "high"
    """A source outside of the exchange, or the mid of its book."""
    MEDIUM = "medium"
    """The last trade."""
    LOW = "low"
    """The guarded fallback: a setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One human spot price and where it is from."""

    price: Price
    source: str
    observed_at_ms: int
    """The time it is true for, by the source's own word where it gives one."""
    confidence: Confidence
    degraded: bool
    """Whether a better source was asked for and did not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateTable:
    """Which rate belongs to which future."""

    flat: Decimal = Decimal(0)
    by_symbol: Mapping[str, Decimal] = field(default_factory=dict)
    curve: tuple[tuple[int, Decimal], ...] = ()
    """Expiry (unix milliseconds) and rate, ascending."""

    def rate(self, symbol: str, expiry_ms: int) -> Decimal:
        """The yearly rate; between two points of the curve on the straight line through them."""
        if symbol in self.by_symbol:
            return self.by_symbol[symbol]
        if not self.curve:
            return self.flat
        after = bisect_left(self.curve, expiry_ms, key=lambda point: point[0])
        if after == 0 or after == len(self.curve):
            return self.curve[min(after, len(self.curve) - 1)][1]
        (from_ms, low), (to_ms, high) = self.curve[after - 1], self.curve[after]
        rise = multiply(subtract(high, low), Decimal(expiry_ms - from_ms))
        whole = add(multiply(low, Decimal(to_ms - from_ms)), rise)
        return round_half_even(whole, Decimal(to_ms - from_ms), RATE_DECIMALS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carry:
    """What lies between spot and a future."""

    rates: RateTable = field(default_factory=RateTable)
    absolute: Decimal = Decimal(0)
    bps: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The answer about one market."""

    market: str
    spot: Spot
    fair: Price
    rate_apr: Decimal = Decimal(0)
    carry_abs: Decimal = Decimal(0)
    carry_bps: Decimal = Decimal(0)
    years: Decimal = Decimal(0)
    expiry_ms: int | None = None

    def to_json(self) -> bytes:
        """The body of `/price`."""
        observed = utc_text(self.spot.observed_at_ms)
        price = exact_number(self.fair.value)
        return orjson.dumps(
            {
                "price": price,
                "spot": exact_number(self.spot.price.value),
                "fair": price,
                "source": self.spot.source,
                "market": self.market,
                "rate_apr": exact_number(self.rate_apr),
                "carry_abs": exact_number(self.carry_abs),
                "carry_bps": exact_number(self.carry_bps),
                "t_years": exact_number(self.years),
                "expiry_utc": None if self.expiry_ms is None else utc_text(self.expiry_ms),
                "generated_at": observed,
                "spot_observed_at": observed,
                "confidence": self.spot.confidence.value,
            }
        )


def quote_spot(market: str, spot: Spot) -> Quote:
    """The spot market's own price: nothing is carried."""
    return Quote(market=market, spot=spot, fair=spot.price)


def quote_future(market: str, expiry_ms: int, spot: Spot, carry: Carry, now_ms: int) -> Quote:
    """The fair value of one future at `now_ms`.

    Raises:
        ValueError: where it is not positive, or the rate grows beyond all bounds.
    """
    rate_apr = carry.rates.rate(market, expiry_ms)
    fair = fair_value(
        spot=spot.price,
        rate_apr=rate_apr,
        carry_abs=carry.absolute,
        carry_bps=carry.bps,
        now_ms=now_ms,
        expiry_ms=expiry_ms,
    )
    if fair <= Price(Decimal(0)):
        raise ValueError(f"the fair value {fair} is not positive")
    years = years_to_expiry(now_ms, expiry_ms)
    return Quote(
        market=market,
        spot=spot,
        fair=fair,
        rate_apr=rate_apr,
        carry_abs=carry.absolute,
        carry_bps=carry.bps,
        years=round_half_even(years, Decimal(1), YEARS_DECIMALS),
        expiry_ms=expiry_ms,
    )


def utc_text(at_ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds where there are any."""
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    text = moment.isoformat(timespec="milliseconds" if at_ms % 1000 else "seconds")
    return text.replace("+00:00", "Z")


def exact_number(value: Decimal) -> orjson.Fragment:
    """A JSON number with every digit of `value`."""
    return orjson.Fragment(plain(value))
