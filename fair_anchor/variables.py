"""The variables of the price service: `read_all`; `python -m fair_anchor.settings` lists them.

Those of the price sources are the models that the bot has too, under this service's prefix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from fair_anchor.kinds import CURVE, MARKETS, MILLISECONDS, MOMENT, OWNERS, RATE, RATES, SYMBOL
from mm_bot.core.exact import Price, Size
from mm_bot.fields.kinds import (
    ADDRESS,
    BASE_URL,
    BOOLEAN,
    BPS,
    HTTP_URL,
    LISTEN_ADDRESS,
    LOG_LEVEL,
    NODE_URL,
    NOT_NEGATIVE,
    PATH,
    SECONDS,
    Kind,
    Range,
    decimal,
    mapped,
    whole,
    zero_is_off,
)
from mm_bot.fields.model import Model, Reading, Section, Variable, variable
from mm_bot.prices.http import HttpSettings
from mm_bot.prices.registry import SOURCES
from mm_bot.prices.spec import PRICE, SourceSettings
from mm_bot.prices.zero_ex import ZeroExSettings

PREFIX = "FAIR_ANCHOR_"
LISTEN_ADDR = "FAIR_ANCHOR_LISTEN_ADDR"
_SPOT = "Sources of spot"
_SOURCE_LIST = Kind(takes="names or expressions with commas between them", parse=str)


class ServiceSettings(Model, title="The service"):
    listen_addr: Annotated[tuple[str, int] | None, LISTEN_ADDRESS] = variable(
        LISTEN_ADDR,
        "Where it listens.",
        absent="every interface at `PORT` where that is set, else `127.0.0.1:8090`",
    )
    port: Annotated[int | None, whole(least=0, most=65535)] = variable(
        "PORT", "Used where `FAIR_ANCHOR_LISTEN_ADDR` is not set."
    )
    timeout_ms: Annotated[int, MILLISECONDS] = variable(
        "FAIR_ANCHOR_TIMEOUT_MS", "How long one read of a source may take.", default="1500"
    )
    cache_ms: Annotated[int, whole("milliseconds", least=0, most=60_000)] = variable(
        "FAIR_ANCHOR_CACHE_MS",
        "A source's answer is used for so long; after it the source must answer again.",
        default="1000",
    )
    log_level: Annotated[str, LOG_LEVEL] = variable(
        "FAIR_ANCHOR_LOG_LEVEL", "The least that is logged.", default="INFO"
    )


class FuturesSettings(Model, title="Futures"):
    api_base_url: Annotated[str | None, BASE_URL] = variable(
        "FAIR_ANCHOR_API_BASE_URL",
        "The markets API, without its `/v1`.",
        absent="required where `book` or `trade` is a source, or an expiry is not given",
    )
    symbol: Annotated[str | None, SYMBOL] = variable(
        "FAIR_ANCHOR_FUTURES_SYMBOL", "One future to price."
    )
    expiry_ms: Annotated[int | None, MOMENT] = variable(
        "FAIR_ANCHOR_EXPIRY_UTC", "When that future expires.", absent="as listed"
    )
    markets: Annotated[dict[str, int] | None, MARKETS] = variable(
        "FAIR_ANCHOR_MARKETS",
        "Several futures to price.",
        absent="every listed future, where no symbol is given either",
    )
    rate_apr: Annotated[Decimal, RATE] = variable(
        "FAIR_ANCHOR_RATE_APR", "Continuous yearly rate, 0.08 being 8 %.", default="0"
    )
    rates: Annotated[dict[str, Decimal] | None, RATES] = variable(
        "FAIR_ANCHOR_RATES", "Rates of single futures."
    )
    rate_curve: Annotated[tuple[tuple[int, Decimal], ...] | None, CURVE] = variable(
        "FAIR_ANCHOR_RATE_CURVE",
        "Rates by expiry for all other futures: straight between two points, flat outside.",
        absent="`FAIR_ANCHOR_RATE_APR` for all",
    )
    carry_abs: Annotated[Decimal, decimal("cNGN per USDC", Range())] = variable(
        "FAIR_ANCHOR_CARRY_ABS", "Added to the fair value.", default="0"
    )
    carry_bps: Annotated[Decimal, decimal("basis points", Range())] = variable(
        "FAIR_ANCHOR_CARRY_BPS", "Part of spot added to it.", default="0"
    )
    any_market: Annotated[bool, BOOLEAN] = variable(
        "FAIR_ANCHOR_ALLOW_ANY_MARKET",
        "Price every unknown symbol like the one future that is set.",
        default="false",
    )


class SpotSettings(Model, title="Spot"):
    symbol: Annotated[str, SYMBOL] = variable(
        "FAIR_ANCHOR_SPOT_SYMBOL", "The exchange's spot market.", default="USDCcNGN-SPOT"
    )
    sources: Annotated[str | None, _SOURCE_LIST] = variable(
        "FAIR_ANCHOR_SPOT_SOURCES",
        "Where spot comes from, best first: strails, http, oracle, 0x, pyth, coinbase, fixed, "
        "synthetic, median, book, trade, or an expression such as "
        "`multiply(invert(pyth), coinbase)`.",
        absent="those outside ones whose address is set, in this order, then `book,trade`",
    )
    max_age_ms: Annotated[int, SECONDS] = variable(
        "FAIR_ANCHOR_MAX_SPOT_AGE_SECONDS",
        "Older data is no spot, by its own time.",
        default="300",
    )
    max_jump_bps: Annotated[Decimal | None, zero_is_off(BPS)] = variable(
        "FAIR_ANCHOR_MAX_JUMP_BPS",
        "A source that moves further from one good answer to the next must confirm it.",
        default="500",
    )
    confirmations: Annotated[int, whole(least=1, most=100)] = variable(
        "FAIR_ANCHOR_CONFIRMATIONS", "Answers that confirm a jump.", default="3"
    )
    hard_jump_bps: Annotated[Decimal | None, zero_is_off(BPS)] = variable(
        "FAIR_ANCHOR_HARD_JUMP_BPS",
        "A move beyond it is no confirmation's but another source's, or `fair-anchor "
        "accept-reference`'s.",
        default="2000",
    )
    state_file: Annotated[Path | None, PATH] = variable(
        "FAIR_ANCHOR_STATE_FILE",
        "Where the last good price of each source is kept, for the first one after a restart to "
        "be compared with.",
        absent="nothing is kept",
    )
    low: Annotated[Price, PRICE] = variable(
        "FAIR_ANCHOR_MIN_SPOT_PRICE", "A lower spot is implausible.", default="1"
    )
    high: Annotated[Price, PRICE] = variable(
        "FAIR_ANCHOR_MAX_SPOT_PRICE", "A higher spot is implausible.", default="1000000"
    )
    min_size: Annotated[Size, mapped(decimal("USDC", NOT_NEGATIVE), Size)] = variable(
        "FAIR_ANCHOR_MIN_SIZE",
        "For `book` and `trade`: orders and trades of less tell no price; 0 takes any.",
        default="1",
    )
    ignored_owners: Annotated[frozenset[str] | None, OWNERS] = variable(
        "FAIR_ANCHOR_IGNORE_OWNERS",
        "Whose orders are taken out of the spot book before its mid is formed.",
        absent="none",
    )
    fallback_enabled: Annotated[bool, BOOLEAN] = variable(
        "FAIR_ANCHOR_GUARDED_FALLBACK_ENABLED",
        "Use a fixed spot where no source answers.",
        default="false",
    )
    fallback_price: Annotated[Price | None, PRICE] = variable(
        "FAIR_ANCHOR_GUARDED_FALLBACK_SPOT_PRICE", "That spot; needed where it is enabled."
    )
    fallback_max_deviation_bps: Annotated[Decimal, BPS] = variable(
        "FAIR_ANCHOR_GUARDED_FALLBACK_MAX_DEVIATION_BPS",
        "It is refused where the last spot that a source gave was further away.",
        default="500",
    )


class OracleSettings(Model):
    address: Annotated[str | None, ADDRESS] = variable(
        "ORACLE_ADDRESS", "For `oracle`: the cNGN/USD feed."
    )
    rpc_url: Annotated[str | None, NODE_URL] = variable(
        "RPC_URL", "For `oracle`: a node of the chain."
    )
    max_age_ms: Annotated[int | None, SECONDS] = variable(
        "ORACLE_MAX_AGE_SECONDS",
        "For `oracle`: age of its answer; a feed is written on deviation or by the hour.",
        absent="`FAIR_ANCHOR_MAX_SPOT_AGE_SECONDS`",
    )


class SpotHttpSettings(HttpSettings):
    url: Annotated[str | None, HTTP_URL] = variable(
        "HTTP_URL", "For `http`; `market=<spot symbol>` is added to its query."
    )


class SpotZeroExSettings(ZeroExSettings):
    chain_id: Annotated[int | None, whole(least=1)] = variable(
        "CHAIN_ID", "The chain that is asked about.", default="8453"
    )


class MedianSettings(Model):
    of: Annotated[str | None, _SOURCE_LIST] = variable(
        "MEDIAN_OF", "For `median`: its members; `oracle*2` weighs double."
    )
    quorum: Annotated[int, whole(least=1, most=20)] = variable(
        "MEDIAN_QUORUM", "Members that must agree.", default="2"
    )
    outlier_bps: Annotated[Decimal, BPS] = variable(
        "MEDIAN_OUTLIER_BPS", "A member further from the median is left out.", default="100"
    )


_MODELS: dict[str, type[SourceSettings]] = {**SOURCES, "http": SpotHttpSettings}
SERVICE = Section(model=ServiceSettings)
FUTURES = Section(model=FuturesSettings)
SPOT = Section(model=SpotSettings)
SOURCE_SECTIONS = {
    word: Section(model=model, prefix=PREFIX, titled=_SPOT) for word, model in _MODELS.items()
}
ORACLE = Section(model=OracleSettings, prefix=PREFIX, titled=_SPOT)
ZERO_EX = Section(model=SpotZeroExSettings, prefix=f"{PREFIX}ZERO_EX_", titled=_SPOT)
MEDIAN = Section(model=MedianSettings, prefix=PREFIX, titled=_SPOT)
SECTIONS: tuple[Section[Any], ...] = (
    SERVICE,
    FUTURES,
    SPOT,
    *SOURCE_SECTIONS.values(),
    ORACLE,
    ZERO_EX,
    MEDIAN,
)
VARIABLES: dict[str, Variable] = {v.name: v for each in SECTIONS for v in each.variables}


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """As they were read; a field that has a fault is not to be looked at."""

    service: ServiceSettings
    futures: FuturesSettings
    spot: SpotSettings
    sources: dict[str, SourceSettings]
    oracle: OracleSettings
    zero_ex: SpotZeroExSettings
    median: MedianSettings


def read_all(environment: Mapping[str, str]) -> tuple[Reading, Models]:
    """Every model, and the reading with the faults on the way."""
    reading = Reading(environment, SECTIONS, own=PREFIX, whose="the service")
    return reading, Models(
        service=reading.read(SERVICE),
        futures=reading.read(FUTURES),
        spot=reading.read(SPOT),
        sources={word: reading.read(section) for word, section in SOURCE_SECTIONS.items()},
        oracle=reading.read(ORACLE),
        zero_ex=reading.read(ZERO_EX),
        median=reading.read(MEDIAN),
    )
