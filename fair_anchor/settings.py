"""The service's environment, read once into one frozen value, with every fault at once.

`load` contacts nothing. No secret is in any text that comes out of here. An unknown
`FAIR_ANCHOR_*` name is a fault, as it is a typo; an empty value is an unset one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from fair_anchor.fair_value import Carry, RateTable
from fair_anchor.settings_sources import SourceChoice, guard_of, resolve_sources
from fair_anchor.variables import (
    PREFIX,
    SECTIONS,
    VARIABLES,
    FuturesSettings,
    Models,
    ServiceSettings,
    SpotSettings,
    read_all,
)
from mm_bot.core.exact import Price, Size
from mm_bot.errors import SettingsError
from mm_bot.fields.model import Reading
from mm_bot.fields.model import markdown as _markdown
from mm_bot.fields.secrets import secret_texts
from mm_bot.prices.guarded import GuardPolicy

__all__ = ["VARIABLES", "FallbackPolicy", "Settings", "load", "markdown"]

DEFAULT_LISTEN = ("127.0.0.1", 8090)
EVERY_INTERFACE = "0.0.0.0"
_API, _MARKETS = "FAIR_ANCHOR_API_BASE_URL", "FAIR_ANCHOR_MARKETS"
_SYMBOL, _EXPIRY = "FAIR_ANCHOR_FUTURES_SYMBOL", "FAIR_ANCHOR_EXPIRY_UTC"
_FALLBACK = "FAIR_ANCHOR_GUARDED_FALLBACK_SPOT_PRICE"


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackPolicy:
    """A fixed spot for when nothing answers."""

    price: Price
    max_deviation_bps: Decimal
    """Furthest from the last spot that a source gave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the service runs on. Times are in milliseconds."""

    host: str
    port: int
    log_level: str
    api_base_url: str | None = field(repr=False)
    rpc_url: str | None = field(repr=False)
    spot_symbol: str
    futures: Mapping[str, int | None]
    """Symbol to expiry, None where it is to be looked up; empty means every listed future."""
    any_market: bool
    carry: Carry
    sources: tuple[SourceChoice, ...] = field(repr=False)
    """Best first."""
    min_size: Size
    """Of what the exchange's own prices are made from, USDC."""
    ignored_owners: frozenset[str]
    guard: GuardPolicy
    state_file: Path | None
    fallback: FallbackPolicy | None
    timeout_ms: int
    cache_ms: int
    secrets: tuple[str, ...] = field(repr=False)
    """Every text that must never be written."""


def load(environment: Mapping[str, str]) -> Settings:
    """The settings in an environment such as `os.environ`.

    Raises:
        SettingsError: with every fault there is.
    """
    reading, given = read_all(environment)
    futures = reading.check(lambda: _futures(reading, given.futures, given.spot)) or {}
    sources = resolve_sources(reading, given)
    fallback = reading.check(lambda: _fallback(reading, given.spot))
    reading.check(lambda: _check_bounds(reading, given.spot))
    _check_api(reading, futures, sources)
    if reading.faults:
        raise SettingsError(reading.faults)
    return _settings(given, futures, sources, fallback, environment)


def _settings(
    given: Models,
    futures: dict[str, int | None],
    sources: tuple[SourceChoice, ...],
    fallback: FallbackPolicy | None,
    environment: Mapping[str, str],
) -> Settings:
    """Of what is sound."""
    host, port = _listen(given.service)
    return Settings(
        host=host,
        port=port,
        log_level=given.service.log_level,
        api_base_url=given.futures.api_base_url,
        rpc_url=given.oracle.rpc_url,
        spot_symbol=given.spot.symbol,
        futures=futures,
        any_market=given.futures.any_market,
        carry=_carry(given.futures),
        sources=sources,
        min_size=given.spot.min_size,
        ignored_owners=given.spot.ignored_owners or frozenset(),
        guard=guard_of(given.spot),
        state_file=given.spot.state_file,
        fallback=fallback,
        timeout_ms=given.service.timeout_ms,
        cache_ms=given.service.cache_ms,
        secrets=tuple(secret_texts(environment, VARIABLES.values(), own=PREFIX)),
    )


def markdown() -> str:
    """The table of variables for the documentation."""
    return _markdown(SECTIONS)


def _carry(given: FuturesSettings) -> Carry:
    return Carry(
        rates=RateTable(
            flat=given.rate_apr, by_symbol=given.rates or {}, curve=given.rate_curve or ()
        ),
        absolute=given.carry_abs,
        bps=given.carry_bps,
    )


def _listen(given: ServiceSettings) -> tuple[str, int]:
    if given.listen_addr is not None:
        return given.listen_addr
    return DEFAULT_LISTEN if given.port is None else (EVERY_INTERFACE, given.port)


def _futures(reading: Reading, given: FuturesSettings, spot: SpotSettings) -> dict[str, int | None]:
    symbol, expiry_ms, spot_symbol = given.symbol, given.expiry_ms, spot.symbol
    futures: dict[str, int | None] = dict(given.markets or {})
    if symbol is None and expiry_ms is not None:
        reading.fault(_EXPIRY, f"it is the expiry of {_SYMBOL}: give that too, or neither")
    if symbol is not None:
        if expiry_ms is not None and futures.get(symbol, expiry_ms) != expiry_ms:
            reading.fault(_EXPIRY, f"{_MARKETS} gives {symbol} another: give it once")
        futures[symbol] = futures.get(symbol, expiry_ms)
    if spot_symbol in futures:
        remedy = "it is among the futures too: give the spot market's symbol"
        reading.fault("FAIR_ANCHOR_SPOT_SYMBOL", remedy)
    if reading.check(lambda: given.any_market) and len(futures) != 1:
        reading.fault(
            "FAIR_ANCHOR_ALLOW_ANY_MARKET",
            f"there are {len(futures)} futures, and a wrong expiry is a wrong price: "
            f"set {_SYMBOL} alone, or false",
        )
    return futures


def _fallback(reading: Reading, given: SpotSettings) -> FallbackPolicy | None:
    if not given.fallback_enabled:
        return None
    if not reading.is_set(_FALLBACK):
        takes = reading.takes(_FALLBACK)
        reading.fault(_FALLBACK, f"FAIR_ANCHOR_GUARDED_FALLBACK_ENABLED needs it: give {takes}")
    price, max_deviation_bps = given.fallback_price, given.fallback_max_deviation_bps
    if price is None:
        return None
    reading.check(lambda: _check_fallback(reading, given, price))
    return FallbackPolicy(price=price, max_deviation_bps=max_deviation_bps)


def _check_fallback(reading: Reading, given: SpotSettings, price: Price) -> None:
    low, high = given.low, given.high
    if low <= high and not low <= price <= high:
        reading.fault(_FALLBACK, f"give a plausible price, {low} to {high}")


def _check_bounds(reading: Reading, given: SpotSettings) -> None:
    if given.low > given.high:
        remedy = f"FAIR_ANCHOR_MAX_SPOT_PRICE is {given.high}: give a lower price than that"
        reading.fault("FAIR_ANCHOR_MIN_SPOT_PRICE", remedy)


def _check_api(
    reading: Reading, futures: Mapping[str, int | None], sources: tuple[SourceChoice, ...]
) -> None:
    if reading.is_set(_API):
        return
    takes = reading.takes(_API)
    if any(choice.is_exchange for choice in sources):
        reading.fault(_API, f"the sources book and trade need it: give {takes}")
    elif not futures or None in futures.values():
        reading.fault(_API, f"the expiries are read there: give {takes}, or {_MARKETS}")


if __name__ == "__main__":
    print(markdown(), end="")
