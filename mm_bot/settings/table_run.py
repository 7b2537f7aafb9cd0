"""The variables of running the bot: replacing orders, operation, anchors, the live scenarios.

Declared as in `settings_table`; `GROUPS` is all of both.
"""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

from mm_bot.core.exact import Price, Size
from mm_bot.core.policy import OperatorMode
from mm_bot.settings.table import (
    ACCOUNT_ID,
    BPS,
    NOT_NEGATIVE,
    POSITIVE,
    SIZE_UNIT,
    UINT256_MAX,
    exchange,
    identity,
    limits,
    quotes,
)
from mm_bot.settings.table_anchors import AnchorSource as AnchorSource
from mm_bot.settings.table_anchors import sources
from mm_bot.settings.types import (
    ADDRESS,
    BOOLEAN,
    HTTP_URL,
    LISTEN_ADDRESS,
    LOG_LEVEL,
    NODE_URL,
    PATH,
    PREFIXES,
    PRIVATE_KEY,
    SECRET,
    Range,
    decimal,
    mapped,
    member_of,
    seconds,
    token,
    whole,
    zero_is_off,
)
from mm_bot.settings.variable import Group

BOOTSTRAP_MARKET = "USDCcNGN-SPOT"
"""The one market that the external anchor's variables name."""


class ExternalProvider(Enum):
    ZERO_EX = "0x"
    CNGN_PRICE_ORACLE = "cngn-price-oracle"


replacing = Group("Adopting and replacing orders")
POLL_INTERVAL = replacing.default(
    "MM_POLL_INTERVAL_MS",
    whole("milliseconds", least=10),
    "2000",
    "From cycle to cycle, and from read to read of each anchor.",
)
QUOTE_REFRESH_INTERVAL = replacing.default(
    "MM_QUOTE_REFRESH_INTERVAL_MS",
    whole("milliseconds", least=10),
    "5000",
    "Least time between two replaces of an order's slot.",
)
CANCEL_STALE_ORDER_THRESHOLD_BPS = replacing.default(
    "MM_CANCEL_STALE_ORDER_THRESHOLD_BPS",
    BPS,
    "5",
    "How far from its target price an order is still good.",
)
ADOPT_SIZE_TOLERANCE = replacing.default(
    "MM_ADOPT_SIZE_TOLERANCE",
    mapped(decimal(SIZE_UNIT, NOT_NEGATIVE), Size),
    "0.000001",
    "How far from its target size, beyond one lot, an order is still good.",
)
MIN_QUOTE_LIFETIME = replacing.default(
    "MM_MIN_QUOTE_LIFETIME_SECONDS", seconds(), "0", "A younger order is not replaced."
)
MIN_PRICE_MOVE_BPS = replacing.default(
    "MM_MIN_PRICE_MOVE_BEFORE_REPLACE_BPS", BPS, "0", "A smaller move replaces no order."
)
PROTECTED_PREFIXES = replacing.default(
    "MM_PROTECTED_ORDER_ID_PREFIXES",
    PREFIXES,
    "validation:,test:,smoke:,manual:",
    "Orders with such ids are never cancelled and never adopted.",
)

