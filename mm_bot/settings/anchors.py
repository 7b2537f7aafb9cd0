"""The settings of the price anchors, each resolved into one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from mm_bot.core.exact import Price, Size
from mm_bot.settings import table as t
from mm_bot.settings import table_anchors as a
from mm_bot.settings import table_run as r
from mm_bot.settings.anchor_parts import AnchorPart, resolve_parts
from mm_bot.settings.checks import external_wanted, feed_address
from mm_bot.settings.reading import Reading
from mm_bot.settings.table_run import AnchorSource, ExternalProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorSettings:
    """The anchor of any market. What is said "of any anchor" holds for the bootstrap one too."""

    source: AnchorSource
    parts: tuple[AnchorPart, ...]
    """The members of a median, else the one source; none for `NONE`."""
    quorum: int
    outlier_bps: Decimal
    max_age_ms: int | None
    """Of a median's members; not None where there is a median."""
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
    secrets: tuple[str, ...] = field(repr=False)
    """Keys that are sent to sources."""
    urls: tuple[str, ...] = field(repr=False)
    """Of all sources; one may hold a password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalAnchorSettings:
    """The bootstrap anchor of the spot market. What the chosen provider needs is not None."""

    provider: ExternalProvider
    base_url: str | None = field(repr=False)
    api_key: str | None = field(repr=False)
    chain_id: int
    rpc_url: str = field(repr=False)
    oracle_address: str | None
    sell_token: str | None
    buy_token: str | None
    amount: int | None
    """Base units of the sold token."""
    timeout_ms: int
    max_age_ms: int
    max_deviation_bps: Decimal | None
    """None accepts every jump."""
    bootstrap_only: bool


CNGN_LOW, CNGN_HIGH = Price.of(100), Price.of(100_000)
"""No cNGN per USDC was ever outside; a mistaken unit or an inverted price is."""


def price_bounds(reading: Reading) -> tuple[Price | None, Price | None]:
    """What no reference may be below and above; None is no bound."""
    low, high = reading[a.MIN_PRICE], reading[a.MAX_PRICE]
    if "cngn" not in reading[t.MARKET_SYMBOL].lower():
        return low, high
    return low or CNGN_LOW, high or CNGN_HIGH


def reference_min_size(reading: Reading) -> Size:
    """How much of others' size makes a price; 0 is any."""
    set_size = reading[t.REFERENCE_MIN_SIZE]
    return reading[t.ORDER_SIZE].times(Decimal("0.1")) if set_size is None else set_size


def resolve_anchor(reading: Reading) -> AnchorSettings | None:
    """None where a fault stands in the way."""
    _check_bounds(reading)
    if not reading.sound(r.ANCHOR_SOURCE_TYPE):
        return None
    source = reading[r.ANCHOR_SOURCE_TYPE]
    if external_wanted(reading) and source is not AnchorSource.NONE:
        reading.fault(
            r.ANCHOR_SOURCE_TYPE,
            f"{r.EXTERNAL_ENABLED.name} is on for this market too: choose one of the two",
        )
    parts = resolve_parts(reading)
    if reading.faults:
        return None
    low, high = price_bounds(reading)
    keys = (reading[a.PYTH_API_KEY], reading[a.STRAILS_API_KEY])
    urls = (
        reading[r.ANCHOR_URL],
        reading[a.PYTH_BASE_URL],
        reading[a.COINBASE_URL],
        reading[a.STRAILS_API_URL],
    )
    return AnchorSettings(
        source=source,
        parts=parts,
        quorum=reading[a.MEDIAN_QUORUM],
        outlier_bps=reading[a.MEDIAN_OUTLIER_BPS],
        max_age_ms=reading[t.STALE_ANCHOR],
        max_jump_bps=reading[a.MAX_JUMP_BPS],
        carry_rate_apr=reading[r.CARRY_RATE_APR],
        confirmations=reading[r.ANCHOR_CONFIRMATIONS],
        hard_jump_bps=reading[a.HARD_JUMP_BPS],
        agreement_bps=reading[t.MAX_ANCHOR_DEVIATION_BPS],
        min_price=low,
        max_price=high,
        # "Bearer ..." shows in parts too.
        secrets=tuple(
            text
            for key in keys
            if key is not None
            for text in dict.fromkeys((key, key.split()[-1]))
        ),
        urls=tuple(url for url in urls if url is not None),
    )


