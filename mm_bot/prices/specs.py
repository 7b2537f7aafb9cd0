"""Which source, as small frozen values. What may hold a key is left out of every repr."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from mm_bot.core.exact import Price
from mm_bot.prices.guarded import GuardPolicy
from mm_bot.prices.parse import INVERSE_DECIMALS


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedSpec:
    """`fixed`"""

    price: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticSpec:
    """`synthetic`"""

    seed: int
    start: Price
    drift_bps_per_hour: Decimal
    volatility_bps: Decimal
    """Per square root of a second."""
    jump_every_s: int
    """On average; 0 is never."""
    jump_bps: Decimal
    session_s: int
    """Then it begins anew; 0 is never."""


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
class CarrySpec:
    """`of`, a spot price, x exp(rate x T); `expiry_ms` is None on spot, where T is 0."""

    of: SourceSpec
    rate_apr: Decimal
    expiry_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientSpec:
    """`of`, whose data may be `leeway_ms` older than that of the sources it is used with."""

    of: SourceSpec
    leeway_ms: int


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StrailsSpec:
    """The StablesRail board."""

    base_url: str = field(repr=False)
    api_key: str | None = field(default=None, repr=False)
    pair: str = "CNGN-USDC"


@dataclass(frozen=True, slots=True, kw_only=True)
class PythSpec:
    """`pyth`: one feed of a Hermes service."""

    feed_id: str
    """Hex, with or without 0x."""
    base_url: str = field(default="https://hermes.pyth.network", repr=False)
    key_header: str | None = None
    """The header the key is sent in, for example `authorization`."""
    key: str | None = field(default=None, repr=False)
    max_confidence_bps: Decimal | None = Decimal(50)
    """A confidence interval wider than this part of the price is no price; None is no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinbaseSpec:
    """`coinbase`: the mid of one product's level-2 book."""

    product_id: str
    url: str = field(default="wss://advanced-trade-ws.coinbase.com", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertSpec:
    """1 / `of`, rounded half-even to `decimals`."""

    of: SourceSpec
    decimals: int = INVERSE_DECIMALS


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiplySpec:
    """`left` x `right`, rounded half-even to 18 decimals: a cross rate."""

    left: SourceSpec
    right: SourceSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSpec:
    """One of a median's sources, behind a guard of its own, which must have a maximum age."""

    name: str
    """What metrics and logs call it; unique in its median."""
    source: SourceSpec
    guard: GuardPolicy
    weight: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MedianSpec:
    """`median`: see `median.MedianSource`. The members are read at the given pace."""

    members: tuple[MemberSpec, ...]
    quorum: int
    outlier_bps: Decimal
    interval_ms: int
    timeout_ms: int


SourceSpec = (
    FixedSpec
    | SyntheticSpec
    | HttpSpec
    | OracleSpec
    | OracleCarrySpec
    | CarrySpec
    | PatientSpec
    | ZeroExSpec
    | StrailsSpec
    | PythSpec
    | CoinbaseSpec
    | InvertSpec
    | MultiplySpec
    | MedianSpec
)