operation = Group("Operation")
MODE = operation.default(
    "MM_OPERATOR_MODE",
    member_of(OperatorMode),
    "normal",
    "Which sides to quote; pause cancels and holds, dry-run-health sends nothing.",
)
MODE_FILE = operation.optional(
    "MM_OPERATOR_MODE_FILE",
    PATH,
    "A mode in this file holds instead, also in flight; no file, or an empty one, changes nothing.",
)
DRY_RUN = operation.default("MM_DRY_RUN", BOOLEAN, "false", "Decide and log all, send nothing.")
STATE_FILE = operation.default(
    "MM_STATE_FILE", PATH, ".mm-bot-state.json", "Where the nonces reached are kept."
)
KILL_SWITCH_FILE = operation.optional(
    "MM_KILL_SWITCH_FILE", PATH, "While this file exists all our orders are cancelled."
)
JOURNAL_DIR = operation.optional(
    "MM_JOURNAL_DIR",
    PATH,
    "Folder of the decision journal, which `mm-bot replay` and `why ORDER_ID` read.",
)
CANCEL_ON_SHUTDOWN = operation.default(
    "MM_CANCEL_ON_SHUTDOWN", BOOLEAN, "false", "Cancel our orders at the end, and verify it."
)
WAIT_FOR_LOCK = operation.default(
    "MM_WAIT_FOR_LOCK", BOOLEAN, "false", "Wait for another bot of this market to end."
)
METRICS_ADDR = operation.default(
    "MM_METRICS_ADDR",
    LISTEN_ADDRESS,
    "127.0.0.1:8080",
    "Where `/healthz`, `/readyz` and `/metrics` are served.",
)
READINESS_MISSING_QUOTE = operation.default(
    "MM_READINESS_MISSING_QUOTE_TIMEOUT_SECONDS",
    zero_is_off(seconds()),
    "0",
    "Not ready where a wanted side is missing for longer.",
)
SOAK_LOG_INTERVAL = operation.default(
    "MM_SOAK_LOG_INTERVAL_SECONDS", zero_is_off(seconds()), "0", "From status line to status line."
)
LOG_LEVEL_NAME = operation.default("MM_LOG_LEVEL", LOG_LEVEL, "INFO", "The least that is logged.")

anchors = Group("Anchor price")
ANCHOR_SOURCE_TYPE = anchors.default(
    "MM_ANCHOR_SOURCE_TYPE",
    member_of(AnchorSource),
    "none",
    "Where a price from outside this market comes from.",
)
ANCHOR_URL = anchors.optional(
    "MM_ANCHOR_URL", HTTP_URL, "For `http`; `market=<symbol>` is added to its query."
)
ANCHOR_FIXED_PRICE = anchors.optional(
    "MM_ANCHOR_FIXED_PRICE", mapped(decimal("cNGN per USDC", POSITIVE), Price), "For `fixed`."
)
ANCHOR_ORACLE_ADDRESS = anchors.optional(
    "MM_ANCHOR_ORACLE_ADDRESS",
    ADDRESS,
    "The cNGN/USD feed, for `oracle_carry` and `cngn-price-oracle`.",
    absent="the chain's own, where known",
)
ANCHOR_ORACLE_MAX_AGE = anchors.default(
    "MM_ANCHOR_ORACLE_MAX_AGE_SECONDS", seconds(), "14400", "Age of the on-chain feed's answer."
)
CARRY_RATE_APR = anchors.default(
    "MM_CARRY_RATE_APR",
    decimal("", Range(at_least=Decimal(-2), at_most=Decimal(2)), hint=" (0.08 is 8 % a year)"),
    "0",
    "Rate at which an anchor is carried to the expiry; not `http` and `fixed`, which are no spot.",
)
ANCHOR_CONFIRMATIONS = anchors.default(
    "MM_ANCHOR_CONFIRMATIONS",
    whole("readings", least=1, most=1000),
    "3",
    "Consecutive readings that make a refused jump the new base.",
)