def _check_bounds(reading: Reading) -> None:
    bounds = (a.MIN_PRICE, a.MAX_PRICE)
    if not reading.sound(*bounds, t.MARKET_SYMBOL):
        return
    low, high = price_bounds(reading)
    if low is not None and high is not None and low > high:
        reading.fault(a.MAX_PRICE, f"{a.MIN_PRICE.name} is {low}: give a price above it")
    if not reading.sound(r.ANCHOR_FIXED_PRICE):
        return
    price = reading[r.ANCHOR_FIXED_PRICE]
    if price is None:
        return
    if low is not None and price < low:
        reading.fault(r.ANCHOR_FIXED_PRICE, f"{a.MIN_PRICE.name} is {low}: give a price within")
    if high is not None and price > high:
        reading.fault(r.ANCHOR_FIXED_PRICE, f"{a.MAX_PRICE.name} is {high}: give a price within")


def resolve_external(reading: Reading) -> ExternalAnchorSettings | None:
    """None where it is off, on another market, or a fault stands in the way."""
    if not external_wanted(reading):
        return None
    if not reading.sound(*r.external.variables, t.CHAIN_ID, t.RPC_URL):
        _check_zero_ex(reading)
        return None
    chain_id = reading[r.EXTERNAL_CHAIN_ID] or reading[t.CHAIN_ID]
    oracle = None
    if reading[r.EXTERNAL_PROVIDER] is ExternalProvider.CNGN_PRICE_ORACLE:
        setting = f"{r.EXTERNAL_PROVIDER.name}={ExternalProvider.CNGN_PRICE_ORACLE.value}"
        oracle = feed_address(reading, chain_id, setting)
        if chain_id != reading[t.CHAIN_ID] and not reading.is_set(r.EXTERNAL_RPC_URL):
            reading.fault(
                r.EXTERNAL_RPC_URL,
                f"{t.RPC_URL.name} is a node of chain {reading[t.CHAIN_ID]}: give one of "
                f"chain {chain_id}",
            )
    _check_zero_ex(reading)
    return ExternalAnchorSettings(
        provider=reading[r.EXTERNAL_PROVIDER],
        base_url=reading[r.EXTERNAL_BASE_URL],
        api_key=reading[r.EXTERNAL_API_KEY],
        chain_id=chain_id,
        rpc_url=reading[r.EXTERNAL_RPC_URL] or reading[t.RPC_URL],
        oracle_address=oracle,
        sell_token=reading[r.EXTERNAL_SELL_TOKEN],
        buy_token=reading[r.EXTERNAL_BUY_TOKEN],
        amount=reading[r.EXTERNAL_AMOUNT],
        timeout_ms=reading[r.EXTERNAL_TIMEOUT],
        max_age_ms=reading[r.EXTERNAL_MAX_AGE],
        max_deviation_bps=reading[r.EXTERNAL_MAX_DEVIATION_BPS],
        bootstrap_only=reading[r.EXTERNAL_BOOTSTRAP_ONLY],
    )


def _check_zero_ex(reading: Reading) -> None:
    if not reading.sound(r.EXTERNAL_PROVIDER):
        return
    if reading[r.EXTERNAL_PROVIDER] is not ExternalProvider.ZERO_EX:
        return
    for variable in (
        r.EXTERNAL_BASE_URL,
        r.EXTERNAL_SELL_TOKEN,
        r.EXTERNAL_BUY_TOKEN,
        r.EXTERNAL_AMOUNT,
    ):
        if not reading.is_set(variable):
            reading.fault(variable, f"provider 0x needs it: give {variable.kind.takes}")
    tokens = (r.EXTERNAL_SELL_TOKEN, r.EXTERNAL_BUY_TOKEN)
    if all(reading.is_set(v) and reading.sound(v) for v in tokens):
        sell, buy = (reading[v] for v in tokens)
        if sell == buy:
            reading.fault(r.EXTERNAL_BUY_TOKEN, "it is the sold token too: give cNGN's address")
