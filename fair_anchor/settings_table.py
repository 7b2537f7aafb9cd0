"""The variables of the price service, each declared once; `python -m fair_anchor.settings` lists
them all.

They are read by the same kinds as the bot's. A list is separated by commas, a pair in it by `=`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NoReturn

from fair_anchor.variable import Group
from mm_bot.core.exact import Price
from mm_bot.fields.kinds import (
    ADDRESS,
    BASE_URL,
    BOOLEAN,
    HTTP_URL,
    LISTEN_ADDRESS,
    LOG_LEVEL,
    NODE_URL,
    WEBSOCKET_URL,
    Kind,
    Range,
    decimal,
    mapped,
    seconds,
    token,
    whole,
    zero_is_off,
)
from mm_bot.fields.texts import show_nothing
from mm_bot.prices.parse import rfc3339_ms

POSITIVE = Range(above=Decimal(0))
NOT_NEGATIVE = Range(at_least=Decimal(0))
RATE = decimal("", Range(at_least=Decimal(-10), at_most=Decimal(10)))
BPS = decimal("basis points", NOT_NEGATIVE)
PRICE = mapped(decimal("cNGN per USDC", POSITIVE), Price)
SYMBOL = token("a symbol of letters, digits, '-', '_' and '.'", r"[A-Za-z0-9._-]{1,48}")
MILLISECONDS = whole("milliseconds", least=10, most=60_000)


def _refuse(takes: str) -> NoReturn:
    raise ValueError(f"give {takes}")


def _moment(text: str) -> int:
    """Unix milliseconds of an RFC 3339 time or of whole unix seconds."""
    if text.isascii() and text.isdecimal() and 1 <= len(text) <= 11:
        return int(text) * 1000
    found = rfc3339_ms(text)
    return _refuse(MOMENT_TAKES) if found is None else found


MOMENT_TAKES = "a time such as 2026-11-30T00:00:00Z, or unix seconds"
MOMENT = Kind(takes=MOMENT_TAKES, parse=_moment)


def _pairs(text: str, takes: str) -> tuple[tuple[str, str], ...]:
    """`key=value,key=value` with different keys."""
    pairs = []
    for part in text.split(","):
        key, equals, value = (each.strip() for each in part.partition("="))
        if not (equals and key and value):
            _refuse(takes)
        pairs.append((key, value))
    if len({key for key, _ in pairs}) != len(pairs):
        _refuse(f"{takes}, each once")
    return tuple(pairs)


def _markets(text: str) -> dict[str, int]:
    return {SYMBOL.parse(key): MOMENT.parse(value) for key, value in _pairs(text, MARKETS_TAKES)}


def _rates(text: str) -> dict[str, Decimal]:
    return {SYMBOL.parse(key): RATE.parse(value) for key, value in _pairs(text, RATES_TAKES)}


def _curve(text: str) -> tuple[tuple[int, Decimal], ...]:
    points = {MOMENT.parse(key): RATE.parse(value) for key, value in _pairs(text, CURVE_TAKES)}
    return tuple(sorted(points.items()))


def _owners(text: str) -> frozenset[str]:
    return frozenset(ADDRESS.parse(part.strip()) for part in text.split(","))


MARKETS_TAKES = "symbol=expiry with commas between them"
RATES_TAKES = "symbol=rate with commas between them"
CURVE_TAKES = "expiry=rate with commas between them"
KEY_TAKES = "a key of printable ASCII characters"
API_KEY = Kind(
    takes=KEY_TAKES, parse=token(KEY_TAKES, r"[!-~]([ -~]*[!-~])?").parse, show=show_nothing
)
SOURCE_LIST = Kind(takes="names or expressions with commas between them", parse=str)

service = Group("The service")
LISTEN_ADDR = service.optional(
    "FAIR_ANCHOR_LISTEN_ADDR",
    LISTEN_ADDRESS,
    "Where it listens.",
    absent="every interface at `PORT` where that is set, else `127.0.0.1:8090`",
)
PORT = service.optional(
    "PORT", whole(least=0, most=65535), "Used where `FAIR_ANCHOR_LISTEN_ADDR` is not set."
)
TIMEOUT = service.default(
    "FAIR_ANCHOR_TIMEOUT_MS", MILLISECONDS, "1500", "How long one read of a source may take."
)
CACHE = service.default(
    "FAIR_ANCHOR_CACHE_MS",
    whole("milliseconds", least=0, most=60_000),
    "1000",
    "A source's answer is used for so long; after it the source must answer again.",
)
LOG_LEVEL_NAME = service.default(
    "FAIR_ANCHOR_LOG_LEVEL", LOG_LEVEL, "INFO", "The least that is logged."
)

futures = Group("Futures")
API_BASE_URL = futures.optional(
    "FAIR_ANCHOR_API_BASE_URL",
    BASE_URL,
    "The markets API, without its `/v1`.",
    absent="required where `book` or `trade` is a source, or an expiry is not given",
)
FUTURES_SYMBOL = futures.optional("FAIR_ANCHOR_FUTURES_SYMBOL", SYMBOL, "One future to price.")
EXPIRY_UTC = futures.optional(
    "FAIR_ANCHOR_EXPIRY_UTC", MOMENT, "When that future expires.", absent="as listed"
)
MARKETS = futures.optional(
    "FAIR_ANCHOR_MARKETS",
    Kind(takes=MARKETS_TAKES, parse=_markets),
    "Several futures to price.",
    absent="every listed future, where no symbol is given either",
)
RATE_APR = futures.default(
    "FAIR_ANCHOR_RATE_APR", RATE, "0", "Continuous yearly rate, 0.08 being 8 %."
)
RATES = futures.optional(
    "FAIR_ANCHOR_RATES", Kind(takes=RATES_TAKES, parse=_rates), "Rates of single futures."
)
RATE_CURVE = futures.optional(
    "FAIR_ANCHOR_RATE_CURVE",
    Kind(takes=CURVE_TAKES, parse=_curve),
    "Rates by expiry for all other futures: straight between two points, flat outside.",
    absent="`FAIR_ANCHOR_RATE_APR` for all",
)
CARRY_ABS = futures.default(
    "FAIR_ANCHOR_CARRY_ABS", decimal("cNGN per USDC", Range()), "0", "Added to the fair value."
)
CARRY_BPS = futures.default(
    "FAIR_ANCHOR_CARRY_BPS", decimal("basis points", Range()), "0", "Part of spot added to it."
)
ALLOW_ANY_MARKET = futures.default(
    "FAIR_ANCHOR_ALLOW_ANY_MARKET",
    BOOLEAN,
    "false",
    "Price every unknown symbol like the one future that is set.",
)

spot = Group("Spot")
SPOT_SYMBOL = spot.default(
    "FAIR_ANCHOR_SPOT_SYMBOL", SYMBOL, "USDCcNGN-SPOT", "The exchange's spot market."
)
SPOT_SOURCES = spot.optional(
    "FAIR_ANCHOR_SPOT_SOURCES",
    SOURCE_LIST,
    "Where spot comes from, best first: strails, http, oracle, 0x, pyth, coinbase, fixed, median, "
    "book, trade, or an expression such as `multiply(invert(pyth), coinbase)`.",
    absent="those outside ones whose address is set, in this order, then `book,trade`",
)
MAX_SPOT_AGE = spot.default(
    "FAIR_ANCHOR_MAX_SPOT_AGE_SECONDS", seconds(), "300", "Older data is no spot, by its own time."
)
MAX_JUMP_BPS = spot.default(
    "FAIR_ANCHOR_MAX_JUMP_BPS",
    zero_is_off(BPS),
    "500",
    "A source that moves further from one good answer to the next must confirm it.",
)
CONFIRMATIONS = spot.default(
    "FAIR_ANCHOR_CONFIRMATIONS", whole(least=1, most=100), "3", "Answers that confirm a jump."
)
MIN_SPOT_PRICE = spot.default(
    "FAIR_ANCHOR_MIN_SPOT_PRICE", PRICE, "1", "A lower spot is implausible."
)
MAX_SPOT_PRICE = spot.default(
    "FAIR_ANCHOR_MAX_SPOT_PRICE", PRICE, "1000000", "A higher spot is implausible."
)
IGNORE_OWNERS = spot.optional(
    "FAIR_ANCHOR_IGNORE_OWNERS",
    Kind(takes="addresses with commas between them", parse=_owners),
    "Whose orders are taken out of the spot book before its mid is formed.",
    absent="none",
)
FALLBACK_ENABLED = spot.default(
    "FAIR_ANCHOR_GUARDED_FALLBACK_ENABLED",
    BOOLEAN,
    "false",
    "Use a fixed spot where no source answers.",
)
FALLBACK_PRICE = spot.optional(
    "FAIR_ANCHOR_GUARDED_FALLBACK_SPOT_PRICE", PRICE, "That spot; needed where it is enabled."
)
FALLBACK_MAX_DEVIATION_BPS = spot.default(
    "FAIR_ANCHOR_GUARDED_FALLBACK_MAX_DEVIATION_BPS",
    BPS,
    "500",
    "It is refused where the last spot that a source gave was further away.",
)

sources = Group("Sources of spot")
STRAILS_API_URL = sources.optional(
    "FAIR_ANCHOR_STRAILS_API_URL", BASE_URL, "The StablesRail API, without `/fx/orderbook`."
)
STRAILS_API_KEY = sources.optional("FAIR_ANCHOR_STRAILS_API_KEY", API_KEY, "Its `x-api-key`.")
STRAILS_PAIR = sources.default(
    "FAIR_ANCHOR_STRAILS_PAIR", SYMBOL, "CNGN-USDC", "The pair of the board."
)
HTTP = sources.optional(
    "FAIR_ANCHOR_HTTP_URL", HTTP_URL, "For `http`; `market=<spot symbol>` is added to its query."
)
RPC_URL = sources.optional("FAIR_ANCHOR_RPC_URL", NODE_URL, "For `oracle`: a node of the chain.")
ORACLE_ADDRESS = sources.optional(
    "FAIR_ANCHOR_ORACLE_ADDRESS", ADDRESS, "For `oracle`: the cNGN/USD feed."
)
ORACLE_MAX_AGE = sources.optional(
    "FAIR_ANCHOR_ORACLE_MAX_AGE_SECONDS",
    seconds(),
    "For `oracle`: age of its answer; a feed is written on deviation or by the hour.",
    absent="`FAIR_ANCHOR_MAX_SPOT_AGE_SECONDS`",
)
ZERO_EX_BASE_URL = sources.optional(
    "FAIR_ANCHOR_ZERO_EX_BASE_URL", HTTP_URL, "For `0x`: the price endpoint."
)
ZERO_EX_API_KEY = sources.optional("FAIR_ANCHOR_ZERO_EX_API_KEY", API_KEY, "Its `0x-api-key`.")
ZERO_EX_CHAIN_ID = sources.default(
    "FAIR_ANCHOR_ZERO_EX_CHAIN_ID", whole(least=1), "8453", "The chain that is asked about."
)
ZERO_EX_SELL_TOKEN = sources.optional("FAIR_ANCHOR_ZERO_EX_SELL_TOKEN", ADDRESS, "USDC's address.")
ZERO_EX_BUY_TOKEN = sources.optional("FAIR_ANCHOR_ZERO_EX_BUY_TOKEN", ADDRESS, "cNGN's address.")
ZERO_EX_AMOUNT = sources.optional(
    "FAIR_ANCHOR_ZERO_EX_AMOUNT", whole(least=1, most=2**256 - 1), "Base units of USDC."
)
PYTH_BASE_URL = sources.default(
    "FAIR_ANCHOR_PYTH_BASE_URL", BASE_URL, "https://hermes.pyth.network", "For `pyth`: Hermes."
)
PYTH_FEED_ID = sources.optional(
    "FAIR_ANCHOR_PYTH_FEED_ID",
    Kind(
        takes="a feed id: 64 hexadecimal digits",
        parse=token("a feed id: 64 hexadecimal digits", r"(0x)?[0-9a-fA-F]{64}").parse,
        show=lambda text: text[:12] + "…",
    ),
    "For `pyth`.",
)
PYTH_API_KEY = sources.optional("FAIR_ANCHOR_PYTH_API_KEY", API_KEY, "Its key, where it wants one.")
PYTH_API_KEY_HEADER = sources.default(
    "FAIR_ANCHOR_PYTH_API_KEY_HEADER",
    token("a header's name", r"[A-Za-z0-9-]{1,64}"),
    "authorization",
    "The header that the key is sent in, as it is.",
)
PYTH_MAX_CONFIDENCE_BPS = sources.default(
    "FAIR_ANCHOR_PYTH_MAX_CONFIDENCE_BPS",
    zero_is_off(BPS),
    "50",
    "A wider confidence interval is no price.",
)
COINBASE_URL = sources.default(
    "FAIR_ANCHOR_COINBASE_URL",
    WEBSOCKET_URL,
    "wss://advanced-trade-ws.coinbase.com",
    "For `coinbase`: the public WebSocket.",
)
COINBASE_PRODUCT_ID = sources.optional(
    "FAIR_ANCHOR_COINBASE_PRODUCT_ID", SYMBOL, "For `coinbase`: the product, such as USDC-USD."
)
FIXED_PRICE = sources.optional("FAIR_ANCHOR_FIXED_PRICE", PRICE, "For `fixed`.")
MEDIAN_OF = sources.optional(
    "FAIR_ANCHOR_MEDIAN_OF", SOURCE_LIST, "For `median`: its members; `oracle*2` weighs double."
)
MEDIAN_QUORUM = sources.default(
    "FAIR_ANCHOR_MEDIAN_QUORUM", whole(least=1, most=20), "2", "Members that must agree."
)
MEDIAN_OUTLIER_BPS = sources.default(
    "FAIR_ANCHOR_MEDIAN_OUTLIER_BPS", BPS, "100", "A member further from the median is left out."
)

GROUPS = (service, futures, spot, sources)
VARIABLES = {variable.name: variable for group in GROUPS for variable in group.variables}
