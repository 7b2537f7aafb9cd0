"""Which source, as small frozen values. What may hold a key is left out of every repr."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from mm_bot.core.exact import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedSpec:
    """`fixed`"""

    price: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSpec:
    """`http`"""

    url: str = field(repr=False)
    """May hold a key."""
    market: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleSpec:
    """`cngn-price-oracle`: the feed as it is."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleCarrySpec:
    """`oracle_carry`: the feed x exp(rate x T); `expiry_ms` is None on spot, where T is 0."""

    address: str
    rate_apr: Decimal
    expiry_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroExSpec:
    """`0x`"""

    base_url: str = field(repr=False)
    api_key: str | None = field(default=None, repr=False)
    chain_id: int
    sell_token: str
    buy_token: str
    amount: int
    """Base units of the sold token."""
    base_token: str | None = None
    """USDC's address: where that is the bought token the answer is inverted."""


SourceSpec = FixedSpec | HttpSpec | OracleSpec | OracleCarrySpec | ZeroExSpec
