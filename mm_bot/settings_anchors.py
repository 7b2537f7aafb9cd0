"""The settings of the price anchors, each resolved into one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mm_bot import settings_table as t
from mm_bot import settings_table_run as r
from mm_bot.core.exact import Price
from mm_bot.settings_checks import deployed_feed, external_wanted
from mm_bot.settings_reading import Reading
from mm_bot.settings_table_run import AnchorSource, ExternalProvider
from mm_bot.settings_variable import Variable


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorSettings:
    """The anchor of any market. What the chosen source needs is not None."""

    source: AnchorSource
    url: str | None = field(repr=False)
    """For `HTTP`; the market is still to be added to its query."""
    fixed_price: Price | None
    oracle_address: str | None
    """For `ORACLE_CARRY`, in lower case."""
    oracle_max_age_ms: int
    carry_rate_apr: Decimal
    confirmations: int
    """Consecutive readings that make a refused jump the new base, of any anchor."""


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


def resolve_anchor(reading: Reading) -> AnchorSettings | None:
    """None where a fault stands in the way."""
    if not reading.sound(r.ANCHOR_SOURCE_TYPE):
        return None
    source = reading[r.ANCHOR_SOURCE_TYPE]
    setting = f"{r.ANCHOR_SOURCE_TYPE.name}={source.value}"
    needs: dict[AnchorSource, Variable[Any]] = {
        AnchorSource.FIXED: r.ANCHOR_FIXED_PRICE,
        AnchorSource.HTTP: r.ANCHOR_URL,
    }
    needed = needs.get(source)
    if needed is not None and not reading.is_set(needed):
        reading.fault(needed, f"{setting} needs it: give {needed.kind.takes}")
    if external_wanted(reading) and source is not AnchorSource.NONE:
        reading.fault(
            r.ANCHOR_SOURCE_TYPE,
            f"{r.EXTERNAL_ENABLED.name} is on for this market too: choose one of the two",
        )
    oracle = None
    if source is AnchorSource.ORACLE_CARRY and reading.sound(t.CHAIN_ID):
        oracle = _oracle(reading, reading[t.CHAIN_ID], setting)
    if not reading.sound(*r.anchors.variables):
        return None
    return AnchorSettings(
        source=source,
        url=reading[r.ANCHOR_URL],
        fixed_price=reading[r.ANCHOR_FIXED_PRICE],
        oracle_address=oracle,
        oracle_max_age_ms=reading[r.ANCHOR_ORACLE_MAX_AGE],
        carry_rate_apr=reading[r.CARRY_RATE_APR],
        confirmations=reading[r.ANCHOR_CONFIRMATIONS],
    )


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
        oracle = _oracle(reading, chain_id, setting)
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


def _oracle(reading: Reading, chain_id: int, setting: str) -> str | None:
    if reading.is_set(r.ANCHOR_ORACLE_ADDRESS):
        given = r.ANCHOR_ORACLE_ADDRESS
        return reading[given] if reading.sound(given) else None
    found = deployed_feed(reading, chain_id)
    if found is None:
        takes = r.ANCHOR_ORACLE_ADDRESS.kind.takes
        reading.fault(
            r.ANCHOR_ORACLE_ADDRESS,
            f"{setting} needs it, as no feed is known on chain {chain_id}: give {takes}",
        )
    return found
