"""The variables of the market maker itself: the exchange, who trades, quotes and limits.

Each is declared once, with its name, kind, default and meaning; those of running it, of anchors
and of the live scenarios are in `settings_table_run`. A default is text, read by the same kind as
the environment's; `absent` says what holds where there is none.
"""

from __future__ import annotations

from decimal import Decimal

from mm_bot.core.exact import Amount, Price, Size
from mm_bot.settings.types import (
    ADDRESS,
    BASE_URL,
    DATABASE_URL,
    NODE_URL,
    PATH,
    PRIVATE_KEY,
    Range,
    decimal,
    mapped,
    seconds,
    token,
    whole,
    zero_is_off,
)
from mm_bot.settings.variable import Group

UINT256_MAX = 2**256 - 1

NOT_NEGATIVE = Range(at_least=Decimal(0))
NOT_POSITIVE = Range(at_most=Decimal(0))
POSITIVE = Range(above=Decimal(0))

BPS = decimal("basis points", NOT_NEGATIVE)
ACCOUNT_ID = whole(least=1, most=UINT256_MAX)
SIZE_UNIT = "USDC (spot) or contracts"

exchange = Group("The exchange")
API_BASE_URL = exchange.required("MM_API_BASE_URL", BASE_URL, "The markets API, without its `/v1`.")
RPC_URL = exchange.required("MM_RPC_URL", NODE_URL, "A node of the chain; only read from.")
DATABASE = exchange.optional(
    "MM_DATABASE_URL",
    DATABASE_URL,
    "The exchange's Postgres; only read from.",
    absent="`DATABASE_URL`, one of the two is required",
)
PLAIN_DATABASE = exchange.optional(
    "DATABASE_URL", DATABASE_URL, "Used where `MM_DATABASE_URL` is not set."
)
CHAIN_ID = exchange.default("MM_CHAIN_ID", whole(least=1), "8453", "The chain; signed into orders.")
MARKET_SYMBOL = exchange.default(
    "MM_MARKET_SYMBOL",
    token("a symbol of letters, digits, '-', '_' and '.'", r"[A-Za-z0-9._-]{1,48}"),
    "USDCcNGN-SPOT",
    "The one market of this process.",
)
MATCHING_REPO_PATH = exchange.optional(
    "MM_MATCHING_REPO_PATH",
    PATH,
    "Folder with `deployments/<chain id>/matching.json`.",
    absent="the addresses that come with the bot",
)
RISK_CORE_REPO_PATH = exchange.optional(
    "MM_RISK_CORE_REPO_PATH",
    PATH,
    "Folder with `deployments/<chain id>/core.json`.",
    absent="the addresses that come with the bot",
)
MATCHING_ADDRESS = exchange.optional(
    "MM_MATCHING_ADDRESS", ADDRESS, "The Matching contract.", absent="from the deployment"
)
TRADE_MODULE_ADDRESS = exchange.optional(
    "MM_TRADE_MODULE_ADDRESS", ADDRESS, "The TradeModule contract.", absent="from the deployment"
)
SUBACCOUNTS_ADDRESS = exchange.optional(
    "MM_SUBACCOUNTS_ADDRESS", ADDRESS, "The SubAccounts contract.", absent="from the deployment"
)

