"""What the anchors' variables come to: `resolve_anchor`, `resolve_external`, and their checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from mm_bot.core.exact import Price
from mm_bot.fields.model import Reading
from mm_bot.prices.fixed import FixedSettings
from mm_bot.prices.oracle import OracleSpec
from mm_bot.prices.spec import SourceSettings, SourceSpec
from mm_bot.prices.zero_ex import ZeroExSettings
from mm_bot.settings.anchor_variables import (
    EXTERNAL,
    NO_ANCHOR,
    AnchorVariables,
    ExternalProvider,
    ExternalVariables,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorPart:
    """One source, as it was asked for."""

    name: str
    """As it was written, feed ids cut short; a metric's label."""
    spec: SourceSpec
    carried: bool
    """Whether it tells a spot price, which a future's expiry is still to be allowed for."""
    weight: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorSettings:
    """The anchor of any market. What is said "of any anchor" holds for the bootstrap one too."""

    source: str
    """The word of `MM_ANCHOR_SOURCE_TYPE`."""
    parts: tuple[AnchorPart, ...]
    """The members of a median, else the one source; none for `none`."""
    quorum: int
    outlier_bps: Decimal
    max_age_ms: int | None
    """Of data that has no limit of its own; not None where there are several sources."""
    max_jump_bps: Decimal | None
    """None accepts every jump."""
    carry_rate_apr: Decimal
    confirmations: int
    """Consecutive readings that make a refused jump the new base, of any anchor."""
    hard_jump_bps: Decimal | None
    """A jump that no repetition confirms, of any anchor; None is no limit."""
    agreement_bps: Decimal | None
    """How near another source or the local price must be to confirm such a jump; None: the limit
    is off."""
    min_price: Price | None
    max_price: Price | None
    """Plausibility bounds of any reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalAnchorSettings:
    """The bootstrap anchor of the spot market."""

    provider: ExternalProvider
    spec: SourceSpec
    rpc_url: str = field(repr=False)
    timeout_ms: int
    max_deviation_bps: Decimal | None
    """None accepts every jump."""


def resolve_anchor(
    given: AnchorVariables,
    parts: tuple[AnchorPart, ...],
    market_symbol: str,
    *,
    max_age_ms: int | None,
    agreement_bps: Decimal | None,
) -> AnchorSettings:
    """The anchor of valid variables, made of `parts`. None is no limit: `max_age_ms` of a source,
    `agreement_bps` of two that confirm each other."""
    low, high = given.bounds(market_symbol)
    return AnchorSettings(
        source=given.source,
        parts=parts,
        quorum=given.median_quorum,
        outlier_bps=given.median_outlier_bps,
        max_age_ms=max_age_ms,
        max_jump_bps=given.max_jump_bps,
        carry_rate_apr=given.carry_rate_apr,
        confirmations=given.confirmations,
        hard_jump_bps=given.hard_jump_bps,
        agreement_bps=agreement_bps,
        min_price=low,
        max_price=high,
    )


def check_bounds(reading: Reading, given: AnchorVariables, market_symbol: str) -> None:
    """The least price that is believed is below the greatest."""
    low, high = given.bounds(market_symbol)
    if low is not None and high is not None and low > high:
        reading.fault("MM_ANCHOR_MAX_PRICE", f"MM_ANCHOR_MIN_PRICE is {low}: give a price above it")


def check_fixed(
    reading: Reading, given: AnchorVariables, source: SourceSettings, market_symbol: str
) -> None:
    """A fixed price is one that is believed."""
    assert isinstance(source, FixedSettings)
    price = source.price
    low, high = given.bounds(market_symbol)
    name = "MM_ANCHOR_FIXED_PRICE"
    if price is not None and low is not None and price < low:
        reading.fault(name, f"MM_ANCHOR_MIN_PRICE is {low}: give a price within")
    if price is not None and high is not None and price > high:
        reading.fault(name, f"MM_ANCHOR_MAX_PRICE is {high}: give a price within")


def check_one_anchor(reading: Reading, given: AnchorVariables) -> None:
    """Where the bootstrap anchor is on, no other may be."""
    if given.source != NO_ANCHOR:
        remedy = f"{EXTERNAL}ENABLED is on for this market too: choose one of the two"
        reading.fault("MM_ANCHOR_SOURCE_TYPE", remedy)


class OnChain(Protocol):
    """What anchors must know of the venue's chain; looking at it may raise `UnsoundError`."""

    @property
    def chain_id(self) -> int: ...

    @property
    def rpc_url(self) -> str: ...

    def known_feed(self, chain_id: int) -> str | None: ...


def feed_address(
    reading: Reading, given: AnchorVariables, chain: OnChain, chain_id: int, setting: str
) -> str | None:
    """The feed that `setting` needs: the given one, else the chain's own."""
    name = "MM_ANCHOR_ORACLE_ADDRESS"
    if reading.is_set(name):
        return given.oracle_address
    found = chain.known_feed(chain_id)
    if found is None:
        takes = reading.takes(name)
        remedy = f"{setting} needs it, as no feed is known on chain {chain_id}: give {takes}"
        reading.fault(name, remedy)
    return found


def resolve_external(
    reading: Reading,
    given: ExternalVariables,
    zero_ex: ZeroExSettings,
    anchor: AnchorVariables,
    chain: OnChain,
) -> ExternalAnchorSettings | None:
    """The bootstrap anchor, which is on; None where a fault stands in the way."""
    if given.provider is ExternalProvider.ZERO_EX and not _has_all(reading, zero_ex):
        return None
    chain_id = zero_ex.chain_id or chain.chain_id
    own_url, bot_url = given.rpc_url, chain.rpc_url
    spec: SourceSpec
    if given.provider is ExternalProvider.ZERO_EX:
        spec = zero_ex.spec(chain_id)
    else:
        setting = f"{EXTERNAL}PROVIDER={given.provider.value}"
        if chain_id != chain.chain_id and own_url is None:
            reading.fault(
                f"{EXTERNAL}RPC_URL",
                f"MM_RPC_URL is a node of chain {chain.chain_id}: give one of chain {chain_id}",
            )
        address = feed_address(reading, anchor, chain, chain_id, setting)
        if address is None:
            return None
        spec = OracleSpec(address=address)
    return ExternalAnchorSettings(
        provider=given.provider,
        spec=spec,
        rpc_url=own_url or bot_url,
        timeout_ms=given.timeout_ms,
        max_deviation_bps=given.max_deviation_bps,
    )


def _has_all(reading: Reading, zero_ex: ZeroExSettings) -> bool:
    names = [f"{EXTERNAL}{each}" for each in ("BASE_URL", "SELL_TOKEN", "BUY_TOKEN", "AMOUNT")]
    missing = [name for name in names if not reading.is_set(name)]
    for name in missing:
        reading.fault(name, f"provider 0x needs it: give {reading.takes(name)}")
    if not missing and zero_ex.sell_token == zero_ex.buy_token:
        remedy = "it is the sold token too: give cNGN's address"
        reading.fault(f"{EXTERNAL}BUY_TOKEN", remedy)
        return False
    return not missing