external = Group("Bootstrap anchor of USDCcNGN-SPOT")
_EXTERNAL = "MM_USDCCNGN_SPOT_EXTERNAL_ANCHOR"
EXTERNAL_ENABLED = external.default(
    f"{_EXTERNAL}_ENABLED", BOOLEAN, "false", "Seeds an empty book with an outside price."
)
EXTERNAL_PROVIDER = external.default(
    f"{_EXTERNAL}_PROVIDER", member_of(ExternalProvider), "0x", "Where that price comes from."
)
EXTERNAL_BASE_URL = external.optional(
    f"{_EXTERNAL}_BASE_URL", HTTP_URL, "For `0x`: the price endpoint."
)
EXTERNAL_API_KEY = external.optional(
    f"{_EXTERNAL}_API_KEY", SECRET, "For `0x`: sent as `0x-api-key`.", absent="none is sent"
)
EXTERNAL_CHAIN_ID = external.optional(
    f"{_EXTERNAL}_CHAIN_ID", whole(least=1), "The chain asked about.", absent="`MM_CHAIN_ID`"
)
EXTERNAL_RPC_URL = external.optional(
    f"{_EXTERNAL}_RPC_URL",
    NODE_URL,
    "For `cngn-price-oracle`: a node of that chain.",
    absent="`MM_RPC_URL`",
)
EXTERNAL_SELL_TOKEN = external.optional(
    f"{_EXTERNAL}_SELL_TOKEN", ADDRESS, "For `0x`: USDC on that chain."
)
EXTERNAL_BUY_TOKEN = external.optional(
    f"{_EXTERNAL}_BUY_TOKEN", ADDRESS, "For `0x`: cNGN on that chain."
)
EXTERNAL_AMOUNT = external.optional(
    f"{_EXTERNAL}_AMOUNT",
    whole("base units of the sold token", least=1, most=UINT256_MAX),
    "For `0x`: the amount whose price is asked.",
)
EXTERNAL_TIMEOUT = external.default(
    f"{_EXTERNAL}_TIMEOUT_MS", whole("milliseconds", least=1), "1500", "For one answer."
)
EXTERNAL_MAX_AGE = external.default(
    f"{_EXTERNAL}_MAX_AGE_SECONDS",
    seconds(),
    "30",
    "An older price is not used; raise it to the feed's heartbeat for `cngn-price-oracle`.",
)
EXTERNAL_MAX_DEVIATION_BPS = external.default(
    f"{_EXTERNAL}_MAX_DEVIATION_BPS",
    zero_is_off(BPS),
    "500",
    "A larger jump needs `MM_ANCHOR_CONFIRMATIONS`.",
)
EXTERNAL_BOOTSTRAP_ONLY = external.default(
    f"{_EXTERNAL}_BOOTSTRAP_ONLY", BOOLEAN, "true", "Use it only where there is no local price."
)
EXTERNAL_SPREAD_MULTIPLIER = external.default(
    f"{_EXTERNAL}_SPREAD_MULTIPLIER",
    decimal("times", Range(at_least=Decimal(1))),
    "2",
    "Widens the spread while it is the reference.",
)
EXTERNAL_SIZE_MULTIPLIER = external.default(
    f"{_EXTERNAL}_SIZE_MULTIPLIER",
    decimal("times", Range(above=Decimal(0), at_most=Decimal(1))),
    "0.5",
    "Reduces the size while it is the reference.",
)

scenarios = Group("Live scenarios (read by `integration_harness`, not by the bot)")
INT_TAKER_OWNER_PRIVATE_KEY = scenarios.optional(
    "MM_INT_TAKER_OWNER_PRIVATE_KEY", PRIVATE_KEY, "The taker's key."
)
INT_TAKER_SIGNER_PRIVATE_KEY = scenarios.optional(
    "MM_INT_TAKER_SIGNER_PRIVATE_KEY",
    PRIVATE_KEY,
    "The taker's session key.",
    absent="the taker's key",
)
INT_TAKER_OWNER_ADDRESS = scenarios.optional(
    "MM_INT_TAKER_OWNER_ADDRESS", ADDRESS, "Checked against the key.", absent="that of the key"
)
INT_TAKER_SIGNER_ADDRESS = scenarios.optional(
    "MM_INT_TAKER_SIGNER_ADDRESS", ADDRESS, "Checked against the key.", absent="that of the key"
)
INT_TAKER_SUBACCOUNT_ID = scenarios.optional(
    "MM_INT_TAKER_SUBACCOUNT_ID", ACCOUNT_ID, "The taker's subaccount."
)
INT_TAKER_RECIPIENT_ID = scenarios.optional(
    "MM_INT_TAKER_RECIPIENT_ID", ACCOUNT_ID, "Receives what the taker buys.", absent="the same"
)
INT_SCENARIO = scenarios.optional(
    "MM_INT_SCENARIO", token("scenario names", r"[a-z0-9_, ]+"), "Which scenarios to run."
)
INT_TIMEOUT = scenarios.default(
    "MM_INT_TIMEOUT_SECONDS", seconds(), "120", "Longest wait for anything."
)
INT_POLL_INTERVAL = scenarios.default(
    "MM_INT_POLL_INTERVAL_MS", whole("milliseconds", least=10), "250", "From look to look."
)

GROUPS = (
    exchange,
    identity,
    quotes,
    limits,
    replacing,
    operation,
    anchors,
    sources,
    external,
    scenarios,
)
"""Every variable there is."""