identity = Group("Who trades")
OWNER_PRIVATE_KEY = identity.optional(
    "MM_OWNER_PRIVATE_KEY",
    PRIVATE_KEY,
    "The key of the subaccount's owner.",
    absent="`MM_OWNER_KEYSTORE_FILE`, one of the two is required",
)
OWNER_KEYSTORE_FILE = identity.optional(
    "MM_OWNER_KEYSTORE_FILE", PATH, "The owner's key as a keystore JSON."
)
OWNER_KEYSTORE_PASSWORD_FILE = identity.optional(
    "MM_OWNER_KEYSTORE_PASSWORD_FILE", PATH, "File with the password of that keystore."
)
OWNER_ADDRESS = identity.optional(
    "MM_OWNER_ADDRESS", ADDRESS, "Checked against the owner's key.", absent="that of the key"
)
SIGNER_PRIVATE_KEY = identity.optional(
    "MM_SIGNER_PRIVATE_KEY",
    PRIVATE_KEY,
    "A session key that signs the orders; cancels are always signed by the owner.",
    absent="the owner's key",
)
SIGNER_KEYSTORE_FILE = identity.optional(
    "MM_SIGNER_KEYSTORE_FILE", PATH, "The session key as a keystore JSON."
)
SIGNER_KEYSTORE_PASSWORD_FILE = identity.optional(
    "MM_SIGNER_KEYSTORE_PASSWORD_FILE", PATH, "File with the password of that keystore."
)
SIGNER_ADDRESS = identity.optional(
    "MM_SIGNER_ADDRESS", ADDRESS, "Checked against the signer's key.", absent="that of the key"
)
SUBACCOUNT_ID = identity.required("MM_SUBACCOUNT_ID", ACCOUNT_ID, "The subaccount that trades.")
RECIPIENT_ID = identity.optional(
    "MM_RECIPIENT_ID",
    ACCOUNT_ID,
    "The subaccount, of the same owner, that receives what is bought.",
    absent="`MM_SUBACCOUNT_ID`",
)
SERVICE_NAME = identity.default(
    "MM_SERVICE_NAME",
    token("lower-case letters, digits, '_', '.' and '-'", r"[a-z0-9_.-]{1,48}"),
    "market-maker",
    "Names this bot in the reason of each cancel.",
)

quotes = Group("Quotes")
ORDER_SIZE = quotes.default(
    "MM_ORDER_SIZE",
    mapped(decimal(SIZE_UNIT, POSITIVE), Size),
    "100",
    "Size of the best level of each side.",
)
HALF_SPREAD_BPS = quotes.default(
    "MM_HALF_SPREAD_BPS",
    decimal("basis points", POSITIVE),
    "25",
    "Distance of the best level from the reference.",
)
INVENTORY_SKEW_BPS = quotes.default(
    "MM_INVENTORY_SKEW_BPS", BPS, "15", "How far a full inventory moves both quotes."
)
QUOTE_LEVELS = quotes.default(
    "MM_QUOTE_LEVELS", whole(least=1, most=20), "1", "Orders on each side."
)
LEVEL_SPREAD_STEP_BPS = quotes.default(
    "MM_LEVEL_SPREAD_STEP_BPS",
    BPS,
    "0",
    "Distance from level to level; must be above 0 with several.",
)
LEVEL_SIZE_MULT = quotes.default(
    "MM_LEVEL_SIZE_MULT",
    decimal("times", Range(above=Decimal(0), at_most=Decimal(100)), decimals=4),
    "1",
    "Size of each level as a multiple of the one before.",
)
PRICE_TICK = quotes.optional(
    "MM_PRICE_TICK",
    mapped(decimal("cNGN", POSITIVE), Price),
    "The grid of human prices.",
    absent="0.01 on spot, the market's own on futures",
)
WORST_FEE = quotes.default(
    "MM_WORST_FEE",
    whole(least=0, most=UINT256_MAX),
    "0",
    "Highest fee per unit an order accepts: the raw 18-decimal integer.",
)
ORDER_EXPIRY = quotes.default(
    "MM_ORDER_EXPIRY_SECONDS",
    seconds(at_least=2),
    "300",
    "Life of an order; renewed at two thirds of it. Nothing else ends a signature.",
)
CONTRACT_SIZE = quotes.default(
    "MM_CONTRACT_SIZE", decimal("USDC", POSITIVE), "10000", "What one contract of a future is."
)
INITIAL_MARGIN_RATE = quotes.default(
    "MM_INITIAL_MARGIN_RATE",
    decimal("", Range(above=Decimal(0), at_most=Decimal(1))),
    "0.2",
    "Part of a contract's worth that a future reserves in cash.",
)

