"""The service's environment, read once into one frozen value, with every fault at once.

`load` contacts nothing. No secret is in any text that comes out of here. An unknown
`FAIR_ANCHOR_*` name is a fault, as it is a typo; an empty value is an unset one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from fair_anchor import settings_table as t
from fair_anchor.fair_value import Carry, RateTable
from fair_anchor.reading import Reading
from fair_anchor.settings_sources import SourceChoice, resolve_sources
from fair_anchor.variable import Variable
from mm_bot.core.exact import Price
from mm_bot.errors import SettingsError
from mm_bot.prices.guarded import GuardPolicy

DEFAULT_LISTEN = ("127.0.0.1", 8090)
EVERY_INTERFACE = "0.0.0.0"
KEY_LENGTH_LEAST = 8
"""A shorter text in a URL is a word, not a key, and would blank out unrelated text."""


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
    ignored_owners: frozenset[str]
    guard: GuardPolicy
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
    reading = _read(environment)
    futures = _futures(reading)
    sources = resolve_sources(reading)
    fallback = _fallback(reading)
    guard = _guard(reading)
    _check_api(reading, futures, sources)
    if reading.faults:
        raise SettingsError(reading.faults)
    assert guard is not None, "else a fault"
    host, port = _listen(reading)
    ignored_owners = reading[t.IGNORE_OWNERS]
    return Settings(
        host=host,
        port=port,
        log_level=reading[t.LOG_LEVEL_NAME],
        api_base_url=reading[t.API_BASE_URL],
        rpc_url=reading[t.RPC_URL],
        spot_symbol=reading[t.SPOT_SYMBOL],
        futures=futures,
        any_market=reading[t.ALLOW_ANY_MARKET],
        carry=_carry(reading),
        sources=sources,
        ignored_owners=ignored_owners or frozenset(),
        guard=guard,
        fallback=fallback,
        timeout_ms=reading[t.TIMEOUT],
        cache_ms=reading[t.CACHE],
        secrets=tuple(_secrets(reading)),
    )


def markdown() -> str:
    """The table of variables for the documentation."""
    parts = []
    for group in t.GROUPS:
        rows = [
            f"| `{v.name}` | {v.kind.takes} | {v.default} | {v.meaning} |" for v in group.variables
        ]
        head = (f"### {group.title}", "", "| variable | valid | default | meaning |")
        parts.append("\n".join((*head, "| --- | --- | --- | --- |", *rows)))
    return "\n\n".join(parts) + "\n"


def _read(environment: Mapping[str, str]) -> Reading:
    stripped = {name: environment[name].strip() for name in t.VARIABLES if name in environment}
    reading = Reading({name: text for name, text in stripped.items() if text})
    for name in sorted(environment):
        if name.startswith("FAIR_ANCHOR_") and name not in t.VARIABLES:
            close = get_close_matches(name, t.VARIABLES, n=1, cutoff=0.75)
            advice = f"did you mean {close[0]}?" if close else "take it out of the environment"
            reading.faults.append(f"{name} is not a variable of the service: {advice}")
    for variable in t.VARIABLES.values():
        reading.take(variable)
    return reading


def _carry(reading: Reading) -> Carry:
    by_symbol, curve = reading[t.RATES], reading[t.RATE_CURVE]
    return Carry(
        rates=RateTable(flat=reading[t.RATE_APR], by_symbol=by_symbol or {}, curve=curve or ()),
        absolute=reading[t.CARRY_ABS],
        bps=reading[t.CARRY_BPS],
    )


def _listen(reading: Reading) -> tuple[str, int]:
    given, port = reading[t.LISTEN_ADDR], reading[t.PORT]
    if given is not None:
        return given
    return DEFAULT_LISTEN if port is None else (EVERY_INTERFACE, port)


def _futures(reading: Reading) -> dict[str, int | None]:
    if not reading.sound(t.FUTURES_SYMBOL, t.EXPIRY_UTC, t.MARKETS, t.SPOT_SYMBOL):
        return {}
    given = reading[t.MARKETS]
    futures: dict[str, int | None] = dict(given) if given else {}
    symbol, expiry_ms = reading[t.FUTURES_SYMBOL], reading[t.EXPIRY_UTC]
    if symbol is None and expiry_ms is not None:
        reading.fault(
            t.EXPIRY_UTC, f"it is the expiry of {t.FUTURES_SYMBOL.name}: give that too, or neither"
        )
    if symbol is not None:
        if expiry_ms is not None and futures.get(symbol, expiry_ms) != expiry_ms:
            reading.fault(t.EXPIRY_UTC, f"{t.MARKETS.name} gives {symbol} another: give it once")
        futures[symbol] = futures.get(symbol, expiry_ms)
    if reading[t.SPOT_SYMBOL] in futures:
        reading.fault(t.SPOT_SYMBOL, "it is among the futures too: give the spot market's symbol")
    if reading.sound(t.ALLOW_ANY_MARKET) and reading[t.ALLOW_ANY_MARKET] and len(futures) != 1:
        reading.fault(
            t.ALLOW_ANY_MARKET,
            f"there are {len(futures)} futures, and a wrong expiry is a wrong price: "
            f"set {t.FUTURES_SYMBOL.name} alone, or false",
        )
    return futures


def _fallback(reading: Reading) -> FallbackPolicy | None:
    if not reading.sound(t.FALLBACK_ENABLED) or not reading[t.FALLBACK_ENABLED]:
        return None
    if not reading.is_set(t.FALLBACK_PRICE):
        takes = t.FALLBACK_PRICE.kind.takes
        reading.fault(t.FALLBACK_PRICE, f"{t.FALLBACK_ENABLED.name} needs it: give {takes}")
    if not reading.sound(t.FALLBACK_PRICE, t.FALLBACK_MAX_DEVIATION_BPS):
        return None
    price = reading[t.FALLBACK_PRICE]
    if price is None:
        return None
    if reading.sound(t.MIN_SPOT_PRICE, t.MAX_SPOT_PRICE):
        low, high = reading[t.MIN_SPOT_PRICE], reading[t.MAX_SPOT_PRICE]
        if low <= high and not low <= price <= high:
            reading.fault(t.FALLBACK_PRICE, f"give a plausible price, {low} to {high}")
    return FallbackPolicy(price=price, max_deviation_bps=reading[t.FALLBACK_MAX_DEVIATION_BPS])


def _guard(reading: Reading) -> GuardPolicy | None:
    low, high = t.MIN_SPOT_PRICE, t.MAX_SPOT_PRICE
    if reading.sound(low, high) and reading[low] > reading[high]:
        reading.fault(low, f"{high.name} is {reading[high]}: give a lower price than that")
        return None
    if not reading.sound(low, high, t.MAX_SPOT_AGE, t.MAX_JUMP_BPS, t.CONFIRMATIONS):
        return None
    return GuardPolicy(
        max_age_ms=reading[t.MAX_SPOT_AGE],
        max_deviation_bps=reading[t.MAX_JUMP_BPS],
        confirmations=reading[t.CONFIRMATIONS],
        low=reading[low],
        high=reading[high],
    )


def _check_api(
    reading: Reading, futures: Mapping[str, int | None], sources: tuple[SourceChoice, ...]
) -> None:
    if reading.is_set(t.API_BASE_URL):
        return
    takes = t.API_BASE_URL.kind.takes
    if any(choice.is_exchange for choice in sources):
        reading.fault(t.API_BASE_URL, f"the sources book and trade need it: give {takes}")
    elif not futures or None in futures.values():
        reading.fault(
            t.API_BASE_URL,
            f"the expiries are read there: give {takes}, or {t.MARKETS.name}",
        )


def _secrets(reading: Reading) -> Iterator[str]:
    for key in (t.STRAILS_API_KEY, t.ZERO_EX_API_KEY, t.PYTH_API_KEY):
        if (secret := reading[key]) is not None:
            yield secret
    urls = (t.API_BASE_URL, t.STRAILS_API_URL, t.HTTP, t.ZERO_EX_BASE_URL, t.RPC_URL)
    more: tuple[Variable[Any], ...] = (t.PYTH_BASE_URL, t.COINBASE_URL)
    for variable in (*urls, *more):
        if (url := reading[variable]) is not None:
            parts = urlsplit(url)
            texts = [value for _, value in parse_qsl(parts.query)]
            if variable is t.RPC_URL:  # node providers put the key into the path
                texts += parts.path.split("/")
            yield from (text for text in texts if len(text) >= KEY_LENGTH_LEAST)
            if parts.password:
                yield unquote(parts.password)


if __name__ == "__main__":
    print(markdown(), end="")