limits = Group("Limits")
MAX_LONG_INVENTORY = limits.default(
    "MM_MAX_LONG_INVENTORY",
    mapped(decimal(SIZE_UNIT, NOT_NEGATIVE), Size),
    "1000",
    "Largest inventory; bids are cut to stay below.",
)
MAX_SHORT_INVENTORY = limits.default(
    "MM_MAX_SHORT_INVENTORY",
    mapped(decimal(SIZE_UNIT, NOT_POSITIVE, hint="; write it as a negative number"), Size),
    "-1000",
    "Smallest inventory, zero or negative; asks are cut to stay above.",
)
MAX_NET_INVENTORY = limits.default(
    "MM_MAX_NET_INVENTORY",
    zero_is_off(mapped(decimal(SIZE_UNIT, NOT_NEGATIVE), Size)),
    "0",
    "Tightens both inventory limits to plus and minus this.",
)
MAX_NOTIONAL_PER_SIDE = limits.default(
    "MM_MAX_NOTIONAL_PER_SIDE",
    zero_is_off(mapped(decimal("cNGN", NOT_NEGATIVE), Amount)),
    "0",
    "Most that the open orders of one side are worth.",
)
MIN_BASE_BALANCE = limits.default(
    "MM_MIN_BASE_BALANCE",
    zero_is_off(mapped(decimal("USDC", NOT_NEGATIVE), Size)),
    "0",
    "Halts below this available base balance; not on futures.",
)
MIN_QUOTE_BALANCE = limits.default(
    "MM_MIN_QUOTE_BALANCE",
    zero_is_off(mapped(decimal("cNGN (spot) or USDC cash", NOT_NEGATIVE), Amount)),
    "0",
    "Halts below this available quote balance.",
)
STALE_MARKET_DATA = limits.default(
    "MM_STALE_MARKET_DATA_TIMEOUT_SECONDS",
    zero_is_off(seconds()),
    "10",
    "Halts where book, trades or own orders are older.",
)
STALE_BALANCE = limits.default(
    "MM_STALE_BALANCE_TIMEOUT_SECONDS",
    zero_is_off(seconds()),
    "30",
    "Halts where balances are older, by their block's time.",
)
STALE_ANCHOR = limits.default(
    "MM_STALE_ANCHOR_TIMEOUT_SECONDS",
    zero_is_off(seconds()),
    "60",
    "Halts where the anchor is older.",
)
MAX_ANCHOR_DEVIATION_BPS = limits.default(
    "MM_MAX_ANCHOR_DEVIATION_BPS",
    zero_is_off(BPS),
    "500",
    "Halts while the local price is further from the anchor.",
)
MAX_QUOTE_AGE = limits.default(
    "MM_MAX_QUOTE_AGE_SECONDS",
    zero_is_off(seconds()),
    "0",
    "Halts where our quotes were not confirmed for longer.",
)
REFERENCE_TRADE_MAX_AGE = limits.default(
    "MM_REFERENCE_TRADE_MAX_AGE_SECONDS",
    seconds(),
    "300",
    "An older last trade is no reference price.",
)
REFERENCE_MIN_SIZE = limits.optional(
    "MM_REFERENCE_MIN_SIZE",
    mapped(decimal(SIZE_UNIT, NOT_NEGATIVE), Size),
    "A local price, a trade or a wall with less of others' size behind it is none; 0 takes any.",
    absent="a tenth of `MM_ORDER_SIZE`",
)
MAX_CANCELS_PER_MINUTE = limits.default(
    "MM_MAX_CANCELS_PER_MINUTE",
    zero_is_off(whole(least=0, most=10**9)),
    "30",
    "Halts rather than send more replace-driven cancels in any 60 s.",
)
